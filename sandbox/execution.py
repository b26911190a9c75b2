"""The result of one run of code: an `Execution`, with a `SolverReport` for each solve.

The values are frozen. `to_dict` serializes them to JSON data and `from_dict` validates it.
"""

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

Status = Literal["ok", "error", "timeout", "memory_limit", "output_limit", "killed", "malformed_call"]
"""How a run ended. "killed": the program made the process fail that ran it. "malformed_call": the model's tool call had
no readable program, so nothing ran (see `env.tool_calls`). A fault of the sandbox itself is not a status; it raises
`SandboxUnavailableError`."""

Isolation = Literal["full", "landlock", "limits"]
"""Strongest first. full: namespaces, Landlock, seccomp and resource limits; landlock: the same without namespaces;
limits: resource limits only."""

ISOLATION_LEVELS: tuple[Isolation, ...] = get_args(Isolation)
"""The isolation levels, strongest first."""

SolveStatus = Literal["optimal", "feasible", "infeasible", "unbounded", "error", "limit"]
"""A solver's result. "feasible": a solution not proved optimal; "limit": stopped without a solution."""

Sense = Literal["minimize", "maximize"]

HELP_PREFIX = "Help: "
"""The beginning of the line with which the sandbox ends the standard error of some failed programs."""

_LONGEST_REPORT = 4096  # bytes: the largest atomic write to a pipe (PIPE_BUF)
_ODD = re.compile(r"[^A-Za-z0-9_ .,:;+/()\[\]-]")
_LARGEST_COUNT = 2**53  # a float represents all integers up to here exactly


class SandboxUnavailableError(RuntimeError):
    """The sandbox could not run the program. The program is not the cause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SolverReport:
    """One solve, reported by the probe inside the program's process: a claim, not evidence.

    `sense`, `objective` and `bound` are those of the model that the library solved, not of the question. SciPy only
    minimizes: a program that maximizes with it negates its objective, and the report has the negated value (-5 for a
    maximum of 5). Compare such an objective with an answer up to its sign.
    """

    library: str
    """The library that was called, such as "ortools.cp_model"."""
    solver: str
    """The solver that the library used, such as "SCIP" or "CP-SAT"; "" if unknown."""
    status: SolveStatus
    """The solver's result, in one vocabulary for all libraries."""
    sense: Sense | None = None
    """The direction of the objective; None without an objective. A constant is not an objective."""
    objective: float | None = None
    """The objective value of the solution; None without a solution or an objective."""
    bound: float | None = None
    """The best proved bound on the objective, or None."""
    gap: float | None = None
    """|objective - bound| / max(1e-10, |objective|), as in SCIP and Gurobi; None if either is missing."""
    continuous: int = 0
    """Number of continuous variables."""
    integer: int = 0
    """Number of integer variables that are not binary."""
    binary: int = 0
    """Number of integer variables with bounds inside [0, 1]."""
    fixed: int = 0
    """Number of those variables, of any kind, whose lower and upper bound are equal. If all are, the model has nothing
    to decide. Variables that only constraints fix are not counted."""
    constraints: int = 0
    """Number of constraints, without bounds of variables."""
    seconds: float = 0.0
    """Wall seconds of the solve."""

    def __post_init__(self) -> None:
        for name in ("library", "solver"):
            value = getattr(self, name)
            if not isinstance(value, str) or plain_name(value) != value:
                raise ValueError(f"{name} {value!r:.100} must be up to 80 letters, digits, spaces and _.,:;+/()[]-")
        if self.status not in get_args(SolveStatus):
            raise ValueError(f"status {self.status!r:.100} must be one of {', '.join(get_args(SolveStatus))}")
        if self.sense not in (*get_args(Sense), None):
            raise ValueError(f"sense {self.sense!r:.100} must be one of {', '.join(get_args(Sense))}, None")
        for name in ("objective", "bound", "gap"):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name))
        _check_number("seconds", self.seconds, least=0)
        for name in ("continuous", "integer", "binary", "fixed", "constraints"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_COUNT:
                raise ValueError(f"{name} {value!r:.100} must be a whole number from 0 to 2**53")

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """Parse one line from a program's process; None if it is too long, not JSON, or violates the schema."""
        if len(line) > _LONGEST_REPORT:
            return None
        try:
            data = json.loads(line, parse_int=_whole)
            return cls.from_dict(data) if isinstance(data, dict) else None
        except (ValueError, TypeError, RecursionError):
            return None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the report that `to_dict` serialized. Raises ValueError for an invalid value."""
        return cls(**_known(cls, data))


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One run of a program: its output, end, resource usage and solver reports."""

    code: str
    """The program; with status "malformed_call" the text of the call."""
    status: Status
    """How it ended. "error": an exit code other than 0, or a signal. "malformed_call": nothing ran, since the model's
    tool call had no readable program."""
    stdout: str = ""
    """Standard output; bytes that are not UTF-8 are replaced."""
    stderr: str = ""
    """Standard error, including tracebacks; bytes that are not UTF-8 are replaced."""
    exit_code: int | None = None
    """The exit code that Python gave; None if a signal ended it."""
    signal: int | None = None
    """The signal that ended it, including the sandbox's SIGKILL; None if it exited."""
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """CPU seconds of the program and of the children that it waited for."""
    peak_memory_mb: float = 0.0
    """Peak memory in MiB, as far as it was measured, without the libraries that the sandbox preloads."""
    truncated: bool = False
    """Whether output was dropped because it exceeded the limit."""
    isolation: Isolation
    backend: str
    """The backend it ran on, such as "local"."""
    reports: tuple[SolverReport, ...] = ()
    """One report for each solve, in order. Of more than 1,000, the first 500 and the last 500."""
    dropped_reports: int = 0
    """Number of reports between the first and the last that were dropped."""
    solve_records: tuple[str, ...] = ()
    """The records of the last solves, as JSON text that the program's process wrote; `env.plans` reads it."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Contents of the requested `results` that are regular files, by relative path."""
    replayed: int = 0
    """In a session: number of earlier blocks that ran again to restore the state before this one."""
    reason: str = ""
    """Why the run failed, for status "killed"."""

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise ValueError(f"status {self.status!r} must be one of {', '.join(get_args(Status))}")
        if self.isolation not in ISOLATION_LEVELS:
            raise ValueError(f"isolation level {self.isolation!r} must be one of {', '.join(ISOLATION_LEVELS)}")

    @property
    def ran(self) -> bool:
        """Whether there was a program to run."""
        return self.status != "malformed_call"

    @property
    def help(self) -> str:
        """The sandbox's help on the error: the last line of `stderr` if it starts with "Help: ", else ""."""
        last = self.stderr.rstrip().rpartition("\n")[2]
        return last if self.status == "error" and last.startswith(HELP_PREFIX) else ""

    @property
    def own_stderr(self) -> str:
        """Standard error without the sandbox's help."""
        return self.stderr.rstrip().removesuffix(self.help) if self.help else self.stderr

    @property
    def error_line(self) -> str:
        """The last line of the program's own standard error; "" if it is empty."""
        return self.own_stderr.rstrip().rpartition("\n")[2]

    def to_dict(self) -> dict[str, Any]:
        files = {name: base64.b64encode(content).decode() for name, content in self.files.items()}
        return {**asdict(self), "reports": [report.to_dict() for report in self.reports], "files": files}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the execution that `to_dict` serialized. Raises ValueError for an invalid value."""
        values = _known(cls, data)
        values["reports"] = tuple(SolverReport.from_dict(report) for report in values.get("reports", ()))
        values["solve_records"] = tuple(values.get("solve_records", ()))
        values["files"] = {name: base64.b64decode(content) for name, content in values.get("files", {}).items()}
        return cls(**values)


def plain_name(text: str) -> str:
    """Return `text` as a valid name for a report: up to 80 letters, digits and punctuation characters."""
    return _ODD.sub("_", text)[:80]


def _check_number(name: str, value: object, least: float = -math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        raise ValueError(f"{name} {value!r:.100} must be a finite number" + (" of at least 0" if least == 0 else ""))


def _whole(digits: str) -> int | float:
    """Parse an integer of JSON text; one of more than 16 digits becomes a float, possibly infinite."""
    return int(digits) if len(digits) <= 16 else float(digits)


def _known(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` as keyword arguments of the dataclass `cls`. Raises ValueError for an unknown key."""
    unknown = sorted(set(data) - set(cls.__dataclass_fields__))  # type: ignore[attr-defined]
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {unknown[0]!r}")
    return dict(data)
