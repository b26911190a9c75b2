"""Cases of the self-check, and the checks that they combine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import Execution, Isolation, Status
from storm_calm.sandbox.selfcheck.outside import Outside
from storm_calm.sandbox.selfcheck.texts import ATTEMPT

Theme = Literal[
    "time",
    "memory",
    "output",
    "files",
    "processes",
    "secrets",
    "network",
    "powers",
    "leaks",
    "endings",
    "abilities",
    "sessions",
    "neighbours",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One program of a case."""

    code: str
    informed: bool = False
    """Whether the program starts with the line of `Outside.knowledge`, which names its targets."""
    limits: Limits = Limits(seconds=20, memory_mb=512)  # noqa: RUF009 - frozen
    results: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewind:
    """A step of a session: restore the state after block number `block`; 0 is the initial state."""

    block: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakCheck:
    """A step of a session: look for remaining processes that carry the case's token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseResult:
    """The data that checks examine after all steps of a case."""

    executions: tuple[Execution, ...]
    """One per program, in order."""
    outside: Outside
    token: str
    """A random string that marks the processes and files of this case."""
    remaining: tuple[int, ...]
    """Ids of processes that a `LeakCheck` found."""

    @property
    def last(self) -> Execution:
        return self.executions[-1]


Check: TypeAlias = Callable[[CaseResult], str | None]
"""Returns the violated condition, or None."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """An attack or a normal use, and the check of its result."""

    name: str
    """The attempt, in a few words."""
    theme: Theme
    steps: tuple[Step | Rewind | LeakCheck, ...]
    check: Check
    isolation: Isolation = "limits"
    """The weakest isolation level in which the check must hold; in weaker ones the case is skipped."""
    excused: str = ""
    """Text of an entry of `Sandbox.missing` with which the case is skipped."""
    tmp: bool = False
    """Whether programs use a /tmp of their own, which those in containers do not have."""
    needs: tuple[str, ...] = ()
    """Packages that the program imports; if one is not installed inside, the case is skipped."""
    session: bool = False
    """Whether the programs are blocks of one session."""
    outside: bool = False
    """Whether the check also looks at the caller's machine, which proves little if programs run on another one."""


def case_of(theme: Theme, name: str, programs: str | tuple[str, ...], check: Check, **options: Any) -> Case:
    """Return a case of one or more programs. options: further fields of `Case`, and those of each `Step`."""
    of_step = {key: options.pop(key) for key in ("informed", "limits", "results") if key in options}
    codes = (programs,) if isinstance(programs, str) else programs
    steps = tuple(Step(code=code, **of_step) for code in codes)
    return Case(name=name, theme=theme, steps=steps, check=check, **options)


def attempts(theme: Theme, name: str, code: str) -> Case:
    """Return a case whose calls of `attempt` must all be refused from isolation level "landlock" on."""
    check = every(refused, untouched)
    return case_of(theme, name, ATTEMPT + code, check, informed=True, isolation="landlock", outside=True)


def every(*checks: Check) -> Check:
    """Combine checks: all must hold."""
    return lambda result: next((wrong for check in checks if (wrong := check(result))), None)


def ended(
    *statuses: Status,
    stdout: str | None = None,
    begins: str | None = None,
    stderr: str | None = None,
    exit_code: int | None = None,
    within: float | None = None,
) -> Check:
    """Check the last program: one of `statuses`, and each condition that is given.

    stdout: all of its output. begins: the beginning of its output. stderr: a part of its standard error.
    within: seconds from its start to its end.
    """

    def check(result: CaseResult) -> str | None:
        last = result.last
        if statuses and last.status not in statuses:
            return f"status {last.status}, not {' or '.join(statuses)}{_last_line(last)}"
        if stdout is not None and last.stdout != stdout:
            return f"it printed {_short(last.stdout)}, not {_short(stdout)}{_last_line(last, stdout=False)}"
        if begins is not None and not last.stdout.startswith(begins):
            return f"it printed {_short(last.stdout)}, which does not begin with {_short(begins)}"
        if stderr is not None and stderr not in last.stderr:
            return f"{stderr!r} is not on standard error: {_short(last.stderr)}"
        if exit_code is not None and last.exit_code != exit_code:
            return f"exit code {last.exit_code}, signal {last.signal}, not exit code {exit_code}{_last_line(last)}"
        if within is not None and last.wall_seconds > within:
            return f"it took {last.wall_seconds:.1f} s, more than {within:g} s"
        return None

    return check


def refused(result: CaseResult) -> str | None:
    """Check that every `attempt` of the last program was refused, and that it made all of them."""
    lines = result.last.stdout.splitlines()
    done = [line.removeprefix("done: ") for line in lines if line.startswith("done: ")]
    if done:
        return f"not refused: {_short('; '.join(done), 600)}"
    if result.last.status != "ok" or lines[-1:] != ["end"] or len(lines) < 2:
        return f"it ended before all attempts: status {result.last.status}{_last_line(result.last)}"
    return None


def gone(result: CaseResult) -> str | None:
    """Check that no process of the case is left on this machine, now or at a `LeakCheck`."""
    remaining = result.remaining or result.outside.processes(result.token)
    return f"processes left over: {', '.join(map(str, remaining))}" if remaining else None


def untouched(result: CaseResult) -> str | None:
    """Check that the folder outside is unchanged, and that its sockets received nothing."""
    changes = result.outside.changes()
    return f"outside: {', '.join(changes)}" if changes else None


def all_ok(result: CaseResult) -> str | None:
    """Check that all programs ended with status "ok"."""
    for number, execution in enumerate(result.executions, 1):
        if execution.status != "ok":
            return f"program {number} has status {execution.status}{_last_line(execution)}"
    return None


def _last_line(execution: Execution, *, stdout: bool = True) -> str:
    output = execution.stderr.strip() or (execution.stdout.strip() if stdout else "")
    return f": {_short(output.rpartition(chr(10))[2])}" if output else ""


def _short(text: str, most: int = 100) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}...")
