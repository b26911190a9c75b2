"""A recorded solve as data for pages and agents: plan, check, what binds, or the conflict, chart and notation.

report = plan_report(solve, examine(solve, sandbox))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storm_calm.env.plans import cp_sat
from storm_calm.env.plans.charts import Bars, Flows, Gantt, chart_of
from storm_calm.env.plans.checks import Outcome
from storm_calm.env.plans.conflict import Conflict, LimitChange, Relaxation
from storm_calm.env.plans.examination import Examination
from storm_calm.env.plans.explanation import check_text, conflict_texts, explain, relaxation_texts, worth_text
from storm_calm.env.plans.notation import Notation, notation
from storm_calm.env.plans.plan import plan_of
from storm_calm.env.plans.record import CpSatModel, LinearModel, RecordedSolve
from storm_calm.env.plans.sensitivity import RowSensitivity, Sensitivity
from storm_calm.env.plans.variable_groups import VariableGroup, variable_groups
from storm_calm.env.plans.words import UNLIMITED, constraint_text, row_text

Side = Literal["row_lower", "row_upper", "lower", "upper"]
MAX_VARIABLES = 1000
"""Variables of a report: all, or those that are not 0."""
MAX_CONSTRAINTS = 500
"""Constraints of a report; binding ones come first."""
MAX_READ = 20_000
"""Constraints that are put into words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedCheck:
    """The check of the plan."""

    outcome: Outcome
    text: str
    """The result in one or two sentences."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedVariable:
    """A variable."""

    name: str
    value: float | None
    """Its value in the plan; None without a plan."""
    lower: float | None = None
    upper: float | None = None
    integer: bool | None = None
    """Whether it must be whole; None if unknown."""
    cost: float | None = None
    """Its coefficient in the objective; None if unknown."""
    reduced_cost: float | None = None
    """The change of the objective value per unit of more of it; None if unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedConstraint:
    """A constraint."""

    name: str
    text: str
    """The constraint in words, such as "5 chairs + 20 tables <= 400"."""
    lower: float | None
    upper: float | None
    activity: float | None = None
    """Its value in the plan; None without a plan."""
    slack: float | None = None
    """The distance of the activity to the nearest limit; None without a plan or a limit."""
    binding: bool = False
    worth: float | None = None
    """The change of the objective value per unit of more of its limit; None if unknown."""
    worth_text: str = ""
    range: tuple[float | None, float | None] | None = None
    """Limits over which the worth holds; None if unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConflictMember:
    """A limit of a conflict."""

    name: str
    text: str
    kind: str
    """constraint, lower, or upper: the last two are bounds of a variable."""
    side: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedConflict:
    """Limits that have no solution together."""

    members: tuple[ConflictMember, ...]
    irreducible: bool
    """Whether there is a solution without any one of them."""
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedChange:
    """A limit to change, which `env.plans.model_change` can do."""

    kind: Side
    name: str
    before: float
    after: float
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedRelaxation:
    """The cheapest change that makes an infeasible model feasible."""

    changes: tuple[ReportedChange, ...]
    dropped: tuple[str, ...]
    """Constraints to drop from a CP-SAT model."""
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanReport:
    """A recorded solve and what was found out about it."""

    library: str
    solver: str
    status: str
    """The solver's result."""
    sense: str | None
    """"minimize" or "maximize"; None without an objective."""
    objective: float | None
    check: ReportedCheck
    variables: tuple[ReportedVariable, ...] = ()
    """All variables if there are at most 1,000, else those that are not 0, up to 1,000."""
    variables_left_out: int = 0
    zero: int = 0
    """Number of variables at 0."""
    groups: tuple[VariableGroup, ...] = ()
    """The variables by base name and index; empty without a plan."""
    constraints: tuple[ReportedConstraint, ...] = ()
    """Constraints of a linear model, binding ones first, or those of a CP-SAT model."""
    constraints_left_out: int = 0
    explanation: tuple[str, ...] = ()
    """The examination in sentences."""
    conflict: ReportedConflict | None = None
    """Only for an infeasible model."""
    relaxation: ReportedRelaxation | None = None
    """Only for an infeasible model."""
    notation: Notation
    """A linear or quadratic model in mathematical notation."""
    chart: Bars | Flows | Gantt | None = None
    not_checked: tuple[str, ...] = ()
    """What was not checked, and why."""
    changeable: bool = False
    """Whether limits of the model can be changed, to solve it again."""


def plan_report(solve: RecordedSolve, examined: Examination) -> PlanReport:
    """Return the report on a solve."""
    plan = plan_of(solve)
    variables = _variables(solve, examined.sensitivity)
    zero = sum(variable.value == 0 for variable in variables)
    shown = variables if len(variables) <= MAX_VARIABLES else [one for one in variables if one.value != 0]
    names = {variable.name for variable in shown[:MAX_VARIABLES]}
    lines = [] if plan is None else [line for line in plan.lines if line.name in names][:MAX_VARIABLES]
    groups = variable_groups(lines)
    constraints = _constraints(solve, examined.sensitivity)
    return PlanReport(
        library=solve.report.library,
        solver=solve.report.solver,
        status=solve.report.status,
        sense=solve.report.sense,
        objective=solve.report.objective,
        check=ReportedCheck(outcome=examined.check.outcome, text=check_text(solve, examined.check)),
        variables=tuple(shown[:MAX_VARIABLES]),
        variables_left_out=max(0, len(shown) - MAX_VARIABLES),
        zero=zero,
        groups=groups,
        constraints=tuple(constraints[:MAX_CONSTRAINTS]),
        constraints_left_out=max(0, len(constraints) - MAX_CONSTRAINTS),
        explanation=tuple(explain(solve, examined)),
        conflict=None if examined.conflict is None else _conflict(examined.conflict),
        relaxation=None if examined.relaxation is None else _relaxation(solve, examined.relaxation),
        notation=notation(solve),
        chart=chart_of(solve, groups) if plan is not None else None,
        not_checked=examined.check.unchecked,
        changeable=isinstance(solve.model, LinearModel | CpSatModel),
    )


def _variables(solve: RecordedSolve, sensitivity: Sensitivity | None) -> list[ReportedVariable]:
    plan, model = plan_of(solve), solve.model
    linear = model if isinstance(model, LinearModel) else None
    found = []
    for number in range(len(solve.variables)):
        line = plan.lines[number] if plan is not None else None
        sensitive = sensitivity.variables[number] if sensitivity and number < len(sensitivity.variables) else None
        found.append(
            ReportedVariable(
                name=solve.variable(number),
                value=None if line is None else line.value,
                lower=linear.lower[number] if linear else None,
                upper=linear.upper[number] if linear else None,
                integer=line.integer if line else number in linear.integer if linear else None,
                cost=linear.costs[number] if linear else None,
                reduced_cost=sensitive.reduced_cost if sensitive else None,
            )
        )
    return found


def _constraints(solve: RecordedSolve, sensitivity: Sensitivity | None) -> list[ReportedConstraint]:
    model = solve.model
    if isinstance(model, CpSatModel):
        return _cp_sat_constraints(solve, model)
    if not isinstance(model, LinearModel):
        return []
    rows = sensitivity.rows if sensitivity is not None else ()
    found = []
    for number in range(min(len(solve.constraints), MAX_READ)):
        name = solve.constraint(number)
        row = rows[number] if number < len(rows) else None
        found.append(
            ReportedConstraint(
                name=name,
                text=row_text(solve, model, number).removeprefix(f"{name}: "),
                lower=model.row_lower[number],
                upper=model.row_upper[number],
                activity=row.activity if row else None,
                slack=row.slack if row else None,
                binding=bool(row and row.binding),
                worth=_worth(row, fixed=bool(sensitivity and sensitivity.fixed)),
                worth_text=worth_text(row, fixed=sensitivity.fixed) if row and row.binding and sensitivity else "",
                range=row.range if row else None,
            )
        )
    return sorted(found, key=lambda row: (not row.binding, -abs(row.worth or 0.0)))


def _cp_sat_constraints(solve: RecordedSolve, model: CpSatModel) -> list[ReportedConstraint]:
    try:
        proto = cp_sat.parse(model)
    except cp_sat.MalformedModelError:
        return []
    found = []
    for number, constraint in enumerate(proto.constraints[:MAX_READ]):
        name = solve.constraint(number)
        lower, upper = (None if abs(end) >= UNLIMITED else float(end) for end in _ends(constraint.linear.domain))
        text = constraint_text(solve, proto, number).removeprefix(f"{name}: ")
        found.append(ReportedConstraint(name=name, text=text, lower=lower, upper=upper))
    return found


def _ends(domain: Sequence[int]) -> tuple[int, int]:
    """Return both ends of a domain, a list of the ends of intervals."""
    return (domain[0], domain[-1]) if domain else (UNLIMITED, UNLIMITED)


def _worth(row: RowSensitivity | None, *, fixed: bool) -> float | None:
    if row is None or not row.binding:
        return None
    if isinstance(row.one_more, float):
        return row.one_more
    return None if fixed else row.dual


def _conflict(conflict: Conflict) -> ReportedConflict:
    members = tuple(
        ConflictMember(name=member.name, text=member.text, kind=member.kind, side=member.side)
        for member in conflict.members
    )
    return ReportedConflict(
        members=members, irreducible=conflict.irreducible, sentences=tuple(conflict_texts(conflict))
    )


def _relaxation(solve: RecordedSolve, relaxation: Relaxation) -> ReportedRelaxation:
    return ReportedRelaxation(
        changes=tuple(_change(solve.model, change) for change in relaxation.changes)
        if isinstance(solve.model, LinearModel)
        else (),
        dropped=tuple(member.text for member in relaxation.dropped),
        sentences=tuple(relaxation_texts(relaxation)),
    )


def _change(model: LinearModel, change: LimitChange) -> ReportedChange:
    member = change.member
    is_lower = member.side == "lower"
    row: Side = "row_lower" if is_lower else "row_upper"
    kind = row if member.kind == "constraint" else member.kind
    limit = getattr(model, kind)[member.index] or 0.0
    after = limit - change.amount if is_lower else limit + change.amount
    return ReportedChange(kind=kind, name=member.name, before=limit, after=after, text=change.text)
