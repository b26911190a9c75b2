"""Running the self-check: the cases side by side, and beside them programs that mean no harm."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from storm_calm.sandbox.base import Limits, Sandbox
from storm_calm.sandbox.execution import ISOLATION_LEVELS, Execution, SandboxUnavailableError
from storm_calm.sandbox.selfcheck import conduct, limits, powers, reach, sessions
from storm_calm.sandbox.selfcheck.case import Case, CaseResult, LeakCheck, Rewind, Step, Theme
from storm_calm.sandbox.selfcheck.outside import Outside

CASES: tuple[Case, ...] = (*limits.CASES, *reach.CASES, *powers.CASES, *conduct.CASES, *sessions.CASES)
"""Every case, by theme. The canaries come on top."""

_MAX_PARALLEL = 4  # hostile programs: more would take each other's processor time for their own fault
_CANARY_INTERVAL_SECONDS = 0.2  # between two canaries
_ELSEWHERE = ("e2b", "ray")
_CANARY = "import os, time\nprint(sum(range(1000)), flush=True)"
_FORKING = "\npid = os.fork()\nif pid == 0: os._exit(7)\nprint(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
_GENEROUS_LIMITS = Limits(seconds=30)
_SESSION_LIMITS = Limits(seconds=30, memory_mb=512)


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseOutcome:
    """What came of one case."""

    name: str
    """The case's name."""
    theme: Theme
    """What it is about."""
    state: Literal["held", "broken", "skipped"]
    """"skipped": this sandbox does not claim to hold it, or has not what it takes to try."""
    reason: str = ""
    """Why it is broken or skipped."""
    seconds: float = 0.0
    """Wall seconds that it took, waiting for its turn included."""
    inside_only: bool = False
    """Whether what the programs say is all that was judged, as they ran on another machine."""

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON data."""
        return asdict(self)


def self_check(
    sandbox: Sandbox, *, outside: Outside | None = None, cases: Iterable[Case] = CASES
) -> Iterator[CaseOutcome]:
    """Run `cases` in `sandbox`, and canaries before, beside and after them; outcomes as they come.

    outside: made before the sandbox was opened, it shows what a sandbox forked from this process would carry along.
    Raises SandboxUnavailableError where not even the first canary can be run.
    """
    with contextlib.ExitStack() as stack:
        known = outside or stack.enter_context(Outside())
        known.add_secret("the caller's memory")
        canaries = _Canaries(sandbox)
        yield canaries.once("a canary before all others")
        chosen = []
        packages = _packages(sandbox, {name for case in cases for name in case.needs})
        for case in cases:
            reason = _not_here(case, sandbox, packages)
            if reason:
                yield CaseOutcome(name=case.name, theme=case.theme, state="skipped", reason=reason)
            else:
                chosen.append(case)
        pool = ThreadPoolExecutor(max(1, min(_MAX_PARALLEL, sandbox.workers)), thread_name_prefix="self-check")
        # Last in, first out: what waits is dropped, what runs is waited for, the canaries end.
        stack.callback(pool.shutdown, cancel_futures=True)
        with canaries.beside():
            for future in as_completed([pool.submit(_judge, case, sandbox, known, canaries) for case in chosen]):
                yield future.result()
        yield canaries.outcome()
        try:
            yield canaries.once("a canary after all others")
        except SandboxUnavailableError as error:
            yield CaseOutcome(
                name="a canary after all others", theme="neighbours", state="broken", reason=f"no sandbox: {error}"
            )


def _not_here(case: Case, sandbox: Sandbox, packages: set[str]) -> str:
    """Why `case` can't be tried in `sandbox`; "" where it can."""
    if ISOLATION_LEVELS.index(sandbox.isolation) > ISOLATION_LEVELS.index(case.isolation):
        return f"holds from isolation level {case.isolation!r} on; this is {sandbox.isolation!r}"
    excuse = next((reason for reason in sandbox.missing if case.excused and case.excused in reason), "")
    if excuse:
        return excuse
    absent = [name for name in case.needs if name not in packages]
    return f"{' and '.join(absent)} cannot be imported inside" if absent else ""


def _packages(sandbox: Sandbox, names: set[str]) -> set[str]:
    """Which of `names` programs can import."""
    code = (
        f"import importlib.util, json\nprint(json.dumps([n for n in {sorted(names)} if importlib.util.find_spec(n)]))"
    )
    return set(json.loads(sandbox.run(code, limits=_GENEROUS_LIMITS).stdout or "[]"))


def _judge(case: Case, sandbox: Sandbox, outside: Outside, canaries: _Canaries) -> CaseOutcome:
    begin = time.monotonic()
    token = secrets.token_hex(7)  # With 14 letters it fits into a process's name.
    try:
        with canaries.beside_case(case):
            seen = _run(case, sandbox, outside, token)
        wrong = case.check(seen)
    except SandboxUnavailableError as error:
        wrong = f"the sandbox failed: {error}"
    return CaseOutcome(
        name=case.name,
        theme=case.theme,
        state="broken" if wrong else "held",
        reason=wrong or "",
        seconds=time.monotonic() - begin,
        inside_only=case.outside and sandbox.backend in _ELSEWHERE,
    )


def _run(case: Case, sandbox: Sandbox, outside: Outside, token: str) -> CaseResult:
    executions: list[Execution] = []
    left: list[int] = []
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(sandbox.session(limits=_SESSION_LIMITS)) if case.session else None
        for step in case.steps:
            match step:
                case LeakCheck():
                    left += outside.processes(token)
                case Rewind():
                    assert session is not None, f"{case.name}: only a session can be rewound"
                    session.rewind(step.block)
                case Step():
                    code = outside.knowledge(token) + step.code if step.informed else step.code
                    executions.append((session or sandbox).run(code, limits=step.limits, results=step.results))
    return CaseResult(executions=tuple(executions), outside=outside, token=token, left=tuple(left))


@dataclass(slots=True)
class _Canaries:
    """Programs that mean no harm and must not notice those that do."""

    sandbox: Sandbox
    _count: int = 0
    _longest: float = 0.0
    _wrong: list[str] = field(default_factory=list)
    _cases: dict[int, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def once(self, name: str) -> CaseOutcome:
        """One canary now."""
        begin = time.monotonic()
        wrong = self._sing()
        seconds = time.monotonic() - begin
        return CaseOutcome(
            name=name, theme="neighbours", state="broken" if wrong else "held", reason=wrong or "", seconds=seconds
        )

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """One canary after the other, beside what is done meanwhile."""
        thread = threading.Thread(target=self._keep_singing, name="self-check-canaries")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    @contextlib.contextmanager
    def beside_case(self, case: Case) -> Iterator[None]:
        """Note that `case` is under way, to name it should a canary fall silent."""
        self._cases[id(case)] = case.name
        try:
            yield
        finally:
            del self._cases[id(case)]

    def outcome(self) -> CaseOutcome:
        """What came of the canaries beside the cases."""
        reason = f"{len(self._wrong)} of {self._count} failed: {self._wrong[0]}" if self._wrong else ""
        return CaseOutcome(
            name="canaries beside all others",
            theme="neighbours",
            state="broken" if self._wrong or not self._count else "held",
            reason=reason or ("" if self._count else "none came to its turn"),
            seconds=self._longest,
        )

    def _keep_singing(self) -> None:
        while not self._stop.is_set():
            beside = ", ".join(list(self._cases.values()))
            begin = time.monotonic()
            try:
                wrong = self._sing()
            except SandboxUnavailableError as error:
                wrong = f"no sandbox: {error}"
            self._longest = max(self._longest, time.monotonic() - begin)
            self._count += 1
            if wrong:
                self._wrong.append(f"{wrong} (beside: {beside or 'none'})")
            self._stop.wait(_CANARY_INTERVAL_SECONDS)

    def _sing(self) -> str | None:
        # Below "full" the machine's processes are counted together, and a fork bomb can take them all.
        forking = self.sandbox.isolation == "full"
        execution = self.sandbox.run(_CANARY + (_FORKING if forking else ""), limits=_GENEROUS_LIMITS)
        right = "499500\n7\n" if forking else "499500\n"
        if (execution.status, execution.stdout) == ("ok", right):
            return None
        return f"status {execution.status}, output {execution.stdout[:100]!r}, errors {execution.stderr[-100:]!r}"
