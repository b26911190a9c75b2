"""The examination of a solve in sentences: its check, what binds and what it is worth, or why a plan is missing."""

import math
from collections.abc import Iterator

from storm_calm.env.plans.checks import Check
from storm_calm.env.plans.conflict import Conflict, Relaxation
from storm_calm.env.plans.examination import Examination
from storm_calm.env.plans.record import LinearModel, RecordedSolve
from storm_calm.env.plans.sensitivity import MAX_SOLVED, RowSensitivity, Sensitivity
from storm_calm.env.plans.unbounded import Ray
from storm_calm.env.plans.words import number_text, row_text

MAX_ROWS = 12
"""Constraints that are explained."""
MAX_LINES = 30
"""Variables of a plan in text."""
NOTHING = 1e-9
"""A dual up to this size is none."""


def explain(solve: RecordedSolve, examined: Examination) -> list[str]:
    """Return the examination as sentences."""
    lines = [check_text(solve, examined.check)]
    if examined.sensitivity is not None:
        lines += binding_texts(solve, examined.sensitivity)
    if examined.conflict is not None:
        lines += conflict_texts(examined.conflict)
    if examined.relaxation is not None:
        lines += relaxation_texts(examined.relaxation)
    if examined.ray is not None:
        lines.append(ray_text(examined.ray))
    return lines


def plan_lines(solve: RecordedSolve, examined: Examination) -> list[str]:
    """Return the plan and its explanation as paragraphs of Markdown."""
    lines = explain(solve, examined)
    if examined.plan is None:
        return lines
    used = examined.plan.used
    rows = [f"| {_cell(line.name)} | {number_text(line.value)} |" for line in used[:MAX_LINES]]
    table = "\n".join(["| variable | value |", "|---|---:|", *rows])
    zero = len(examined.plan.lines) - len(used)
    rest = [f"{len(used) - MAX_LINES} more"] * (len(used) > MAX_LINES) + [f"{zero} at 0"] * (zero > 0)
    return [table, *([f"And {', '.join(rest)}."] if rest else []), *lines]


def _cell(text: str) -> str:
    """Return a name as code in a table, without marks that end either."""
    return f"`{text.replace('`', ' ').replace('|', ' ')}`"


def check_text(solve: RecordedSolve, check: Check) -> str:
    """Return the result of the check in one or two sentences."""
    if check.outcome == "failed":
        return f"The check failed: {'; '.join(check.faults)}."
    if check.outcome == "unknown":
        return f"Not checked: {'; '.join(check.unchecked)}."
    status = solve.report.status
    if status in ("infeasible", "unbounded"):
        return f"Checked: {check.confirmed} finds the model {status}, too."
    kept = "Checked: the plan keeps all limits of its model"
    kept += "." if check.objective is None else f" and has the objective {check.objective:.10g}."
    if check.confirmed:
        return f"{kept} {check.confirmed} solved the model again and found no better plan."
    return f"{kept} Not checked: {'; '.join(check.unchecked)}." if check.unchecked else kept


def binding_rows(sensitivity: Sensitivity) -> list[tuple[int, RowSensitivity]]:
    """Return the binding constraints and their positions, those that are worth most first."""
    found = [(number, row) for number, row in enumerate(sensitivity.rows) if row.binding]
    return sorted(found, key=lambda one: (-_size(one[1], fixed=sensitivity.fixed), one[0]))


def _size(row: RowSensitivity, *, fixed: bool) -> float:
    """Return how much a constraint's limit is worth, for sorting."""
    if row.one_more == "infeasible":
        return math.inf
    return abs((row.one_more if fixed else row.dual) or 0.0)


def worth_text(row: RowSensitivity, *, fixed: bool) -> str:
    """Return what one unit more of a constraint's limit is worth; "" if unknown."""
    if row.one_more is not None:
        if row.one_more == "infeasible":
            return "no plan with one unit more"
        return f"{number_text(row.one_more)} for one unit more" if row.one_more else "nothing for one unit more"
    if row.dual is None or fixed:
        return ""
    if abs(row.dual) <= NOTHING:
        return "nothing"
    low, high = row.range or (None, None)
    if row.range is None or (low is None and high is None):
        where = ""
    elif low is None or high is None:
        where = f" up to {number_text(high)}" if high is not None else f" from {number_text(low or 0.0)} on"
    else:
        where = f" from {number_text(low)} to {number_text(high)}"
    return f"{number_text(row.dual)} per unit{where}"


def binding_texts(solve: RecordedSolve, sensitivity: Sensitivity) -> Iterator[str]:
    """Yield a sentence for each of the most important binding constraints."""
    if not isinstance(solve.model, LinearModel):
        return
    rows = binding_rows(sensitivity)
    for number, row in rows[:MAX_ROWS]:
        worth = worth_text(row, fixed=sensitivity.fixed)
        yield f"At its limit: {row_text(solve, solve.model, number)}{f'; worth {worth}' if worth else ''}."
    if len(rows) > MAX_ROWS:
        yield f"{len(rows) - MAX_ROWS} more constraints are at their limits."
    tried = [row for row in sensitivity.rows if row.binding][:MAX_SOLVED]
    late = sum(row.one_more is None for row in tried) if sensitivity.fixed else 0
    if late:
        limits = "a limit" if late == 1 else f"{late} limits"
        yield f"The time was over before it was known what one unit more of {limits} is worth."


def conflict_texts(conflict: Conflict) -> Iterator[str]:
    """Yield the limits that cannot hold together."""
    if not conflict.members:
        yield f"No conflict was found: {conflict.reason}." if conflict.reason else "No conflict was found."
        return
    yield (
        f"These {len(conflict.members)} limits cannot hold together:"
        if len(conflict.members) > 1
        else ("This limit cannot hold:")
    )
    for member in conflict.members:
        yield f"- {member.text}"
    if conflict.integer:
        names = ", ".join(conflict.integer[:MAX_ROWS])
        yield f"Whole numbers count, too: {names}{' and more' if len(conflict.integer) > MAX_ROWS else ''}."
    if not conflict.irreducible:
        yield f"Maybe fewer of them are enough: {conflict.reason or 'the time was over'}."


def relaxation_texts(relaxation: Relaxation) -> Iterator[str]:
    """Yield the cheapest way to a feasible model."""
    if relaxation.changes:
        yield "The least change that helps:"
        yield from (f"- {change.text}" for change in relaxation.changes[:MAX_ROWS])
    elif relaxation.dropped:
        yield "Without the following there is a plan:"
        yield from (f"- {member.text}" for member in relaxation.dropped[:MAX_ROWS])


def ray_text(ray: Ray) -> str:
    """Return in which direction nothing limits the objective."""
    steps = ", ".join(f"{line.name} by {number_text(line.value)}" for line in ray.lines[:MAX_ROWS])
    more = " and more" if len(ray.lines) > MAX_ROWS else ""
    return f"Nothing limits changing {steps}{more}: the objective changes by {number_text(ray.gain)} each time."
