"""Solve a recorded model again with changes.

A change is {"kind", "index", "value"}. The kind is "row_lower" or "row_upper" of a row, "lower", "upper" or "cost" of a
variable, or "coefficient" of a row and a "column". The value None removes a limit. In a CP-SAT model only the limits of
variables and of linear constraints can change.
"""

import math
from typing import Any

from . import resolve

_LARGEST = 2**63 - 1
"""Infinity in the domains of CP-SAT."""
_UNREACHABLE = 2**62
"""A value that no sum in a model of CP-SAT has."""


def what_if(
    model: dict[str, Any], seconds: float, changes: list[dict[str, Any]], solver: str = "highs"
) -> dict[str, Any]:
    """Return the result of `resolve` for the changed model."""
    if model["kind"] == "cp_sat":
        return _cp_sat(model["text"], seconds, changes)
    for change in changes:
        _apply(model, change)
    return resolve.resolve(model, seconds, solver)


def _apply(model: dict[str, Any], change: dict[str, Any]) -> None:
    kind, index, value = change["kind"], change["index"], change["value"]
    if kind == "coefficient":
        _set_coefficient(model, index, change["column"], value)
    else:
        model["costs" if kind == "cost" else kind][index] = value


def _set_coefficient(model: dict[str, Any], row: int, column: int, value: float) -> None:
    starts, columns, values = model["row_starts"], model["row_columns"], model["row_values"]
    for place in range(starts[row], starts[row + 1]):
        if columns[place] == column:
            values[place] = value
            return
    columns.insert(starts[row + 1], column)
    values.insert(starts[row + 1], value)
    model["row_starts"] = [start + (number > row) for number, start in enumerate(starts)]


def _cp_sat(text: str, seconds: float, changes: list[dict[str, Any]]) -> dict[str, Any]:
    proto = resolve.parsed_cp_sat(text)
    limits: dict[tuple[bool, int], dict[str, float | None]] = {}
    for change in changes:
        place = change["kind"].startswith("row_"), change["index"]
        limits.setdefault(place, {})[change["kind"].removeprefix("row_")] = change["value"]
    for (is_row, index), sides in limits.items():
        if is_row and not proto.constraints[index].HasField("linear"):
            reason = f"constraint {index + 1} is not linear, so it has no limits to change"
            return {"status": "open", "solver": "CP-SAT", "reason": reason}
        part = proto.constraints[index].linear if is_row else proto.variables[index]
        domain = _limited(part.domain, **sides)
        if not domain and not is_row:
            return {"status": "infeasible", "solver": "CP-SAT"}
        # A row that never holds is not infeasible if it is enforced by a literal.
        part.domain[:] = domain or [_UNREACHABLE, _UNREACHABLE]
    return resolve.resolve_cp_sat(proto, seconds)


def _limited(domain: Any, **sides: float | None) -> list[int]:
    """Return a domain, a list of intervals, with another lower or upper limit. Its gaps between the limits remain."""
    intervals = list(zip(domain[::2], domain[1::2], strict=True))
    least, most = -_LARGEST - 1, _LARGEST
    if "lower" in sides:
        least = least if sides["lower"] is None else math.ceil(sides["lower"])
        intervals[0] = min(least, intervals[0][0]), intervals[0][1]
    if "upper" in sides:
        most = most if sides["upper"] is None else math.floor(sides["upper"])
        intervals[-1] = intervals[-1][0], max(most, intervals[-1][1])
    kept = [(max(low, least), min(high, most)) for low, high in intervals]
    return [side for low, high in kept if low <= high for side in (low, high)]
