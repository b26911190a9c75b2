"""Sessions: blocks share their state, a failed block changes nothing, and a rewind restores the state after any."""

import os
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storm_calm.sandbox import Limits, SandboxUnavailableError, open_sandbox


@pytest.fixture
def session(sandbox):
    with sandbox.session() as session:
        yield session


def outcome(execution):
    return execution.status, execution.stdout


def test_blocks_share_their_state(session):
    assert session.run("import math\nx = [1]\ndef f(): return len(x) + n").status == "ok"
    assert session.run("n = 41\nx.append(2)").stdout == ""
    assert outcome(session.run("print(f(), math.floor(2.5), __name__)")) == ("ok", "43 2 __main__\n")
    assert session.blocks == 3


@pytest.mark.alone
def test_the_execution_of_a_block_has_the_fields_of_a_programs(session):
    code = "import sys, time\nprint('out')\nprint('err', file=sys.stderr)\nx = bytearray(80 << 20)\ntime.sleep(0.1)"
    execution = session.run(code)
    assert (execution.code, execution.status, execution.exit_code, execution.signal) == (code, "ok", 0, None)
    assert (execution.stdout, execution.stderr, execution.replayed) == ("out\n", "err\n", 0)
    assert 0.1 <= execution.wall_seconds < 2
    assert 0 < execution.cpu_seconds < 2
    assert 80 <= execution.peak_memory_mb < 200
    assert execution.backend == "local"
    busy = session.run("import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass")
    assert 0.15 < busy.cpu_seconds < 1


FAILING = {
    "an error": ("error", "1 / 0"),
    "a syntax error": ("error", "x = ("),
    "an exit code": ("error", "import sys; sys.exit(3)"),
    "a crash": ("error", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
    "a time-out": ("timeout", "while True: pass"),
    "too much memory": ("memory_limit", "y = []\nwhile True: y.append(bytes(10_000_000))"),
    "too much output": ("output_limit", "while True: print('x' * 999)"),
    "too much output at its end": ("output_limit", "print('x' * 6000)"),
}


@pytest.mark.alone
@pytest.mark.parametrize(("status", "code"), FAILING.values(), ids=FAILING.keys())
def test_a_failed_block_leaves_state_and_files_unchanged(sandbox, status, code):
    limits = Limits(seconds=5 if "memory" in status else 0.4, memory_mb=200, output_bytes=5000)
    change = "x.append(2); f.write('!'); f.flush(); os.unlink('a'); os.mkdir('d'); open('b', 'w').write('new')\n"
    with sandbox.session(limits=limits) as session:
        assert (
            session.run("import os\nx = [1]\nf = open('log', 'w'); f.write('?')\nopen('a', 'w').write('old')\n").status
            == "ok"
        )
        failed = session.run(change + code)
        assert failed.status == status
        assert failed.wall_seconds < limits.seconds + 0.7
        look = "f.write('.'); f.flush()\nprint(x, sorted(os.listdir()), open('a').read(), open('log').read())"
        assert outcome(session.run(look)) == ("ok", "[1] ['a', 'block_1.py', 'block_3.py', 'log'] old ?.\n")
        assert session.blocks == 3


def test_the_exit_code_is_the_blocks(session):
    assert session.run("import sys; sys.exit(3)").exit_code == 3
    killed = session.run("import os; os.kill(os.getpid(), 9)")
    assert (killed.status, killed.exit_code, killed.signal) == ("error", None, 9)
    assert session.run("raise SystemExit('so long')").stderr == "so long\n"


def test_exit_code_0_keeps_the_state(session):
    assert session.run("import sys\nx = 1\nsys.exit(0)").status == "ok"
    assert session.run("print(x)").stdout == "1\n"


def test_a_block_that_ends_its_process_leaves_no_state(session):
    session.run("x = 1")
    execution = session.run("x = 2\nprint(x)\nimport os\nos._exit(0)")
    assert outcome(execution) == ("ok", "2\n")
    following = session.run("print(x)")
    assert (following.stdout, following.replayed) == ("1\n", 0)


def test_a_session_can_be_rewound_to_any_block_and_continues(session):
    for number in range(1, 6):
        assert session.run(f"x = {number}\nopen('f', 'w').write(str(x))").status == "ok"
    for block in (4, 2, 2, 1):
        session.rewind(block)
        assert session.blocks == block
        assert session.run("print(x, open('f').read())").stdout == f"{block} {block}\n"
    session.rewind(0)
    assert session.run("import os\nprint('x' in globals(), os.listdir())").stdout == "False ['block_1.py']\n"


def test_a_rewind_counts_failed_blocks_too(session):
    session.run("x = 1")
    session.run("1 / 0")
    session.run("x = 3")
    session.rewind(2)
    assert session.run("print(x)").stdout == "1\n"


@pytest.mark.parametrize("block", [-1, 2, True, 0.0, "1"])
def test_a_rewind_to_an_unknown_block_is_an_error(session, block):
    session.run("x = 1")
    with pytest.raises(ValueError, match="there are blocks 0 to 1"):
        session.rewind(block)
    assert session.run("print(x)").stdout == "1\n"


def test_many_blocks_can_be_rewound(session):
    for number in range(1, 31):
        assert session.run(f"x = {number}").replayed == 0
    session.rewind(5)
    execution = session.run("print(x)")
    assert (execution.stdout, execution.replayed) == ("5\n", 5)  # The oldest states were dropped.
    assert session.run("print(x)").replayed == 0


def test_random_numbers_continue_and_repeat_after_a_rewind(session):
    draw = "print(random.random(), numpy.random.random())"
    session.run("import random, numpy\nrandom.seed(5)\nnumpy.random.seed(5)\n" + draw)
    second = session.run(draw).stdout
    third = session.run(draw).stdout
    assert second != third
    session.rewind(1)
    assert session.run(draw).stdout == second
    assert session.run("1 / 0").status == "error"
    assert session.run(draw).stdout == third


def test_tracebacks_show_only_lines_of_blocks(session):
    session.run("def f(y):\n    return 1 / y  # here")
    assert session.run("x = 0\nf(x)").stderr.splitlines()[:-1] == [
        "Traceback (most recent call last):",
        '  File "block_2.py", line 2, in <module>',
        "    f(x)",
        '  File "block_1.py", line 2, in f',
        "    return 1 / y  # here",
        "            ~~^~~",
    ]
    assert session.run("x = (").stderr.startswith('  File "block_3.py", line 1\n')


def test_inspect_finds_the_source_of_functions(session):
    session.run("def f():\n    return 1")
    assert session.run("import inspect\nprint(inspect.getsource(f))").stdout == "def f():\n    return 1\n"


def test_a_snapshot_restores_a_deep_and_unusual_folder(session, sandbox):
    if sandbox.isolation == "landlock":
        # Programs can't change the modes of files there.
        session.run("import os; os.chmod = lambda path, mode: None")
    number = session.blocks + 1
    make = """
import os
os.makedirs("a/b/c")
open("a/b/c/file", "wb").write(b"x" * 100)
os.symlink("../..", "a/b/up")
os.symlink("/etc/passwd", "out")
os.mkfifo("pipe")
os.chmod("a/b/c/file", 0o400)
os.chmod("a/b", 0o500)
"""
    spoil = """
os.chmod("a/b", 0o700)
os.chmod("a/b/c/file", 0o600)
open("a/b/c/file", "wb").write(b"y" * 100)
os.unlink("out"); os.makedirs("out/" + "d/" * 200)
os.unlink("a/b/up"); os.symlink("c", "a/b/up")
open("new", "w").close()
os.rename("a", "moved")
"""
    look = """
for folder, folders, files in sorted(os.walk(".")):
    print(folder, sorted(folders), sorted(files), oct(os.stat(folder).st_mode))
print(os.readlink("a/b/up"), os.readlink("out"), open("a/b/c/file").read(), oct(os.stat("a/b/c/file").st_mode))
"""
    assert session.run(make).status == "ok"
    before = session.run(look).stdout
    assert ("0o40500" in before) == (sandbox.isolation != "landlock")
    for ending in ("1 / 0", "pass"):
        session.rewind(number)
        assert session.run(spoil + ending).status == ("ok" if ending == "pass" else "error")
        session.rewind(number)
        assert session.run(look).stdout == before


def test_a_block_is_replayed_if_its_folder_is_too_large_for_a_snapshot(session):
    session.run("x = 1")
    assert session.run("import os\nos.makedirs('d/' * 60)\nx = 2").status == "ok"
    execution = session.run("print(x)")
    assert (execution.stdout, execution.replayed) == ("2\n", 1)


def test_blocks_have_input_and_result_files(session):
    first = session.run("print(open('in/a').read())", files={"in/a": b"text"})
    assert outcome(first) == ("ok", "text\n")
    failed = session.run(
        "open('r', 'w').write(open('in/a').read() + open('b').read())\n1 / 0", files={"b": b"!"}, results=["r"]
    )
    assert (failed.status, failed.files) == ("error", {"r": b"text!"})
    after = session.run("import os\nprint(sorted(os.listdir()))", results=["r", "in/a", "none"])
    assert (after.stdout, after.files) == ("['block_1.py', 'block_3.py', 'in']\n", {"in/a": b"text"})


def test_an_input_file_that_cannot_be_written_is_an_error_of_the_block(session):
    session.run("open('a', 'w').close()")
    assert session.run("print(1)", files={"a/b": b""}).status == "error"
    assert session.run("print(1)").status == "ok"


LEAVING = {
    "a thread": "import threading\nevent = threading.Event()\nthreading.Thread(target=event.wait, daemon=True).start()",
    "a pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(2)\nprint(pool.submit(lambda: 'worked').result())"
    ),
    "a child": "import subprocess, sys\nchild = subprocess.Popen(['sleep', '100'])",
}


@pytest.mark.parametrize("code", LEAVING.values(), ids=LEAVING.keys())
def test_a_block_that_leaves_a_thread_or_a_child_is_replayed(session, code):
    session.run("x = 1")
    execution = session.run(code + "\nx += 1")
    assert (execution.status, execution.replayed) == ("ok", 0)
    following = session.run("print(x)\nx += 1")
    assert (following.stdout, following.replayed) == ("2\n", 1)
    assert outcome(session.run("print(x)\n1 / 0")) == ("error", "3\n")
    last = session.run("print(x)")
    assert (last.stdout, last.replayed) == ("3\n", 2)
    session.rewind(1)
    last = session.run("print(x)")
    assert (last.stdout, last.replayed) == ("1\n", 0)


def test_a_block_waits_for_the_output_of_its_threads(session):
    code = "import threading, time\ndef work():\n    time.sleep(0.2)\n    print('late')\n"
    assert outcome(session.run(code + "threading.Thread(target=work).start()\nx = 1")) == ("ok", "late\n")
    following = session.run("print(x)")
    assert (following.stdout, following.replayed) == ("1\n", 0)


@pytest.mark.alone
def test_a_block_is_killed_if_the_replay_of_an_earlier_one_fails(session):
    session.run(
        "import time, threading\nborn = time.time()\n"
        "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    )
    session.run(f"import sys\nif time.time() > {time.time() + 1.0}: sys.exit(1)")
    time.sleep(1.0)
    execution = session.run("print(born)")
    assert execution.status == "killed"
    assert "did not run again" in execution.reason
    session.rewind(1)
    assert session.run("print(born > 0)").stdout == "True\n"


def test_limits_apply_to_their_own_block_only(session):
    assert session.run("while True: pass", limits=Limits(seconds=0.2)).status == "timeout"
    assert session.run("print('x' * 100)", limits=Limits(output_bytes=10)).status == "output_limit"
    assert session.run("x = b'x' * (100 << 20)", limits=Limits(memory_mb=50)).status == "memory_limit"
    assert outcome(session.run("print('x' * 100 + (b'x' * (100 << 20))[:3].decode())")) == ("ok", "x" * 103 + "\n")


def test_memory_shared_by_states_counts_once(sandbox):
    with sandbox.session(limits=Limits(memory_mb=256)) as session:
        assert session.run("x = b'x' * (150 << 20)").status == "ok"
        for _ in range(4):
            assert session.run("y = x[5]\nimport time; time.sleep(0.1)").status == "ok"
        assert session.run("z = b'z' * (150 << 20)").status == "memory_limit"
        assert session.run("print(len(x) >> 20)").stdout == "150\n"


def test_concurrent_sessions_are_separate(sandbox):
    with sandbox.session() as one, sandbox.session() as other, ThreadPoolExecutor(2) as pool:
        code = "open('f', 'w').write('{0}'); x = '{0}'"
        assert [run.status for run in pool.map(lambda s, n: s.run(code.format(n)), (one, other), "ab")] == ["ok", "ok"]
        for session, name in ((one, "a"), (other, "b")):
            assert session.run("print(x, open('f').read())").stdout == f"{name} {name}\n"


def test_an_idle_session_takes_no_slot():
    with open_sandbox(workers=1) as sandbox, sandbox.session() as one, sandbox.session() as other:
        one.run("x = 1")
        other.run("x = 2")
        assert sandbox.run("print(3)").stdout == "3\n"
        assert one.run("print(x)").stdout == "1\n"


def test_an_unused_session_can_be_rewound_and_closed(sandbox):
    session = sandbox.session()
    session.rewind(0)
    session.close()
    session.close()
    with pytest.raises(SandboxUnavailableError, match="session is closed"):
        session.run("print(1)")


def processes_named(word):
    """Return the processes of that name on the machine, without zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            if name == word and rest.split()[0] not in "ZX":
                found.append(int(entry.name))
    return found


NAME = "import ctypes, os, time\nctypes.CDLL(None).prctl(15, b'{}', 0, 0, 0)\n"
DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        time.sleep(300)
    os._exit(0)
os.wait()
"""


@pytest.fixture
def word():
    return os.urandom(7).hex()


def test_a_daemon_ends_with_its_block(session, word):
    assert session.run(NAME.format(word)).status == "ok"
    assert len(processes_named(word)) == 1
    session.run(DAEMON)
    assert len(processes_named(word)) <= 2  # the states


def test_close_leaves_no_process_and_no_file(sandbox, word):
    session = sandbox.session()
    session.run(NAME.format(word))
    session.run("open('f', 'w').close()")
    assert len(processes_named(word)) == 2
    folders = [Path(os.readlink(f"/proc/self/fd/{session.connection.folder}"))]
    before = len(os.listdir("/proc/self/fd"))
    session.close()
    assert processes_named(word) == []
    assert len(os.listdir("/proc/self/fd")) == before - 3
    if sandbox.isolation != "full":
        assert not folders[0].exists()


def test_a_session_is_restarted_when_its_fork_server_dies():
    with open_sandbox() as sandbox, sandbox.session() as session:
        session.run("import random\nx = random.random()\nprint(x)")
        session.run("1 / 0")
        session.run("y = 2")
        session.connection.server.process.kill()
        select.select([session.connection.line], [], [], 5)
        execution = session.run("print(y, random.random())")
        assert (execution.status, execution.replayed) == ("ok", 2)
        assert sandbox.run("print(1)").stdout == "1\n"
        session.connection.server.process.kill()
        select.select([session.connection.line], [], [], 5)
        session.rewind(1)
        assert session.run("print(x)").replayed == 1


def test_closing_the_sandbox_ends_its_sessions(word):
    with open_sandbox() as sandbox:
        session = sandbox.session()
        session.run(NAME.format(word))
    with pytest.raises(SandboxUnavailableError, match="sandbox is closed"):
        session.run("print(1)")
    session.close()
    assert processes_named(word) == []


def test_closing_the_sandbox_during_a_block_is_reported():
    sandbox = open_sandbox()
    session = sandbox.session()
    session.run("x = 1")
    errors = []

    def run():
        with pytest.raises(SandboxUnavailableError) as caught:
            session.run("import time; time.sleep(30)")
        errors.append(caught.value)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    sandbox.close()
    thread.join(10)
    assert len(errors) == 1
    session.close()
