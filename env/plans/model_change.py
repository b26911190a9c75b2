"""Changes of a recorded model: other limits, bounds, costs and coefficients, by the names of the program.

model = changed_model(solve, [ModelChange(kind="row_upper", name="machine hours", value=50.0)])
"""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from storm_calm.env.plans import cp_sat
from storm_calm.env.plans.record import CpSatModel, LinearModel, RecordedSolve

_LARGEST = 2**63 - 1
"""Infinity in the domains of CP-SAT."""
_UNREACHABLE = 2**62
"""A value that no sum in a model of CP-SAT has."""


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


def changed_model(solve: RecordedSolve, changes: Iterable[ModelChange]) -> LinearModel | CpSatModel:
    """Return the recorded model with changes. Raises ValueError for a change that the model does not allow."""
    changes = tuple(changes)
    if isinstance(solve.model, LinearModel):
        model = solve.model
        for change in changes:
            model = _changed_linear(solve, model, change)
        return model
    if isinstance(solve.model, CpSatModel):
        return _changed_cp_sat(solve, solve.model, changes)
    raise ValueError(f"the model cannot be changed: {solve.omitted or 'there is no recorded model'}")


def _changed_linear(solve: RecordedSolve, model: LinearModel, change: ModelChange) -> LinearModel:
    _check_value(change, is_limit=change.kind not in ("cost", "coefficient"))
    index = _index(solve, change.name, of_variable=change.kind in ("lower", "upper", "cost"))
    if change.kind == "coefficient":
        assert change.value is not None
        return _with_coefficient(model, index, _index(solve, change.variable, of_variable=True), change.value)
    part = "costs" if change.kind == "cost" else change.kind
    values = list(getattr(model, part))
    values[index] = change.value
    changed: Mapping[str, Any] = {part: tuple(values)}
    return replace(model, **changed)


def _with_coefficient(model: LinearModel, row: int, column: int, value: float) -> LinearModel:
    starts, columns, values = model.row_starts, list(model.row_columns), list(model.row_values)
    end = starts[row + 1]
    place = next((place for place in range(starts[row], end) if columns[place] == column), end)
    if place < end:
        values[place] = value
        return replace(model, row_values=tuple(values))
    columns.insert(end, column)
    values.insert(end, value)
    starts = tuple(start + (number > row) for number, start in enumerate(starts))
    return replace(model, row_starts=starts, row_columns=tuple(columns), row_values=tuple(values))


def _changed_cp_sat(solve: RecordedSolve, model: CpSatModel, changes: Sequence[ModelChange]) -> CpSatModel:
    from google.protobuf import text_format
    from ortools.sat import cp_model_pb2

    limits: dict[tuple[bool, int], dict[str, float | None]] = {}
    for change in changes:
        if change.kind in ("cost", "coefficient"):
            raise ValueError(f"{change.kind} of {change.name!r}: only limits of a CP-SAT model can change")
        is_row = change.kind.startswith("row_")
        if change.value is None and not is_row:
            raise ValueError(f"{change.kind} of {change.name!r}: a variable of CP-SAT needs both limits")
        _check_value(change, is_limit=True)
        place = is_row, _index(solve, change.name, of_variable=not is_row)
        limits.setdefault(place, {})[change.kind.removeprefix("row_")] = change.value
    proto = cp_model_pb2.CpModelProto()
    proto.CopyFrom(cp_sat.parse(model))
    for (is_row, index), sides in limits.items():
        if index >= len(proto.constraints if is_row else proto.variables):
            raise ValueError(f"the recorded model has no {'constraint' if is_row else 'variable'} {index + 1}")
        if is_row and not proto.constraints[index].HasField("linear"):
            raise ValueError(f"constraint {index + 1} is not linear, so it has no limits to change")
        part = proto.constraints[index].linear if is_row else proto.variables[index]
        domain = _limited(part.domain, **sides)
        if domain:
            part.domain[:] = domain
        elif is_row:
            # Not infeasible if it is enforced by a literal.
            part.domain[:] = [_UNREACHABLE, _UNREACHABLE]
        else:
            # An empty domain is malformed, but a clause without literals is false.
            proto.constraints.add().bool_or.SetInParent()
    return CpSatModel(kind="cp_sat", text=text_format.MessageToString(proto))


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


def _check_value(change: ModelChange, *, is_limit: bool) -> None:
    """Raise ValueError if the value is not finite, or is missing where it must be a number."""
    if change.value is None and not is_limit:
        raise ValueError(f"{change.kind} of {change.name!r}: give a number")
    if change.value is not None and not math.isfinite(change.value):
        raise ValueError(
            f"{change.kind} of {change.name!r} is {change.value}; give a finite number, or None for no limit"
        )


def _index(solve: RecordedSolve, name: str, *, of_variable: bool) -> int:
    """Return the position of the one variable or constraint with a name. Raises ValueError."""
    kind = "variable" if of_variable else "constraint"
    count = len(solve.variables) if of_variable else len(solve.constraints)
    names = [(solve.variable if of_variable else solve.constraint)(number) for number in range(count)]
    found = [number for number, one in enumerate(names) if one == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{name!r} is the name of {len(found)} {kind}s; give them different names")
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Close names: {', '.join(map(repr, close))}" if close else f"There are {count} {kind}s"
    raise ValueError(f"{name!r} is not a {kind} of the model. {hint}.")
