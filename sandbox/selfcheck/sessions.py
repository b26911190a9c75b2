"""Cases about sessions: what a block leaves to the next one, and what it must not."""

from __future__ import annotations

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import Status
from storm_calm.sandbox.selfcheck.case import Case, CaseResult, Check, LeakCheck, Rewind, Step, ended, every, gone

_SHORT = Limits(seconds=1.0, memory_mb=512)


def _statuses(*wanted: Status) -> Check:
    def check(seen: CaseResult) -> str | None:
        found = tuple(execution.status for execution in seen.executions)
        return None if found == wanted else f"the blocks ended {', '.join(found)}, not {', '.join(wanted)}"

    return check


def _replayed(seen: CaseResult) -> str | None:
    if seen.last.replayed:
        return None
    return "a process with a second thread was copied, or nothing says that earlier blocks ran again"


_BESIDE = """
import ctypes, os, signal, time
def beside(work):
    if os.fork() == 0:
        os.setsid()
        ctypes.CDLL(None).prctl(15, TOKEN.encode(), 0, 0, 0)
        if os.fork() == 0:
            os.closerange(0, 100)
            work()
        os._exit(0)
"""
"""`beside(work)` leaves a daemon with the case's token as its name. For informed programs."""

CASES: tuple[Case, ...] = (
    Case(
        name="state from block to block",
        theme="sessions",
        steps=(
            Step(code="import json\nx = 1\nopen('f', 'w').write('a')"),
            Step(code="def f(): return x + 1"),
            Step(code="print(f(), json.dumps(x), open('f').read())"),
        ),
        check=every(_statuses("ok", "ok", "ok"), ended("ok", stdout="2 1 a\n")),
        session=True,
    ),
    Case(
        name="a block that fails after it changed everything",
        theme="sessions",
        steps=(
            Step(code="import builtins, os\nx = [1]\nopen('f', 'w').write('a')"),
            Step(code="x.append(2)\nopen('f', 'w').write('b')\nopen('g', 'w').close()\nbuiltins.LEAK = 1\n1 / 0"),
            Step(code="print(x, open('f').read(), os.path.exists('g'), hasattr(builtins, 'LEAK'))"),
        ),
        check=every(_statuses("ok", "error", "ok"), ended("ok", stdout="[1] a False False\n")),
        session=True,
    ),
    Case(
        name="a block that does not end",
        theme="sessions",
        steps=(
            Step(code="x = 1"),
            Step(code="x = 2\nwhile True: pass", limits=_SHORT),
            Step(code="print(x)"),
        ),
        check=every(_statuses("ok", "timeout", "ok"), ended("ok", stdout="1\n")),
        session=True,
    ),
    Case(
        name="a block that kills itself",
        theme="sessions",
        steps=(
            Step(code="x = 1"),
            Step(code="import ctypes\nx = 2\nctypes.string_at(0)"),
            Step(code="print(x)"),
        ),
        check=every(_statuses("ok", "error", "ok"), ended("ok", stdout="1\n")),
        session=True,
    ),
    Case(
        name="a block that takes all memory",
        theme="sessions",
        steps=(
            Step(code="x = 1"),
            Step(code="y = []\nwhile True: y.append('a' * 10_000_000)", limits=Limits(seconds=30, memory_mb=256)),
            Step(code="print(x)"),
        ),
        check=every(_statuses("ok", "memory_limit", "ok"), ended("ok", stdout="1\n")),
        session=True,
    ),
    Case(
        name="rewind",
        theme="sessions",
        steps=(
            Step(code="import os\nx = 1"),
            Step(code="x = 2\nopen('f', 'w').close()"),
            Rewind(block=1),
            Step(code="print(x, os.path.exists('f'))"),
        ),
        check=ended("ok", stdout="1 False\n"),
        session=True,
    ),
    Case(
        name="rewind to the beginning",
        theme="sessions",
        steps=(Step(code="x = 1"), Rewind(block=0), Step(code="print('x' in globals())")),
        check=ended("ok", stdout="False\n"),
        session=True,
    ),
    Case(
        name="a daemon left by a block",
        theme="sessions",
        steps=(
            Step(code=f"{_BESIDE}x = 1\nbeside(lambda: time.sleep(30))", informed=True),
            LeakCheck(),
            Step(code="print(x)"),
        ),
        check=every(_statuses("ok", "ok"), ended("ok", stdout="1\n"), gone),
        session=True,
        outside=True,
    ),
    Case(
        name="a thread left by a block",
        theme="sessions",
        steps=(
            Step(code="import threading\nx = 1\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"),
            Step(code="x += 1"),
            Step(code="print(x)"),
        ),
        check=every(_statuses("ok", "ok", "ok"), ended("ok", stdout="2\n"), _replayed),
        session=True,
    ),
    Case(
        name="a hostile block that goes on after its deadline",
        theme="sessions",
        steps=(
            Step(code="x = 1"),
            Step(
                code=f"{_BESIDE}for s in set(signal.valid_signals()) - {{9, 19}}: signal.signal(s, signal.SIG_IGN)\n"
                "def tick():\n    while True: time.sleep(0.01); open('ticks', 'a').write('x')\n"
                "for _ in range(9): beside(tick)\nwhile True: pass",
                informed=True,
                limits=Limits(seconds=1.0, memory_mb=512, processes=48),
            ),
            LeakCheck(),
            Step(code="import os\nprint(x, os.path.exists('ticks'))"),
        ),
        check=every(_statuses("ok", "timeout", "ok"), ended("ok", stdout="1 False\n"), gone),
        session=True,
        outside=True,
    ),
    Case(
        name="a block that forges the end of itself",
        theme="sessions",
        steps=(
            Step(code="x = 1"),
            Step(
                code="import json, os\nx = 2\n"
                "for fd in range(3, 64):\n"
                "    for end in ({'exit_code': 0}, {'started': 0.0}, {'value': None}, {'ended': 'ok'}):\n"
                "        try: os.write(fd, (json.dumps(end) + '\\n').encode())\n"
                "        except OSError: pass\n"
                "os._exit(1)"
            ),
            Step(code="print(x)"),
        ),
        check=every(_statuses("ok", "error", "ok"), ended("ok", stdout="1\n")),
        session=True,
    ),
)
"""Sessions."""
