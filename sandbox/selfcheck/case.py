"""What a case of the self-check is, and the words in which cases say what must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

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
"""What a case is about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One program of a case."""

    code: str
    """The program."""
    informed: bool = False
    """Whether it is told where to look: a first line gives it the names of `Outside.knowledge`."""
    limits: Limits = Limits(seconds=20, memory_mb=512)  # noqa: RUF009 - frozen
    """What it may use: much time, for machines that have other things to do."""
    results: tuple[str, ...] = ()
    """Files to bring back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewind:
    """A step of a session: back to the state after block number `block`."""

    block: int
    """The block's number; 0 is the beginning."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakCheck:
    """A step of a session: no process may be left now that bears the case's token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseResult:
    """What came of a case."""

    executions: tuple[Execution, ...]
    """One for each of its programs, in order."""
    outside: Outside
    """The world around the sandbox."""
    token: str
    """The case's own token, by which its processes and files are known."""
    left: tuple[int, ...]
    """Processes that bore the token where a step looked for them."""

    @property
    def last(self) -> Execution:
        """What came of the last program."""
        return self.executions[-1]


Check: TypeAlias = Callable[[CaseResult], str | None]
"""Says what did not hold, or None where all did."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Something that a program may try, and what must come of it."""

    name: str
    """What the program tries, in a few words."""
    theme: Theme
    """What it is about."""
    steps: tuple[Step | Rewind | LeakCheck, ...]
    """The programs, run one after the other; in a session, if `session`."""
    check: Check
    """What must hold at the end."""
    isolation: Isolation = "limits"
    """The weakest isolation level in which it must hold. Below it the case does not run."""
    excused: str = ""
    """Words in `Sandbox.missing` that say that this machine can't hold it."""
    needs: tuple[str, ...] = ()
    """Packages that the program imports; without them inside, the case says nothing."""
    session: bool = False
    """Whether the programs are blocks of one session."""
    outside: bool = False
    """Whether part of the check looks at the caller's machine, which says little where programs run on another."""


def every(*checks: Check) -> Check:
    """All of `checks` hold."""
    return lambda seen: next((wrong for check in checks if (wrong := check(seen))), None)


def ended(
    *statuses: Status,
    stdout: str | None = None,
    begins: str | None = None,
    stderr: str | None = None,
    exit_code: int | None = None,
    within: float | None = None,
) -> Check:
    """The last program ended so.

    stdout: all that it printed. begins: what that begins with. stderr: words in what it wrote there.
    within: seconds from the program's start to its end.
    """

    def check(seen: CaseResult) -> str | None:
        last = seen.last
        if statuses and last.status not in statuses:
            return f"status {last.status}, not {' or '.join(statuses)}{_words(last)}"
        if stdout is not None and last.stdout != stdout:
            return f"it printed {_short(last.stdout)}, not {_short(stdout)}{_words(last, stdout=False)}"
        if begins is not None and not last.stdout.startswith(begins):
            return f"it printed {_short(last.stdout)}, which does not begin with {_short(begins)}"
        if stderr is not None and stderr not in last.stderr:
            return f"{stderr!r} is not on standard error: {_short(last.stderr)}"
        if exit_code is not None and last.exit_code != exit_code:
            return f"exit code {last.exit_code}, signal {last.signal}, not exit code {exit_code}{_words(last)}"
        if within is not None and last.wall_seconds > within:
            return f"it took {last.wall_seconds:.1f} s; more than {within:g}"
        return None

    return check


def refused(seen: CaseResult) -> str | None:
    """Nothing succeeded of what the last program tried with `attempt`, and it tried all of it."""
    lines = seen.last.stdout.splitlines()
    done = [line.removeprefix("done: ") for line in lines if line.startswith("done: ")]
    if done:
        return f"not refused: {_short('; '.join(done), 600)}"
    if seen.last.status != "ok" or lines[-1:] != ["end"] or len(lines) < 2:
        return f"it did not come to its end: status {seen.last.status}{_words(seen.last)}"
    return None


def gone(seen: CaseResult) -> str | None:
    """No process of the case is left on this machine, nor was where a step looked."""
    left = seen.left or seen.outside.processes(seen.token)
    return f"processes left over: {', '.join(map(str, left))}" if left else None


def untouched(seen: CaseResult) -> str | None:
    """Nothing was written into the folder outside, and nobody called at the sockets."""
    changes = seen.outside.changes()
    return f"outside: {', '.join(changes)}" if changes else None


def attempts(theme: Theme, name: str, code: str, check: Check = refused, **more: object) -> Case:
    """A case that tries things, all of which must be refused from isolation level "landlock" on."""
    step = Step(code=ATTEMPT + code, informed=True)
    more = {"isolation": "landlock", "outside": True, **more}
    return Case(name=name, theme=theme, steps=(step,), check=every(check, untouched), **more)  # type: ignore[arg-type]


def all_ok(seen: CaseResult) -> str | None:
    """All programs ended with status "ok"."""
    for number, execution in enumerate(seen.executions, 1):
        if execution.status != "ok":
            return f"program {number} has status {execution.status}{_words(execution)}"
    return None


def _words(execution: Execution, *, stdout: bool = True) -> str:
    """The end of what a program said, to find out why."""
    said = execution.stderr.strip() or (execution.stdout.strip() if stdout else "")
    return f": {_short(said.rpartition(chr(10))[2])}" if said else ""


def _short(text: str, most: int = 100) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}...")
