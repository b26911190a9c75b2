"""Cases about sessions: the state that a block leaves to the next one, and the state that it must not leave."""

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import Isolation, Status
from storm_calm.sandbox.selfcheck.case import Case, CaseResult, Check, LeakCheck, Rewind, Step, ended, every, gone


def _session(
    name: str,
    *steps: str | Step | Rewind | LeakCheck,
    statuses: tuple[Status, ...],
    stdout: str,
    check: Check | None = None,
    outside: bool = False,
    isolation: Isolation = "limits",
    tmp: bool = False,
) -> Case:
    """Return a case of blocks that must end with `statuses`, the last with `stdout`. check: a further condition."""

    def check_statuses(result: CaseResult) -> str | None:
        found = tuple(execution.status for execution in result.executions)
        return None if found == statuses else f"the blocks ended {', '.join(found)}, not {', '.join(statuses)}"

    return Case(
        name=name,
        theme="sessions",
        steps=tuple(Step(code=step) if isinstance(step, str) else step for step in steps),
        check=every(check_statuses, ended("ok", stdout=stdout), *([check] if check else [])),
        session=True,
        outside=outside,
        isolation=isolation,
        tmp=tmp,
    )


def _failing_block(name: str, step: str | Step, status: Status) -> Case:
    """Return a case whose second block must end with `status` and leave the state unchanged."""
    return _session(name, "x = 1", step, "print(x)", statuses=("ok", status, "ok"), stdout="1\n")


def _replayed(result: CaseResult) -> str | None:
    if result.last.replayed:
        return None
    return "a process with a second thread was forked, or the replay of earlier blocks was not reported"


_START_DAEMON = """
import ctypes, os, signal, time
def start_daemon(work):
    if os.fork() == 0:
        os.setsid()
        ctypes.CDLL(None).prctl(15, TOKEN.encode(), 0, 0, 0)
        if os.fork() == 0:
            os.closerange(0, 100)
            work()
        os._exit(0)
"""
"""`start_daemon(work)` starts a daemon whose process name is the case's token. For informed programs."""

CASES: tuple[Case, ...] = (
    _session(
        "state from block to block",
        "import json\nx = 1\nopen('f', 'w').write('a')",
        "def f(): return x + 1",
        "print(f(), json.dumps(x), open('f').read())",
        statuses=("ok", "ok", "ok"),
        stdout="2 1 a\n",
    ),
    _session(
        "a block that fails after it changed everything",
        "import builtins, os\nx = [1]\nopen('f', 'w').write('a')",
        "x.append(2)\nopen('f', 'w').write('b')\nopen('g', 'w').close()\nbuiltins.LEAK = 1\n1 / 0",
        "print(x, open('f').read(), os.path.exists('g'), hasattr(builtins, 'LEAK'))",
        statuses=("ok", "error", "ok"),
        stdout="[1] a False False\n",
    ),
    _failing_block(
        "a block that does not end",
        Step(code="x = 2\nwhile True: pass", limits=Limits(seconds=1.0, memory_mb=512)),
        "timeout",
    ),
    _failing_block("a block that kills itself", "import ctypes\nx = 2\nctypes.string_at(0)", "error"),
    _failing_block(
        "a block that takes all memory",
        Step(code="y = []\nwhile True: y.append('a' * 10_000_000)", limits=Limits(seconds=30, memory_mb=256)),
        "memory_limit",
    ),
    _session(
        "rewind",
        "import os\nx = 1",
        "x = 2\nopen('f', 'w').close()",
        Rewind(block=1),
        "print(x, os.path.exists('f'))",
        statuses=("ok", "ok", "ok"),
        stdout="1 False\n",
    ),
    _session(
        "rewind of files in /tmp",
        "open('/tmp/f', 'w').close()",
        "import os\nos.remove('/tmp/f')\nopen('/tmp/g', 'w').close()",
        Rewind(block=1),
        "import os\nprint(os.path.exists('/tmp/f'), os.path.exists('/tmp/g'))",
        statuses=("ok", "ok", "ok"),
        stdout="True False\n",
        isolation="full",
        tmp=True,
    ),
    _session(
        "rewind to the beginning",
        "x = 1",
        Rewind(block=0),
        "print('x' in globals())",
        statuses=("ok", "ok"),
        stdout="False\n",
    ),
    _session(
        "a daemon left by a block",
        Step(code=f"{_START_DAEMON}x = 1\nstart_daemon(lambda: time.sleep(30))", informed=True),
        LeakCheck(),
        "print(x)",
        statuses=("ok", "ok"),
        stdout="1\n",
        check=gone,
        outside=True,
    ),
    _session(
        "a thread left by a block",
        "import threading\nx = 1\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "x += 1",
        "print(x)",
        statuses=("ok", "ok", "ok"),
        stdout="2\n",
        check=_replayed,
    ),
    _session(
        "a hostile block that continues after its deadline",
        "x = 1",
        Step(
            code=f"{_START_DAEMON}for s in set(signal.valid_signals()) - {{9, 19}}: signal.signal(s, signal.SIG_IGN)\n"
            "def tick():\n    while True: time.sleep(0.01); open('ticks', 'a').write('x')\n"
            "for _ in range(9): start_daemon(tick)\nwhile True: pass",
            informed=True,
            limits=Limits(seconds=1.0, memory_mb=512, processes=48),
        ),
        LeakCheck(),
        "import os\nprint(x, os.path.exists('ticks'))",
        statuses=("ok", "timeout", "ok"),
        stdout="1 False\n",
        check=gone,
        outside=True,
    ),
    _failing_block(
        "a block that forges its own end",
        "import json, os\nx = 2\n"
        "for fd in range(3, 64):\n"
        "    for end in ({'exit_code': 0}, {'started': 0.0}, {'value': None}, {'ended': 'ok'}):\n"
        "        try: os.write(fd, (json.dumps(end) + '\\n').encode())\n"
        "        except OSError: pass\n"
        "os._exit(1)",
        "error",
    ),
)
