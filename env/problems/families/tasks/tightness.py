"""Whether a limit is used up in all optimal plans, in none, or only in some.

The model's rows and bounds have no names. Those of a limit are found by a comparison with the model of data in which
the limit is one unit larger. Then its usage is minimized and maximized over the optimal plans.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from storm_calm.env.problems.families.scaled.limits import DataLimit
from storm_calm.env.problems.families.scaled.scaled_family import ScaledFamily
from storm_calm.env.problems.families.scaled.tables import Data
from storm_calm.env.problems.families.tasks.solved import LP_GAP, Solved, decide

Tightness = Literal["tight", "slack", "unclear"]

USED_UP = 1e-5
"""The largest unused part of a tight limit."""
UNUSED = 0.03
"""The smallest unused part of a limit with slack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a limit bounds: a sum of variables."""

    coefficients: dict[int, float]


def usage_of(family: ScaledFamily, data: Data, limit: DataLimit) -> Usage | None:
    """Return what the limit bounds from above, or None if it bounds something else than one sum."""
    before, after = family.model(data), family.model(limit.changed(data, limit.value(data) + 1))
    if before.costs != after.costs or len(before.rows) != len(after.rows) or len(before.upper) != len(after.upper):
        return None
    found = [
        Usage(coefficients={index: 1.0})
        for index, (one, other) in enumerate(zip(before.upper, after.upper, strict=True))
        if one != other
    ]
    for one, other in zip(before.rows, after.rows, strict=True):
        if one != other:
            usage = _usage_in_row(one, other)
            if usage is None:
                return None
            found.append(usage)
    return found[0] if len(found) == 1 else None


def _usage_in_row(
    one: tuple[dict[int, float], float, float], other: tuple[dict[int, float], float, float]
) -> Usage | None:
    """Return what a row bounds. one, other: the row before and after the limit has become one unit larger."""
    (coefficients, low, high), (changed, changed_low, changed_high) = one, other
    if low != changed_low or coefficients.keys() != changed.keys():
        return None
    moved = [index for index, value in coefficients.items() if value != changed[index]]
    if not moved and math.isclose(changed_high - high, 1.0):
        return Usage(coefficients=coefficients)
    # The limit holds only if a binary variable is 1, such as the capacity of an open depot.
    if len(moved) == 1 and high == changed_high == 0 and math.isclose(changed[moved[0]] - coefficients[moved[0]], -1.0):
        return Usage(coefficients={index: value for index, value in coefficients.items() if index != moved[0]})
    return None


def tightness(solved: Solved, usage: Usage, limit: float) -> Tightness:
    """Return whether all optimal plans use the limit up, or none comes near it.

    With integers, all plans within the gap of a correct plan count as optimal.
    """
    least, most = (_extreme(solved, usage, sense) for sense in ("minimize", "maximize"))
    if least is None or most is None:
        return "unclear"
    if least >= limit - USED_UP * max(1.0, abs(limit)):
        return "tight"
    return "slack" if most <= limit - UNUSED * abs(limit) else "unclear"


def _extreme(solved: Solved, usage: Usage, sense: Literal["minimize", "maximize"]) -> float | None:
    """Return the least or greatest usage of an optimal plan, or None if it is not found."""
    model = solved.family.model(solved.data)
    within = (solved.gap if solved.whole else LP_GAP) * max(1.0, abs(solved.objective))
    objective = {index: cost for index, cost in enumerate(model.costs) if cost}
    if model.sense == "minimize":
        row = (objective, -math.inf, solved.objective + within)
    else:
        row = (objective, solved.objective - within, math.inf)
    costs = [usage.coefficients.get(index, 0.0) for index in range(len(model.costs))]
    found = decide(replace(model, sense=sense, costs=costs, rows=[*model.rows, row]))
    return found.objective if found.status == "optimal" else None
