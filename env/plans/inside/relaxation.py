"""Find the cheapest way to make a recorded model feasible.

Linear: each limit of a row can be exceeded at a cost, the amount divided by max(1, |limit|). Bounds stay as they are,
except those of variables whose own bounds conflict, as no change of a row helps there. CP-SAT: the fewest constraints
are dropped. The parts that count as always present are those of `conflict`; for CP-SAT, so do all bounds.
"""

import math
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from .conflict import Switches

Row = tuple[str, int, dict[int, float], float | None, float | None]
"""Kind ("constraint" or "bound"), index, coefficients by variable, and limits."""

_NEGLIGIBLE = 1e-7
"""Amounts up to this, times max(1, |limit|), are within the solver's tolerance."""
_MAX_SCALE = 1e4
_EXACT_SECONDS = 2.0  # for a last solve with whole numbers


def relaxation(model: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return the changes of limits or the dropped constraints, their cost, and whether it is proven the least."""
    if model["kind"] == "cp_sat":
        return _relax_cp_sat(model["text"], seconds)
    if model["cones"]:
        return _result("open", reason="models with cones are not examined")
    return _relax_linear(model, seconds)


def _result(status: str, *, reason: str = "", **found: Any) -> dict[str, Any]:
    return {"status": status, "changes": [], "dropped": [], "cost": 0.0, "reason": reason, **found}


def _relax_linear(model: dict[str, Any], seconds: float) -> dict[str, Any]:
    elastic, limits = _elastic(model)
    status, values = _solved(elastic, seconds)
    if len(values) < len(elastic["costs"]):
        return _result("open", reason=f"no feasible change in {seconds:g} s")
    if elastic["integer"]:
        values = _with_whole_numbers(elastic, values)
    changes, cost = [], 0.0
    for (kind, index, side, limit), amount in zip(limits, values[len(model["costs"]) :], strict=True):
        size = max(1.0, abs(limit))
        if amount > _NEGLIGIBLE * size:
            short = float(f"{amount:.9g}")
            amount = short if math.isclose(short, amount, rel_tol=1e-12) else amount
            changes.append({"kind": kind, "index": index, "side": side, "amount": amount})
            cost += amount / size
    reason = "" if status == "optimal" else f"not proven to be the cheapest in {seconds:g} s"
    return _result(status, changes=changes, cost=cost, reason=reason)


def _solved(elastic: dict[str, Any], seconds: float, *, relaxed: bool = False) -> tuple[str, list[float]]:
    """Return the status and the values of the variables; none if no solution was found."""
    from . import linear

    highs = linear.loaded(elastic, seconds, relaxed=relaxed)
    if (highs.getNumCol(), highs.getNumRow()) != (len(elastic["costs"]), len(elastic["row_lower"])):
        raise ValueError("HiGHS does not accept the model")
    status = linear.solve(highs)
    feasible = highs.getInfo().primal_solution_status == 2  # kSolutionStatusFeasible
    return status, list(highs.getSolution().col_value) if feasible else []


def _with_whole_numbers(elastic: dict[str, Any], values: list[float]) -> list[float]:
    """Return the solution with exactly whole numbers. The tolerance for the solver's own would show in the amounts."""
    fixed = {"lower": list(elastic["lower"]), "upper": list(elastic["upper"])}
    for column in elastic["integer"]:
        fixed["lower"][column] = fixed["upper"][column] = float(round(values[column]))
    _, exact = _solved({**elastic, **fixed}, _EXACT_SECONDS, relaxed=True)
    return exact or values


def _elastic(model: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, int, str, float]]]:
    """Return the model with one more variable for each limit, the amount beyond it, and the limits in that order."""
    bounds = {"lower": list(model["lower"]), "upper": list(model["upper"])}
    contradictory = _contradictory(model)
    rows = list(_rows(model, contradictory))
    for column in contradictory:
        bounds["lower"][column] = bounds["upper"][column] = None
    limits: list[tuple[str, int, str, float]] = []
    for kind, index, entries, lower, upper in rows:
        for side, limit, sign in (("lower", lower, 1.0), ("upper", upper, -1.0)):
            if limit is not None:
                entries[len(model["costs"]) + len(limits)] = sign
                limits.append(("constraint" if kind == "constraint" else side, index, side, limit))
    sizes = [max(1.0, abs(limit)) for _, _, _, limit in limits]
    # Without a scale, the costs of large limits would vanish in the solver's tolerance.
    scale = min(max(sizes, default=1.0), _MAX_SCALE)
    elastic = {
        "maximize": False,
        "offset": 0.0,
        "costs": [0.0] * len(model["costs"]) + [scale / size for size in sizes],
        "quadratic": [],
        "lower": bounds["lower"] + [0.0] * len(limits),
        "upper": bounds["upper"] + [None] * len(limits),
        "integer": model["integer"],
        "row_lower": [lower for _, _, _, lower, _ in rows],
        "row_upper": [upper for _, _, _, _, upper in rows],
        "row_starts": list(accumulate((len(entries) for _, _, entries, _, _ in rows), initial=0)),
        "row_columns": [column for _, _, entries, _, _ in rows for column in entries],
        "row_values": [value for _, _, entries, _, _ in rows for value in entries.values()],
    }
    return elastic, limits


def _rows(model: dict[str, Any], contradictory: list[int]) -> Iterator[Row]:
    """Yield the rows of the model, and the bounds of some variables as rows."""
    starts, columns, values = model["row_starts"], model["row_columns"], model["row_values"]
    for row, (lower, upper) in enumerate(zip(model["row_lower"], model["row_upper"], strict=True)):
        entries: dict[int, float] = {}
        for place in range(starts[row], starts[row + 1]):
            entries[columns[place]] = entries.get(columns[place], 0.0) + values[place]
        yield from _consistent("constraint", row, entries, lower, upper)
    for column in contradictory:
        yield from _consistent("bound", column, {column: 1.0}, model["lower"][column], model["upper"][column])


def _consistent(
    kind: str, index: int, entries: dict[int, float], lower: float | None, upper: float | None
) -> Iterator[Row]:
    """Yield a row; as two rows if its limits conflict, since a solver accepts no such row."""
    if lower is not None and upper is not None and lower > upper:
        yield kind, index, dict(entries), lower, None
        yield kind, index, dict(entries), None, upper
    else:
        yield kind, index, entries, lower, upper


def _contradictory(model: dict[str, Any]) -> list[int]:
    """Return the variables whose own bounds conflict, with their integrality."""
    whole = set(model["integer"])
    found = []
    for column, (lower, upper) in enumerate(zip(model["lower"], model["upper"], strict=True)):
        if lower is not None and upper is not None:
            if column in whole:
                lower, upper = math.ceil(lower - 1e-6), math.floor(upper + 1e-6)
            if lower > upper:
                found.append(column)
    return found


def _relax_cp_sat(text: str, seconds: float) -> dict[str, Any]:
    switches = Switches(text)
    constraints = [member for member in switches.members if member[0] == "constraint"]
    switches.switch(switches.members, True)
    switches.switch(constraints, None)
    literals = [switches.literal(member) for member in constraints]
    switches.model.maximize(sum(literals))
    for literal in literals:
        switches.model.add_hint(literal, 1)
    status, solver = switches.solve(seconds)
    if status == "infeasible":
        return _result("open", reason="domains and intervals conflict without any other constraint")
    if status == "open":
        return _result("open", reason=f"no feasible choice in {seconds:g} s")
    pairs = zip(constraints, literals, strict=True)
    dropped = [index for (_, index, _), literal in pairs if not solver.boolean_value(literal)]
    reason = "" if status == "optimal" else f"not proven to be the fewest in {seconds:g} s"
    done = "optimal" if status == "optimal" else "open"
    return _result(done, dropped=dropped, cost=float(len(dropped)), reason=reason)
