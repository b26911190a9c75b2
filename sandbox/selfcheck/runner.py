"""Running the self-check: the cases in parallel, with harmless programs (canaries) beside them."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Literal

from storm_calm.sandbox.base import Limits, Sandbox
from storm_calm.sandbox.execution import ISOLATION_LEVELS, Execution, SandboxUnavailableError
from storm_calm.sandbox.selfcheck import conduct, limits, powers, reach, sessions
from storm_calm.sandbox.selfcheck.case import Case, CaseResult, LeakCheck, Rewind, Step, Theme
from storm_calm.sandbox.selfcheck.outside import Outside

CASES: tuple[Case, ...] = (*limits.CASES, *reach.CASES, *powers.CASES, *conduct.CASES, *sessions.CASES)
"""All cases, by theme. `self_check` adds three canaries."""

_MAX_PARALLEL = 4  # more hostile programs would exceed their time limits because of each other
_SENSITIVE_TO_LOAD = frozenset({"time", "memory", "output", "files", "endings", "abilities", "sessions"})
"""Themes whose cases a busy machine can break: they have time limits. Access that was not refused counts at once."""
_CANARY_INTERVAL_SECONDS = 0.2
_REMOTE_BACKENDS = ("e2b", "ray")
_CANARY = "import os, time\nprint(sum(range(1000)), flush=True)"
_FORKING = "\npid = os.fork()\nif pid == 0: os._exit(7)\nprint(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
_GENEROUS_LIMITS = Limits(seconds=30)
_SESSION_LIMITS = Limits(seconds=30, memory_mb=512)


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseOutcome:
    """The outcome of one case."""

    name: str
    theme: Theme
    state: Literal["held", "broken", "skipped"]
    """"skipped": the isolation level is too weak, the sandbox reports that it cannot hold, or a package is missing."""
    reason: str = ""
    """Why it is broken or skipped, or why it broke beside other cases if it held when it was run again alone."""
    seconds: float = 0.0
    """Wall-clock duration, including the wait for a worker."""
    inside_only: bool = False
    """Whether only the programs' output was checked, because they ran on another machine."""


def self_check(
    sandbox: Sandbox, *, outside: Outside | None = None, cases: Iterable[Case] = CASES
) -> Iterator[CaseOutcome]:
    """Run `cases` in `sandbox`, with canaries before, beside and after them, and yield outcomes as they arrive.

    A case that a busy machine can break is run again alone if it breaks, and the second outcome counts.
    outside: if it was created before the sandbox was opened, it also shows secrets that a fork of this process copies.
    Raises SandboxUnavailableError if the first canary cannot run.
    """
    with contextlib.ExitStack() as stack:
        known = outside or stack.enter_context(Outside())
        known.add_secret("the caller's memory")
        canaries = _Canaries(sandbox)
        yield canaries.run_once("a canary before all others")
        chosen = []
        packages = _packages(sandbox, {name for case in cases for name in case.needs})
        for case in cases:
            reason = _skip_reason(case, sandbox, packages)
            if reason:
                yield CaseOutcome(name=case.name, theme=case.theme, state="skipped", reason=reason)
            else:
                chosen.append(case)
        pool = ThreadPoolExecutor(max(1, min(_MAX_PARALLEL, sandbox.workers)), thread_name_prefix="self-check")
        # Runs after the canaries have stopped: cancels queued cases and waits for running ones.
        stack.callback(pool.shutdown, cancel_futures=True)
        again = []
        with canaries.run_beside():
            futures = {pool.submit(_check, case, sandbox, known, canaries): case for case in chosen}
            for future in as_completed(futures):
                outcome = future.result()
                if outcome.state == "broken" and outcome.theme in _SENSITIVE_TO_LOAD:
                    again.append((futures[future], outcome.reason))
                else:
                    yield outcome
        yield canaries.outcome()
        for case, reason in again:
            outcome = _check(case, sandbox, known, canaries)
            yield outcome if outcome.state == "broken" else replace(outcome, reason=f"beside other cases: {reason}")
        try:
            yield canaries.run_once("a canary after all others")
        except SandboxUnavailableError as error:
            yield _canary_outcome("a canary after all others", f"no sandbox: {error}", 0.0)


def _skip_reason(case: Case, sandbox: Sandbox, packages: set[str]) -> str:
    """Return why `case` cannot be checked in `sandbox`, or ""."""
    if ISOLATION_LEVELS.index(sandbox.isolation) > ISOLATION_LEVELS.index(case.isolation):
        return f"holds from isolation level {case.isolation!r} on; this is {sandbox.isolation!r}"
    excuse = next((reason for reason in sandbox.missing if case.excused and case.excused in reason), "")
    if excuse:
        return excuse
    if case.tmp and sandbox.backend == "docker":
        return "programs in containers have no /tmp of their own"
    absent = [name for name in case.needs if name not in packages]
    return f"{' and '.join(absent)} cannot be imported inside" if absent else ""


def _packages(sandbox: Sandbox, names: set[str]) -> set[str]:
    """Return those of `names` that programs can import."""
    code = (
        "import json\nfrom importlib.util import find_spec\n"
        f"print(json.dumps([name for name in {sorted(names)} if find_spec(name)]))"
    )
    return set(json.loads(sandbox.run(code, limits=_GENEROUS_LIMITS).stdout or "[]"))


def _check(case: Case, sandbox: Sandbox, outside: Outside, canaries: _Canaries) -> CaseOutcome:
    begin = time.monotonic()
    canaries.running_cases.add(case.name)
    try:
        wrong = case.check(_run(case, sandbox, outside))
    except SandboxUnavailableError as error:
        wrong = f"the sandbox failed: {error}"
    finally:
        canaries.running_cases.discard(case.name)
    return CaseOutcome(
        name=case.name,
        theme=case.theme,
        state="broken" if wrong else "held",
        reason=wrong or "",
        seconds=time.monotonic() - begin,
        inside_only=case.outside and sandbox.backend in _REMOTE_BACKENDS,
    )


def _run(case: Case, sandbox: Sandbox, outside: Outside) -> CaseResult:
    token = secrets.token_hex(7)  # 14 characters: the name of a process has at most 15.
    executions: list[Execution] = []
    remaining: list[int] = []
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(sandbox.session(limits=_SESSION_LIMITS)) if case.session else None
        for step in case.steps:
            match step:
                case LeakCheck():
                    remaining += outside.processes(token)
                case Rewind():
                    assert session is not None, f"{case.name}: only a session can be rewound"
                    session.rewind(step.block)
                case Step():
                    code = outside.knowledge(token) + step.code if step.informed else step.code
                    executions.append((session or sandbox).run(code, limits=step.limits, results=step.results))
    return CaseResult(executions=tuple(executions), outside=outside, token=token, remaining=tuple(remaining))


@dataclass(slots=True)
class _Canaries:
    """Harmless programs that must run as usual beside hostile ones."""

    sandbox: Sandbox
    running_cases: set[str] = field(default_factory=set)
    """Names of the cases that are running, for the reason of a failed canary."""
    _count: int = 0
    _longest: float = 0.0
    _failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run_once(self, name: str) -> CaseOutcome:
        begin = time.monotonic()
        return _canary_outcome(name, self._run(), time.monotonic() - begin)

    @contextlib.contextmanager
    def run_beside(self) -> Iterator[None]:
        """Run one canary after the other on a thread, until the block ends."""
        thread = threading.Thread(target=self._run_repeatedly, name="self-check-canaries")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def outcome(self) -> CaseOutcome:
        """Return the outcome of the canaries beside the cases."""
        reason = "" if self._count else "no canary ran"
        if self._failures:
            reason = f"{len(self._failures)} of {self._count} failed: {self._failures[0]}"
        return _canary_outcome("canaries beside all others", reason, self._longest)

    def _run_repeatedly(self) -> None:
        while not self._stop.is_set():
            beside = ", ".join(sorted(self.running_cases.copy()))
            begin = time.monotonic()
            try:
                reason = self._run()
            except SandboxUnavailableError as error:
                reason = f"no sandbox: {error}"
            self._longest = max(self._longest, time.monotonic() - begin)
            self._count += 1
            if reason:
                self._failures.append(f"{reason} (beside: {beside or 'none'})")
            self._stop.wait(_CANARY_INTERVAL_SECONDS)

    def _run(self) -> str:
        """Run one canary, and return why it failed or ""."""
        # Below "full", all programs share the machine's process limit, so a fork bomb can make a canary's fork fail.
        forking = self.sandbox.isolation == "full"
        execution = self.sandbox.run(_CANARY + (_FORKING if forking else ""), limits=_GENEROUS_LIMITS)
        expected = "499500\n7\n" if forking else "499500\n"
        if (execution.status, execution.stdout) == ("ok", expected):
            return ""
        return f"status {execution.status}, output {execution.stdout[:100]!r}, errors {execution.stderr[-100:]!r}"


def _canary_outcome(name: str, reason: str, seconds: float) -> CaseOutcome:
    state: Literal["held", "broken"] = "broken" if reason else "held"
    return CaseOutcome(name=name, theme="neighbours", state=state, reason=reason, seconds=seconds)
