"""A second opinion: a recorded model solved again, by another solver or with changes.

solve_again(solve, sandbox)
what_if(solve, [ModelChange(kind="row_upper", name="machine hours", value=50.0)], sandbox)
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from storm_calm.env.plans.model_change import ModelChange, changed_model
from storm_calm.env.plans.record import CpSatModel, LinearModel, RecordedSolve
from storm_calm.env.plans.solver_process import run_task
from storm_calm.env.serialize import from_json
from storm_calm.sandbox import Sandbox
from storm_calm.sandbox.execution import plain_name


@dataclass(frozen=True, kw_only=True, slots=True)
class SecondSolve:
    """The result of solving a recorded model again."""

    status: Literal["optimal", "infeasible", "unbounded", "open"]
    """"open": no result, with a reason."""
    objective: float | None = None
    """The objective value of an optimal solution; None without an objective."""
    values: tuple[float, ...] | None = None
    """The value of each variable in an optimal solution."""
    solver: str = ""
    """The solver that found it; "" if it took none."""
    reason: str = ""
    """Why the result is open, or what weakens it."""


def solve_again(solve: RecordedSolve, sandbox: Sandbox, seconds: float = 5.0) -> SecondSolve:
    """Solve the recorded model with another solver than the program's, if one takes it. seconds: its time limit.

    Raises SandboxUnavailableError if the sandbox fails.
    """
    if not isinstance(solve.model, LinearModel | CpSatModel):
        return SecondSolve(status="open", reason=solve.omitted or "there is no recorded model")
    options = {"solver": _other_solver(solve)} if isinstance(solve.model, LinearModel) else {}
    found = _second_solve(run_task(sandbox, "resolve", solve.model, seconds=seconds, **options), solve.model)
    if found.status != "open" and found.solver.casefold() == solve.report.solver.casefold():
        return replace(found, reason=f"{found.solver} solved it before; no other solver here takes this kind of model")
    return found


def what_if(
    solve: RecordedSolve, changes: Iterable[ModelChange], sandbox: Sandbox, seconds: float = 5.0
) -> SecondSolve:
    """Solve the recorded model with changes. seconds: time limit of the solver.

    Raises ValueError for a change that the model does not allow, and SandboxUnavailableError if the sandbox fails.
    """
    return solve_model(changed_model(solve, changes), sandbox, seconds)


def solve_model(model: LinearModel | CpSatModel, sandbox: Sandbox, seconds: float = 5.0) -> SecondSolve:
    """Solve a model. seconds: time limit of the solver. Raises SandboxUnavailableError if the sandbox fails."""
    return _second_solve(run_task(sandbox, "resolve", model, seconds=seconds), model)


def resolved(solve: RecordedSolve, model: LinearModel | CpSatModel, found: SecondSolve) -> RecordedSolve:
    """Return the record of a changed model and its result, to examine it like that of a program.

    Raises ValueError if the result is open.
    """
    if found.status == "open":
        raise ValueError(f"the result is open: {found.reason}")
    sense = solve.report.sense
    report = replace(
        solve.report,
        solver=plain_name(found.solver),
        status=found.status,
        objective=found.objective if sense else None,
        bound=found.objective if sense else None,
        gap=0.0 if sense and found.objective is not None else None,
    )
    return replace(solve, report=report, model=model, values=found.values, reduced_costs=None, duals=None)


def _second_solve(result: dict[str, Any], model: LinearModel | CpSatModel) -> SecondSolve:
    """Return the result of the process; an open one if it failed or is malformed."""
    if "failed" in result:
        return SecondSolve(status="open", reason=str(result["failed"])[:300])
    try:
        found = from_json(SecondSolve, result)
    except ValueError as error:
        return SecondSolve(status="open", reason=f"the process gave a malformed result: {error}"[:300])
    if isinstance(model, LinearModel) and found.values is not None and len(found.values) != len(model.costs):
        return SecondSolve(status="open", reason="the process gave a result of another size")
    return found


def _other_solver(solve: RecordedSolve) -> str:
    """Return the solver to use, in the words of `env.plans.inside.resolve`."""
    assert isinstance(solve.model, LinearModel)
    first = solve.report.solver.casefold()
    if solve.model.cones:
        return "scs" if first == "clarabel" else "clarabel"
    if first == "highs":
        return "clarabel" if solve.model.quadratic else "scip"
    return "highs"
