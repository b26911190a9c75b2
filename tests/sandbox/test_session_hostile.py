"""Hostile blocks may lose the states of their own session only, and delay no other session."""

import signal
import time
from pathlib import Path

import pytest

from storm_calm.sandbox import Limits, SandboxUnavailableError, open_sandbox

pytestmark = pytest.mark.slow

HOSTILE = {
    "it replaces what the sandbox might call": (
        "import os, socket, json, time, signal, sys, struct, threading, binascii, builtins\n"
        "def no(*a, **k): raise RuntimeError('no')\n"
        "for module in (os, socket, json, time, signal, struct, threading, binascii):\n"
        "    for name in list(vars(module)):\n"
        "        if callable(vars(module)[name]) and not isinstance(vars(module)[name], type):\n"
        "            setattr(module, name, no)\n"
        "sys.exit = sys.settrace = no"
    ),
    "it closes all files": "import os\nos.closerange(0, 256)",
    "it closes the session's line": "import os\nos.close(4)",
    "it puts another file in the line's place": "import os\nos.dup2(0, 4)",
    "it takes over the line": "import os\nfor word in (b'B', b'D', b'I', b'F', b'R', b''): os.write(4, word)",
    "it floods the line": "import os\nwhile True: os.write(4, b'B')",
    "it pretends to be done": "import os\nos.write(4, b'D'); os.write(4, b'I')\nwhile True: pass",
    "it pretends to be done and sleeps": "import os, time\nos.write(4, b'D'); os.write(4, b'I')\ntime.sleep(60)",
    "a child of it pretends for it": (
        "import os, time\nif os.fork() == 0:\n    os.write(4, b'D'); os.write(4, b'I'); os._exit(0)\ntime.sleep(60)"
    ),
    "it kills its parent": "import os, signal\nos.kill(os.getppid(), 9)",
    "it stops its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)",
    "it kills itself": "import os\nos.kill(os.getpid(), 9)",
    "it stops itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "it ignores the end of children": "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "it handles every signal": (
        "import signal\n"
        "def handler(*_): raise KeyboardInterrupt\n"
        "for s in set(signal.valid_signals()) - {9, 19, 32, 33}: signal.signal(s, handler)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.01, 0.001)"
    ),
    "it traces everything": "import sys\nsys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)",
    "it becomes the reaper": "import ctypes\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)",
    "it exits at once": "import os\nos._exit(0)",
    "it forks for ever": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "it replaces the streams": "import sys\nsys.stdout = sys.stderr = None",
    "it makes the stack deep": "import sys\nsys.setrecursionlimit(10**6)\ndef f(): f()\nf()",
    "it fills the folder": "open('big', 'wb').write(bytes(70 << 20))",
    "it removes its folder": "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)",
    "it spoils the memory of its parent": (
        "import os, re\n"
        "pid = os.getppid()\n"
        "maps = open(f'/proc/{pid}/maps').read()\n"
        "with open(f'/proc/{pid}/mem', 'r+b', buffering=0) as memory:\n"
        "    for start, end in re.findall(r'^(\\w+)-(\\w+) rw', maps, re.M):\n"
        "        try:\n"
        "            memory.seek(int(start, 16)); memory.write(bytes(4096))\n"
        "        except (OSError, OverflowError): pass"
    ),
}


@pytest.mark.alone
@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_session_survives_a_hostile_block(sandbox, code):
    limits = Limits(seconds=1.0, processes=24, memory_mb=300)
    with sandbox.session(limits=limits) as session, sandbox.session() as neighbour:
        assert session.run("x = 1").status == "ok"
        assert neighbour.run("y = 7").status == "ok"
        begin = time.monotonic()
        session.run(code)
        assert time.monotonic() - begin < 4
        session.rewind(1)
        begin = time.monotonic()
        execution = session.run("print(x)")
        assert (execution.status, execution.stdout) == ("ok", "1\n")
        assert time.monotonic() - begin < 8
        assert neighbour.run("print(y)").stdout == "7\n"


def test_a_block_that_kills_all_visible_processes_kills_none_outside(walled):
    code = (
        "import os\n"
        "for pid in (-1, 1, *range(2, 60)):\n"
        "    if pid != os.getpid():\n"
        "        try: os.kill(pid, 9)\n"
        "        except OSError: pass\n"
        "print('survived')"
    )
    with walled.session() as session, walled.session() as neighbour:
        assert session.run("x = 1").status == "ok"
        assert neighbour.run("y = 7").status == "ok"
        execution = session.run(code)
        assert execution.status in ("ok", "error")
        following = session.run("print(x)")
        assert (following.status, following.stdout) == ("ok", "1\n")
        assert neighbour.run("print(y)").replayed == 0


def test_a_killed_state_is_restored_by_replaying_blocks(walled):
    with walled.session() as session:
        session.run("import os\nx = 1")
        session.run("y = 2")
        assert session.run("os.kill(os.getppid(), 9)\nraise SystemExit(1)").status == "error"
        execution = session.run("print(x, y)")
        assert (execution.stdout, execution.replayed) == ("1 2\n", 1)


def test_a_block_that_closes_its_socket_gets_the_reason_on_stderr(sandbox):
    with sandbox.session() as session:
        session.run("import os\nx = 1")
        execution = session.run("x = 2\nos.close(4)\nprint('end')")
        assert (execution.status, execution.stdout) == ("error", "end\n")
        assert "closed file 4" in execution.stderr
        assert session.run("print(x)").stdout == "1\n"


@pytest.mark.parametrize("number", sorted(set(signal.valid_signals()) - {signal.SIGSTOP}))
def test_no_signal_from_a_block_ends_the_session(full, number):
    with full.session() as session:
        session.run("import os\nx = 1")
        assert session.run(f"os.kill(1, {number:d})").status == "ok"
        execution = session.run("print(x)")
        assert (execution.stdout, execution.replayed) == ("1\n", 0)


def test_a_block_that_repeatedly_kills_its_supervisor_is_killed():
    with open_sandbox(isolation="limits", minimum_isolation="limits") as sandbox, sandbox.session() as session:
        session.run("import os, time\nx = 1")
        # The first state is the session leader of the blocks; its parent is the supervisor.
        supervisor = "int(open(f'/proc/{os.getsid(0)}/stat').read().rpartition(')')[2].split()[1])"
        execution = session.run(f"x = 2\nos.kill({supervisor}, 9)\ntime.sleep(5)")
        assert execution.status == "killed"
        assert "took down the session's processes" in execution.reason
        assert session.run("print(x)").stdout == "1\n"


def test_blocks_cannot_read_the_memory_of_the_supervisor(walled):
    code = (
        "import os\n"
        "for pid in (os.getppid(), 1):\n"
        "    try: open(f'/proc/{pid}/mem', 'r+b').close(); print(pid, 'open')\n"
        "    except OSError: print('refused')"
    )
    with walled.session() as session:
        # The parent of the first block is the first state.
        assert "1 open" not in session.run(code).stdout


@pytest.mark.alone
def test_the_time_limit_of_a_block_is_enforced(sandbox):
    with sandbox.session() as session:
        session.run("import os, signal, time")
        for code in (
            "while True: pass",
            "for s in set(signal.valid_signals()) - {9, 19}: signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
            "if os.fork() == 0: os.setsid()\ntime.sleep(60)",
            "import threading\nthreading.Thread(target=time.sleep, args=(60,)).start()",
        ):
            execution = session.run(code, limits=Limits(seconds=0.3, memory_mb=512))
            assert execution.status == "timeout"
            assert 0.3 <= execution.wall_seconds < 0.5 + 0.5  # half a second more for a busy machine


def test_a_killed_supervisor_leaves_no_process():
    """At level "limits" a block can kill its supervisor. After the second loss, the session continues without it."""
    with open_sandbox(isolation="limits", minimum_isolation="limits") as sandbox, sandbox.session() as session:
        find = "print(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])"
        supervisor = int(session.run(f"import os\n{find}").stdout)
        states = [int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]
        with pytest.raises(SandboxUnavailableError, match="killed by signal 9"):
            session.run(
                "state = open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1]\n"
                "supervisor = open(f'/proc/{state}/stat').read().rpartition(')')[2].split()[1]\n"
                "os.kill(int(supervisor), 9)\n"
                "import time; time.sleep(5)"
            )
        execution = session.run("print(os.getpid() > 0)")
        assert (execution.stdout, execution.replayed) == ("True\n", 1)
        assert not any(Path(f"/proc/{pid}").exists() for pid in (supervisor, *states))
