"""Time, memory, output, files and processes: a run that goes over is stopped, and says which."""

import time

import pytest

from sandbox import Limits

SHORT = Limits(seconds=0.3, memory_mb=512)

NEVER_ENDING = {
    "a loop": "while True: pass",
    "a sleep": "import time; time.sleep(1e9)",
    "a call that holds the interpreter": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "deaf to signals": (
        "import signal\n"
        "for s in set(signal.valid_signals()) - {9, 19}: signal.signal(s, signal.SIG_IGN)\n"
        "while True: pass"
    ),
    "deaf to exceptions": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    "a child that holds the output": "import os, time\nif os.fork() == 0:\n    os.setsid()\ntime.sleep(1000)",
}


@pytest.mark.parametrize("code", NEVER_ENDING.values(), ids=NEVER_ENDING.keys())
def test_what_does_not_end_is_ended(sandbox, code):
    begin = time.monotonic()
    execution = sandbox.run("print('begun')\n" + code, limits=SHORT)
    assert execution.status == "timeout"
    assert execution.stdout.startswith("begun\n")
    assert 0.3 <= execution.wall_seconds < 0.5 + 1  # the second for a busy machine
    assert time.monotonic() - begin < 3


MEMORY_HUNGRY = {
    "python": "x = []\nwhile True: x.append('a' * 10_000_000)",
    "numpy": "import numpy as np\nx = [np.ones(10**7) for _ in range(1000)]",
    "one array": "import numpy as np\nnp.ones(10**9)",
    "the C++ library": (
        "from ortools.sat.python import cp_model\nm = cp_model.CpModel()\nwhile True: m.new_int_var(0, 9, 'x' * 100000)"
    ),
    "shared between processes": "import mmap\nx = mmap.mmap(-1, 2 << 30)\nwhile True: x.write(bytes(1 << 20))",
    "many processes": (
        "import os, time\n"
        "for _ in range(8): os.fork() or (lambda x: time.sleep(60))(b'x' * (200 << 20))\n"
        "time.sleep(60)"
    ),
}


@pytest.mark.parametrize("code", MEMORY_HUNGRY.values(), ids=MEMORY_HUNGRY.keys())
def test_what_takes_too_much_memory_is_stopped(sandbox, code):
    if "cp_model" in code:
        pytest.importorskip("ortools")
    execution = sandbox.run(code, limits=Limits(seconds=20, memory_mb=256))
    assert execution.status == "memory_limit"
    assert execution.peak_memory_mb < 700


def test_memory_that_children_share_counts_once(sandbox):
    code = """
import os, time
x = b"x" * (150 << 20)
children = [pid for _ in range(4) if (pid := os.fork()) or time.sleep(0.3) or os._exit(0)]
for pid in children: os.waitpid(pid, 0)
"""
    assert sandbox.run(code, limits=Limits(memory_mb=256)).status == "ok"


def test_a_caught_memory_error_is_no_fault(sandbox):
    code = "try: bytes(10 << 30)\nexcept MemoryError: print('caught')"
    execution = sandbox.run(code)
    assert (execution.status, execution.stdout) == ("ok", "caught\n")


def test_the_word_alone_is_not_a_lack_of_memory(sandbox):
    assert sandbox.run("raise ValueError('MemoryError')").status == "error"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_of_output_is_stopped_at_once(sandbox, stream):
    code = f"import sys\nwhile True: sys.{stream}.write('x' * 1000 + '\\n')"
    execution = sandbox.run(code, limits=Limits(output_bytes=5000))
    assert execution.status == "output_limit"
    assert execution.truncated
    assert execution.wall_seconds < 2
    assert len(getattr(execution, stream)) == 5000


def test_one_long_line_is_stopped_too(sandbox):
    execution = sandbox.run("print('x' * 100_000_000)")
    assert (execution.status, len(execution.stdout)) == ("output_limit", 64 * 1024)


def test_output_up_to_the_limit_is_fine(sandbox):
    execution = sandbox.run("print('x' * 4999)", limits=Limits(output_bytes=5000))
    assert (execution.status, execution.truncated, len(execution.stdout)) == ("ok", False, 5000)


def test_a_large_file_is_refused(sandbox):
    code = "open('big', 'wb').truncate(100 << 20)"
    assert "File too large" in sandbox.run(code, limits=Limits(file_mb=8)).stderr


def test_many_files_together_are_refused(full):
    code = "for i in range(100): open(f'f{i}', 'wb').write(bytes(1 << 20))"
    assert "No space left" in full.run(code, limits=Limits(file_mb=8)).stderr


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
    # Without a user namespace the limit is on all processes of the user; others come and go meanwhile.
    assert int(execution.stdout) == 9 if sandbox.tier == "full" else 0 < int(execution.stdout) < 40
