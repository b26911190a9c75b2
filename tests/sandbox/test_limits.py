"""The precision of the limits. That each limit works is a case of `sandbox.selfcheck`."""

import time

import pytest

from storm_calm.sandbox import Limits


@pytest.mark.alone
def test_an_endless_program_is_stopped_in_time(sandbox):
    begin = time.monotonic()
    execution = sandbox.run("print('begun')\nwhile True: pass", limits=Limits(seconds=0.3, memory_mb=512))
    assert (execution.status, execution.stdout) == ("timeout", "begun\n")
    assert 0.3 <= execution.wall_seconds < 0.5 + 1  # one second more for a busy machine
    assert time.monotonic() - begin < 3


def test_memory_never_reaches_twice_the_limit(sandbox):
    execution = sandbox.run("x = []\nwhile True: x.append('a' * 1_000_000)", limits=Limits(seconds=20, memory_mb=256))
    assert execution.status == "memory_limit"
    assert execution.peak_memory_mb < 512


def test_memory_shared_by_child_processes_counts_once(sandbox):
    code = """
import os, time
x = b"x" * (150 << 20)
children = [pid for _ in range(4) if (pid := os.fork()) or time.sleep(0.3) or os._exit(0)]
for pid in children: os.waitpid(pid, 0)
"""
    assert sandbox.run(code, limits=Limits(memory_mb=256)).status == "ok"


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_processes_and_threads_are_counted(sandbox, kind):
    start = {
        "process": "os.fork() or time.sleep(60)",
        "thread": "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    }[kind]
    code = f"""
import os, threading, time
count = 0
try:
    while True:
        {start}
        count += 1
except (OSError, RuntimeError):
    print(count, flush=True)
    os._exit(3)
"""
    execution = sandbox.run(code, limits=Limits(processes=10))
    assert execution.exit_code == 3
    # Without a user namespace the limit counts all processes of the user, and their number varies.
    assert int(execution.stdout) == 9 if sandbox.isolation == "full" else 0 < int(execution.stdout) < 40
