"""Duals, reduced costs and ranging of an optimal model, from HiGHS.

A dual is the change of the objective value per unit of more right-hand side, and a reduced cost the same for a bound of
a variable, whether the model minimizes or maximizes. Ranges come from one optimal basis. So in a degenerate solution
they hold, but a wider range may hold too.
"""

import math
from typing import Any

import highspy

from . import linear, resolve

_NEAR = 1e-5
"""How far the solution of HiGHS may be from the recorded one, relative to the size of each value."""


def sensitivity(model: dict[str, Any], seconds: float, values: list[float] | None) -> dict[str, Any]:
    """Return duals and ranges. values: the recorded solution; integer variables are fixed at its values."""
    fixed = bool(model["integer"])
    if model["cones"]:
        return _without("a model with cones has no duals here", fixed)
    if fixed and values is None:
        return _without("the integer variables have no recorded values to fix them at", fixed)
    if model["quadratic"] and not resolve.is_convex(model):
        return _without("the objective is not convex, so the solution has no duals", fixed)
    highs = resolve.accepted(_with_fixed_integers(model, values or []), seconds, relaxed=True)
    if highs is None:
        return _without("HiGHS does not accept the model", fixed)
    if values is not None and not model["quadratic"]:
        # From there HiGHS finds a basis of the recorded solution, if it is one of several optimal ones.
        solution = highspy.HighsSolution()
        solution.col_value = values
        highs.setSolution(solution)
    status = linear.solve(highs)
    if status != "optimal":
        return _without(f"HiGHS finds no optimum{' with fixed integers' * fixed}: {status}", fixed)
    found = highs.getSolution()
    result = {
        "fixed": fixed,
        "reason": "",
        "objective": highs.getInfo().objective_function_value,
        "duals": list(found.row_dual),
        "reduced_costs": list(found.col_dual),
        "row_ranges": None,
        "cost_ranges": None,
    }
    if not model["quadratic"]:
        _, ranging = highs.getRanging()
        if ranging.valid:
            result["row_ranges"] = _row_ranges(model, highs, ranging)
            if values is None or _near(found.col_value, values):
                result["cost_ranges"] = _cost_ranges(model, ranging)
    return result


def _without(reason: str, fixed: bool) -> dict[str, Any]:
    return {"fixed": fixed, "reason": reason}


def _with_fixed_integers(model: dict[str, Any], values: list[float]) -> dict[str, Any]:
    lower, upper = list(model["lower"]), list(model["upper"])
    for i in model["integer"]:
        lower[i] = upper[i] = float(round(values[i]))
    return {**model, "lower": lower, "upper": upper}


def _near(found: list[float], values: list[float]) -> bool:
    return all(abs(a - b) <= _NEAR * max(1.0, abs(b)) for a, b in zip(found, values, strict=True))


def _row_ranges(model: dict[str, Any], highs: highspy.Highs, ranging: highspy.HighsRanging) -> list[Any]:
    """Return for each row [limit, low, high]: the range of its limit over which its dual holds.

    The limit is "lower", "upper", or "both" of an equality. None for a row that has no limit, or two that do not bind.
    """
    statuses, activities = highs.getBasis().row_status, highs.getSolution().row_value
    lows, highs_ = ranging.row_bound_dn.value_, ranging.row_bound_up.value_
    limits = zip(model["row_lower"], model["row_upper"], strict=True)
    return [
        _row_range(lower, upper, statuses[row], activities[row], lows[row], highs_[row])
        for row, (lower, upper) in enumerate(limits)
    ]


def _row_range(lower: Any, upper: Any, status: Any, activity: float, low: float, high: float) -> Any:
    """Return the range of one row. low, high: over which its basis stays feasible if it is not basic."""
    statuses = highspy.HighsBasisStatus
    if lower is None and upper is None:
        return None
    if status == statuses.kBasic:
        # Its dual is 0, and its limit is free to move up to the activity.
        if lower is None:
            return "upper", *_range(activity, upper, math.inf)
        if upper is None:
            return "lower", *_range(-math.inf, lower, activity)
        return ("both", lower, upper) if lower == upper else None
    if lower == upper:
        return "both", *_range(low, lower, high)
    if status == statuses.kLower:
        return "lower", *_range(low, lower, high if upper is None else min(high, upper))
    if status == statuses.kUpper:
        return "upper", *_range(low if lower is None else max(low, lower), upper, high)
    return None


def _cost_ranges(model: dict[str, Any], ranging: highspy.HighsRanging) -> list[Any]:
    """Return for each variable the range of its cost over which the solution stays; None for a fixed integer one."""
    low, high = ranging.col_cost_dn.value_, ranging.col_cost_up.value_
    integer = set(model["integer"])
    return [None if i in integer else _range(low[i], cost, high[i]) for i, cost in enumerate(model["costs"])]


def _range(low: float, value: float, high: float) -> tuple[float | None, float | None]:
    """Return the range from low to high, extended to contain the value; None for an infinite end."""
    low = low if low < value else value
    high = high if high > value else value
    return (low if math.isfinite(low) else None), (high if math.isfinite(high) else None)
