"""What binds in an optimal plan, and what it is worth: slacks, duals, reduced costs and ranging.

    found = analyze(solve, sandbox)
    for row in found.rows:
        print(row.name, row.slack, row.binding, row.dual, row.range)

Activities, slacks and binding are computed here, from the record. HiGHS computes the rest in the sandbox, whatever the
program's solver was. So in a degenerate plan, which has several valid duals, these may not be the program's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from storm_calm.env.plans import feasibility
from storm_calm.env.plans.checks import FIRST_ORDER, FIRST_ORDER_TOLERANCE, GAP, TOLERANCE
from storm_calm.env.plans.record import LinearModel, RecordedSolve
from storm_calm.env.plans.solver_process import run_task
from storm_calm.env.serialize import from_json
from storm_calm.sandbox import Sandbox

Limit = Literal["lower", "upper", "both"]
Range = tuple[float | None, float | None]
"""Both ends of a range; None for one without an end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSensitivity:
    """A row of the model in an optimal plan."""

    name: str
    activity: float
    """The value of the row."""
    lower: float | None
    upper: float | None
    slack: float | None
    """The distance of the activity to the nearest limit, negative beyond it; None without a limit."""
    binding: bool
    """Whether the activity is at a limit, within the tolerance of the solver."""
    dual: float | None = None
    """The change of the objective value per unit of more right-hand side, whatever the sense; None if unknown."""
    limit: Limit | None = None
    """The limit that `range` is of; "both" of an equality."""
    range: Range | None = None
    """Values of the limit over which the dual holds, at least; None if unknown."""
    one_more: float | Literal["infeasible"] | None = None
    """In a model with whole variables, the change of the objective value if the limit is one unit more, from solving it
    again; "infeasible" without a plan then. None for other models, rows that do not bind, and unknown ones. A row
    with two different limits has that of the upper one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VariableSensitivity:
    """A variable of the model in an optimal plan."""

    name: str
    value: float
    lower: float | None
    upper: float | None
    cost: float
    """Its coefficient in the objective."""
    reduced_cost: float | None = None
    """The change of the objective value per unit of more of the variable, whatever the sense; None if unknown."""
    cost_range: Range | None = None
    """Costs over which the plan stays optimal, at least; None if unknown, as for a fixed integer variable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitivity:
    """The sensitivity of an optimal plan."""

    rows: tuple[RowSensitivity, ...] = ()
    variables: tuple[VariableSensitivity, ...] = ()
    fixed: bool = False
    """Whether duals, reduced costs and ranges are of the model with its integer variables fixed at the plan."""
    reason: str = ""
    """Why duals, reduced costs and ranges are missing, else ""."""


MAX_SIZE = 20_000
"""Variables and constraints of a model that is analyzed."""
MAX_SOLVED = 8
"""Binding constraints of a model with whole variables for which it is solved again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Raised:
    status: str
    objective: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _OneMore:
    """The result of the task `one_more`."""

    rows: tuple[_Raised, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """The result of the process."""

    fixed: bool = False
    reason: str = ""
    failed: str = ""
    objective: float = 0.0
    duals: tuple[float, ...] = ()
    reduced_costs: tuple[float, ...] = ()
    row_ranges: tuple[tuple[Limit, float | None, float | None] | None, ...] | None = None
    cost_ranges: tuple[Range | None, ...] | None = None


def analyze(solve: RecordedSolve, sandbox: Sandbox, seconds: float = 5.0) -> Sensitivity:
    """Return what binds in the recorded plan, and what it is worth. seconds: time limit of the solver.

    Without duals the result has the reason. Raises SandboxUnavailableError if the sandbox fails.
    """
    model, values = solve.model, solve.values
    if not isinstance(model, LinearModel):
        return Sensitivity(reason=solve.omitted or "only linear and quadratic models have duals")
    if values is None:
        return Sensitivity(reason="there is no recorded plan")
    size = len(model.costs) + len(model.row_lower)
    if size > MAX_SIZE:
        return Sensitivity(reason=f"the model has {size} variables and constraints, more than {MAX_SIZE}")
    rows, variables = _rows(solve, model, values), _variables(solve, model, values)
    found = _found(run_task(sandbox, "sensitivity", model, seconds=seconds, values=list(values)), model)
    reason = found.failed or found.reason or _difference(found.objective, feasibility.objective(model, values))
    if reason:
        return Sensitivity(rows=rows, variables=variables, fixed=found.fixed, reason=reason)
    with_duals = tuple(_with_dual(row, number, found) for number, row in enumerate(rows))
    if found.fixed:
        with_duals = _with_one_more(with_duals, model, feasibility.objective(model, values), sandbox, seconds)
    return Sensitivity(
        rows=with_duals,
        variables=tuple(_with_reduced_cost(variable, number, found) for number, variable in enumerate(variables)),
        fixed=found.fixed,
    )


def _with_one_more(
    rows: tuple[RowSensitivity, ...], model: LinearModel, objective: float, sandbox: Sandbox, seconds: float
) -> tuple[RowSensitivity, ...]:
    """Return the rows with what one unit more of the first binding limits is worth."""
    binding = [number for number, row in enumerate(rows) if row.binding][:MAX_SOLVED]
    if not binding:
        return rows
    result = run_task(sandbox, "one_more", model, seconds=seconds, rows=binding)
    try:
        found = from_json(_OneMore, result).rows
    except ValueError:
        return rows
    changed = list(rows)
    for number, one in zip(binding, found, strict=False):
        if one.status == "infeasible":
            changed[number] = replace(rows[number], one_more="infeasible")
        elif one.status == "optimal" and one.objective is not None:
            # Within the usual gap of solvers, nothing has changed.
            change = one.objective - objective
            small = abs(change) <= TOLERANCE * max(1.0, abs(objective))
            changed[number] = replace(rows[number], one_more=0.0 if small else change)
    return tuple(changed)


def _found(result: object, model: LinearModel) -> _Found:
    """Return the result of the process; one with a reason if it is malformed."""
    try:
        found = from_json(_Found, result)
    except ValueError as error:
        return _Found(failed=f"the examination gave a malformed result: {error}"[:300])
    if found.failed or found.reason:
        return found
    rows, columns = len(model.row_lower), len(model.costs)
    parts = (
        (found.duals, rows),
        (found.reduced_costs, columns),
        (found.row_ranges, rows),
        (found.cost_ranges, columns),
    )
    if any(part is not None and len(part) != size for part, size in parts):
        return _Found(failed="the examination gave a result of another size")
    return found


def _difference(best: float, objective: float) -> str:
    """Return why the duals are not those of the plan; "" if its objective is the best one, as far as solvers go."""
    if abs(best - objective) <= GAP * max(1.0, abs(best)):
        return ""
    return f"the plan is not optimal: its objective is {objective:.10g}, and HiGHS finds {best:.10g}"


def _rows(solve: RecordedSolve, model: LinearModel, values: Sequence[float]) -> tuple[RowSensitivity, ...]:
    tolerance = FIRST_ORDER_TOLERANCE if solve.report.solver in FIRST_ORDER else TOLERANCE
    rows = []
    for number, activity in enumerate(feasibility.activities(model, values)):
        lower, upper = model.row_lower[number], model.row_upper[number]
        sizes = [abs(a * values[i]) for i, a in model.row(number)]
        scale = max([1.0, abs(lower or 0.0), abs(upper or 0.0), *sizes])
        slack = _slack(activity, lower, upper)
        rows.append(
            RowSensitivity(
                name=solve.constraint(number),
                activity=activity,
                lower=lower,
                upper=upper,
                slack=slack,
                binding=slack is not None and slack <= tolerance * scale,
            )
        )
    return tuple(rows)


def _slack(activity: float, lower: float | None, upper: float | None) -> float | None:
    distances = [*([] if lower is None else [activity - lower]), *([] if upper is None else [upper - activity])]
    return min(distances, default=None)


def _variables(solve: RecordedSolve, model: LinearModel, values: Sequence[float]) -> tuple[VariableSensitivity, ...]:
    return tuple(
        VariableSensitivity(
            name=solve.variable(number),
            value=value,
            lower=model.lower[number],
            upper=model.upper[number],
            cost=model.costs[number],
        )
        for number, value in enumerate(values)
    )


def _with_dual(row: RowSensitivity, number: int, found: _Found) -> RowSensitivity:
    limit, low, high = (found.row_ranges[number] if found.row_ranges else None) or (None, None, None)
    return replace(
        row,
        dual=found.duals[number] + 0.0,  # Never -0.0.
        limit=limit,
        range=None if limit is None else (low, high),
    )


def _with_reduced_cost(variable: VariableSensitivity, number: int, found: _Found) -> VariableSensitivity:
    return replace(
        variable,
        reduced_cost=found.reduced_costs[number] + 0.0,
        cost_range=found.cost_ranges[number] if found.cost_ranges else None,
    )
