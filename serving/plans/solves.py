"""Reading, examining and changing recorded solves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.env.plans import RecordedSolve, examine, plan_of, read_records
from storm_calm.env.plans.model_change import ModelChange, changed_model
from storm_calm.env.plans.plan_report import PlanReport, plan_report
from storm_calm.env.plans.second_solver import resolved, solve_model
from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import Execution, Sandbox

EXAMINATION_SECONDS = 5.0
"""Time limit of each solve of an examination."""
WHAT_IF_SECONDS = 10.0
"""Time limit of solving a changed model."""
MAX_CHANGES = 1000
MAX_DIFFERENCES = 500
"""Variables whose change is reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A variable that has another value."""

    name: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedSolve:
    """The result of a changed model."""

    status: Literal["optimal", "infeasible", "unbounded", "open"]
    """"open": no result, with a reason."""
    reason: str
    """Why the result is open, else ""."""
    solve: RecordedSolve | None
    """The changed model and its result; None without one."""
    objective_before: float | None
    """The objective value before the changes."""
    differences: tuple[Difference, ...] = ()
    """At most 500 variables that have another value."""
    differences_left_out: int = 0


def last_solve(execution: Execution) -> RecordedSolve | None:
    """Return the last recorded solve of a program that has a model or a solution; None without one."""
    solves = [solve for solve in read_records(execution) if solve.model is not None or solve.values is not None]
    return solves[-1] if solves else None


def read_record(data: object) -> RecordedSolve:
    """Return a solve from its record. Raises ValueError that names the wrong field."""
    if isinstance(data, dict) and data.get("malformed"):
        raise ValueError(f"the record could not be read before: {str(data['malformed'])[:200]}")
    return from_json(RecordedSolve, data)


def record_data(solve: RecordedSolve) -> dict[str, Any]:
    """Return the record of a solve as JSON data."""
    return to_json(solve)


def report_on(solve: RecordedSolve, sandbox: Sandbox, *, seconds: float = EXAMINATION_SECONDS) -> PlanReport:
    """Examine a solve and return the report. seconds: time limit of each solve.

    Raises SandboxUnavailableError if the sandbox fails.
    """
    return plan_report(solve, examine(solve, sandbox, seconds=seconds))


def solve_with_changes(
    solve: RecordedSolve, changes: Sequence[ModelChange], sandbox: Sandbox, *, seconds: float = WHAT_IF_SECONDS
) -> ChangedSolve:
    """Solve the recorded model with changes. seconds: time limit of the solver.

    Raises ValueError for a change that the model does not allow, and SandboxUnavailableError if the sandbox fails.
    """
    if len(changes) > MAX_CHANGES:
        raise ValueError(f"there are {len(changes)} changes; give at most {MAX_CHANGES}")
    before = solve.report.objective
    model = changed_model(solve, changes)
    found = solve_model(model, sandbox, seconds)
    if found.status == "open":
        return ChangedSolve(status="open", reason=found.reason, solve=None, objective_before=before)
    result = resolved(solve, model, found)
    differences = _differences(solve, result)
    return ChangedSolve(
        status=found.status,
        reason="",
        solve=result,
        objective_before=before,
        differences=tuple(differences[:MAX_DIFFERENCES]),
        differences_left_out=max(0, len(differences) - MAX_DIFFERENCES),
    )


def _differences(before: RecordedSolve, after: RecordedSolve) -> list[Difference]:
    first, second = plan_of(before), plan_of(after)
    if first is None or second is None:
        return []
    pairs = zip(first.lines, second.lines, strict=True)
    return [
        Difference(name=one.name, before=one.value, after=other.value)
        for one, other in pairs
        if abs(one.value - other.value) > 1e-6 * max(1.0, abs(one.value))
    ]
