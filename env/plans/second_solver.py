"""A second opinion: a recorded model solved again, by another solver or with changes.

solve_again(solve, sandbox)
what_if(solve, [ModelChange(kind="row_upper", name="machine hours", value=50.0)], sandbox)
"""

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from storm_calm.env.plans.record import CpSatModel, LinearModel, RecordedSolve
from storm_calm.env.plans.solver_process import run_task
from storm_calm.env.serialize import from_json
from storm_calm.sandbox import Sandbox


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


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChange:
    """A change of a recorded model."""

    kind: Literal["row_lower", "row_upper", "lower", "upper", "cost", "coefficient"]
    """A limit or a coefficient of a constraint, or a bound or the cost of a variable."""
    name: str
    """The program's name of the constraint or the variable."""
    value: float | None
    """None removes a limit."""
    variable: str = ""
    """The variable of the coefficient."""


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
    if not isinstance(solve.model, LinearModel | CpSatModel):
        return SecondSolve(status="open", reason=solve.omitted or "there is no recorded model")
    positions = [_position(solve, change) for change in changes]
    return _second_solve(run_task(sandbox, "what_if", solve.model, seconds=seconds, changes=positions), solve.model)


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


def _position(solve: RecordedSolve, change: ModelChange) -> dict[str, Any]:
    """Return a change with positions for names. Raises ValueError."""
    is_limit = change.kind not in ("cost", "coefficient")
    if isinstance(solve.model, CpSatModel) and not is_limit:
        raise ValueError(f"{change.kind} of {change.name!r}: only limits of a CP-SAT model can change")
    if isinstance(solve.model, CpSatModel) and change.value is None and change.kind in ("lower", "upper"):
        raise ValueError(f"{change.kind} of {change.name!r}: a variable of CP-SAT needs both limits")
    if change.value is None and not is_limit:
        raise ValueError(f"{change.kind} of {change.name!r}: give a number")
    if change.value is not None and not math.isfinite(change.value):
        raise ValueError(
            f"{change.kind} of {change.name!r} is {change.value}; give a finite number, or None for no limit"
        )
    variables = [solve.variable(number) for number in range(len(solve.variables))]
    constraints = [solve.constraint(number) for number in range(len(solve.constraints))]
    if change.kind in ("lower", "upper", "cost"):
        return {"kind": change.kind, "index": _index(variables, change.name, "variable"), "value": change.value}
    found = {"kind": change.kind, "index": _index(constraints, change.name, "constraint"), "value": change.value}
    if change.kind == "coefficient":
        found["column"] = _index(variables, change.variable, "variable")
    return found


def _index(names: Sequence[str], name: str, kind: str) -> int:
    """Return the position of the one part with a name. Raises ValueError."""
    found = [number for number, one in enumerate(names) if one == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{name!r} is the name of {len(found)} {kind}s; give them different names")
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Close names: {', '.join(map(repr, close))}" if close else f"There are {len(names)} {kind}s"
    raise ValueError(f"{name!r} is not a {kind} of the model. {hint}.")
