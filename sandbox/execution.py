"""What one run of code came to: an `Execution`, with a `SolverReport` for each solve that the program made.

Plain frozen values. `to_dict` gives JSON data and `from_dict` takes it back; nothing here runs anything.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NoReturn, Self, get_args

Status = Literal["ok", "error", "timeout", "memory_limit", "output_limit", "killed"]
"""How a run ended. "killed": the program took down what ran it; `Execution.reason` says how.

A fault of the sandbox itself is not a status: it raises `SandboxUnavailableError`.
"""

Isolation = Literal["full", "landlock", "limits"]
"""How well a program is locked in, strongest first.

full: namespaces, Landlock, seccomp and resource limits. landlock: the same without namespaces. limits: only the last.
"""

ISOLATION_LEVELS: tuple[Isolation, ...] = get_args(Isolation)
"""The isolation levels, strongest first."""

SolveStatus = Literal["optimal", "feasible", "infeasible", "unbounded", "error", "limit"]
"""What a solver said. "feasible": a solution that it did not prove optimal; "limit": it stopped without a solution."""

Sense = Literal["minimize", "maximize"]
"""The direction of an objective."""


_LONGEST_REPORT = 4096  # bytes: what a pipe takes in one piece, also from many processes at once (PIPE_BUF)
_ODD = re.compile(r"[^A-Za-z0-9_ .,:;+/()\[\]-]")
_LONGEST_NAME = 80
_LARGEST_COUNT = 2**53  # up to here a float holds every whole number


class SandboxUnavailableError(RuntimeError):
    """The sandbox could not run the program, through no fault of the program. It says nothing about the program."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SolverReport:
    """One solve, as the sandbox's probe saw it inside the program: a claim of the program's process, not evidence."""

    library: str
    """The library that was called, such as "ortools.cp_model"."""
    solver: str
    """The solver under it, such as "SCIP" or "CP-SAT"; "" where the library does not say."""
    status: SolveStatus
    """What the solver said, in one vocabulary for all libraries."""
    sense: Sense | None = None
    """The direction of the objective; None where there is no objective."""
    objective: float | None = None
    """The objective's value at the solution; None without a solution or without an objective."""
    bound: float | None = None
    """The best bound on the objective that the solver proved; None where it gave none."""
    gap: float | None = None
    """|objective - bound| / max(1e-10, |objective|), as SCIP and Gurobi report it; None where either is missing."""
    continuous: int = 0
    """Number of continuous variables."""
    integer: int = 0
    """Number of integer variables that are not binary."""
    binary: int = 0
    """Number of integer variables with bounds inside [0, 1]."""
    constraints: int = 0
    """Number of constraints; bounds of variables are none."""
    seconds: float = 0.0
    """Wall seconds that the solve took."""

    def __post_init__(self) -> None:
        for name in ("library", "solver"):
            value = getattr(self, name)
            if not isinstance(value, str) or plain_name(value) != value:
                raise ValueError(f"{name} {value!r:.100} must be up to 80 letters, digits, spaces and _.,:;+/()[]-")
        if not isinstance(self.status, str) or self.status not in get_args(SolveStatus):
            raise ValueError(f"status {self.status!r:.100} must be one of {', '.join(get_args(SolveStatus))}")
        if self.sense is not None and (not isinstance(self.sense, str) or self.sense not in get_args(Sense)):
            raise ValueError(f"sense {self.sense!r:.100} must be one of {', '.join(get_args(Sense))}, None")
        for name in ("objective", "bound", "gap"):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name))
        _check_number("seconds", self.seconds, least=0)
        for name in ("continuous", "integer", "binary", "constraints"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_COUNT:
                raise ValueError(f"{name} {value!r:.100} must be a whole number from 0 to 2**53")

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """Parse one line that a program's process sent; None if it is too long, not JSON, or violates the schema."""
        if len(line) > _LONGEST_REPORT:
            return None
        try:
            data = json.loads(line, parse_int=_whole, parse_constant=_refuse_constant)
            return cls.from_dict(data) if isinstance(data, dict) else None
        except (ValueError, TypeError, RecursionError):
            return None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The report that `to_dict` gave. Raises ValueError for a value that no report can have."""
        return cls(**_known(cls, data))


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One run of a program: what it printed, how it ended, what it used, and what its solvers said."""

    code: str
    """The program, as it was given."""
    status: Status
    """How it ended. "error": it ended with an exit code other than 0, or by a signal."""
    stdout: str = ""
    """What it wrote to standard output; bytes that are not UTF-8 are replaced."""
    stderr: str = ""
    """What it wrote to standard error, tracebacks included; bytes that are not UTF-8 are replaced."""
    exit_code: int | None = None
    """Its exit code, as python's own; None where a signal ended it."""
    signal: int | None = None
    """The signal that ended it, the sandbox's own SIGKILL included; None where it exited."""
    wall_seconds: float = 0.0
    """Seconds from its start to its end."""
    cpu_seconds: float = 0.0
    """Processor seconds of the program and of the children that it waited for."""
    peak_memory_mb: float = 0.0
    """The most memory it held at once beyond what the sandbox had loaded for it, in MiB, as far as it was seen."""
    truncated: bool = False
    """Whether output was lost because it went over the limit."""
    isolation: Isolation
    """How well it was locked in."""
    backend: str
    """Where it ran, such as "local"."""
    reports: tuple[SolverReport, ...] = ()
    """One report for each solve, in order."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The files that were asked for with `results`, as the program left them, without those that are no plain file."""
    replayed: int = 0
    """In a session: how many earlier blocks had to run again to make the state that this one began in."""
    reason: str = ""
    """Why the sandbox ended it, for status "killed"."""

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise ValueError(f"status {self.status!r} must be one of {', '.join(get_args(Status))}")
        if self.isolation not in ISOLATION_LEVELS:
            raise ValueError(f"isolation level {self.isolation!r} is none of {', '.join(ISOLATION_LEVELS)}")

    def to_dict(self) -> dict[str, Any]:
        """The execution as JSON data."""
        files = {name: base64.b64encode(content).decode() for name, content in self.files.items()}
        return {**asdict(self), "reports": [report.to_dict() for report in self.reports], "files": files}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The execution that `to_dict` gave. Raises ValueError for a value that no execution can have."""
        values = _known(cls, data)
        values["reports"] = tuple(SolverReport.from_dict(report) for report in values.get("reports", ()))
        values["files"] = {name: base64.b64decode(content) for name, content in values.get("files", {}).items()}
        return cls(**values)


def plain_name(text: str) -> str:
    """Make of `text` a name that a report can have: letters, digits and a few signs, up to 80."""
    return _ODD.sub("_", text)[:_LONGEST_NAME]


def _check_number(name: str, value: object, least: float = -math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        raise ValueError(f"{name} {value!r:.100} must be a finite number" + (" of at least 0" if least == 0 else ""))


def _whole(digits: str) -> int | float:
    """Parse an integer of JSON text; one that no count and no exact float can be becomes a float, maybe infinite."""
    return int(digits) if len(digits) <= 16 else float(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")


def _known(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` as keyword arguments of `cls`; a key it lacks is an error that names the key."""
    unknown = sorted(set(data) - set(cls.__dataclass_fields__))  # type: ignore[attr-defined]
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {unknown[0]!r}")
    return dict(data)
