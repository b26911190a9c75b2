"""Runs: what is kept of each program that ran, under an ID with which the other tools work.

    run = runs.add(Run.of(execution, "program"))
    runs.get(run.id).solves

Runs are bounded in number and size; the oldest are dropped first.
"""

import secrets
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from storm_calm.env.plans import RecordedSolve, read_records
from storm_calm.sandbox import Execution
from storm_calm.serving.mcp.quota import Quota
from storm_calm.serving.mcp.tool_errors import ToolError

_NUMBER_BYTES = 4
"""Bytes in memory per byte of a record's text, about."""


@dataclass(kw_only=True, slots=True, eq=False)
class Run:
    """A program that ran, or a changed model that was solved."""

    kind: Literal["program", "agent", "what_if"]
    code: str
    solves: tuple[RecordedSolve, ...]
    """The recorded solves, in order. Of many, the last ones."""
    stdout: str = ""
    stderr: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that the program wrote and the client asked for."""
    size: int = 0
    """Bytes in memory, estimated."""
    id: str = field(default_factory=lambda: f"run-{secrets.token_hex(8)}")
    reports: dict[int, Any] = field(default_factory=dict)
    """The examinations that were asked for, by the number of the solve."""
    exports: dict[str, bytes] = field(default_factory=dict)
    """The files that were made from the solves, by name."""

    @classmethod
    def of(cls, execution: Execution, kind: Literal["program", "agent"]) -> Self:
        """Return the run of an execution."""
        texts = sum(map(len, execution.solve_records)) * _NUMBER_BYTES
        size = texts + len(execution.code) + len(execution.stdout) + len(execution.stderr)
        return cls(
            kind=kind,
            code=execution.code,
            solves=read_records(execution),
            stdout=execution.stdout,
            stderr=execution.stderr,
            files=execution.files,
            size=size + sum(map(len, execution.files.values())),
        )

    def keep(self, name: str, content: bytes) -> None:
        """Keep a file that was made from a solve."""
        self.size += len(content) - len(self.exports.get(name, b""))
        self.exports[name] = content

    def number(self, solve: int) -> int:
        """Return the position of a solve, counted from 1; 0 for the last. Raises ToolError for another number."""
        if not self.solves:
            raise ToolError(
                "unsupported",
                f"record_id: {self.id} has no recorded solve: its program called no solver library that is recorded, "
                "or ended before the solve",
            )
        if not 0 <= solve <= len(self.solves):
            raise ToolError("invalid_input", f"solve: {solve} is not from 1 to {len(self.solves)} (0 for the last)")
        return (solve or len(self.solves)) - 1


class Runs:
    """The runs of one client."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._dropped: deque[str] = deque(maxlen=1000)

    def __iter__(self) -> Any:
        return iter(self._runs.values())

    @property
    def size(self) -> int:
        return sum(run.size for run in self._runs.values())

    def add(self, run: Run) -> Run:
        """Keep a run, and drop the oldest ones above the limits. The newest is always kept."""
        self._runs[run.id] = run
        while len(self._runs) > self._quota.runs or self.size > self._quota.bytes:
            if not self.drop_oldest():
                break
        return run

    def drop_oldest(self) -> bool:
        """Drop the oldest run unless it is the only one. Return whether one was dropped."""
        if len(self._runs) < 2:
            return False
        self._dropped.append(self._runs.popitem(last=False)[0])
        return True

    def get(self, run_id: str) -> Run:
        """Return a run. Raises ToolError for an unknown ID."""
        run = self._runs.get(run_id)
        if run is not None:
            return run
        if run_id in self._dropped:
            raise ToolError(
                "not_found",
                f"record_id: {run_id} was dropped: a session keeps the newest {self._quota.runs} runs and "
                f"{self._quota.bytes >> 20} MiB. Run the program again",
            )
        raise ToolError("not_found", f"record_id: no run {run_id[:60]!r} in this session; run_program returns the ID")
