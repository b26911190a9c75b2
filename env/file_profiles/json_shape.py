"""Describe the shape of JSON: keys, lengths, ranges of numbers, and matrices.

    object_lines([{"costs": [[1, 2], [3, 4]] * 20, "days": 5}])
    # ["costs: matrix 40 x 2 of whole numbers 1 to 4", "days: 5"]

Values of a list are described together. Short ones are shown as they are.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from storm_calm.env.file_profiles.shown import one_line, show_number, shown

MAX_KEYS = 20
"""Keys of an object that are described."""
_DEPTH = 2  # Objects in objects whose keys are described.
_INNER_KEYS = 10
_FEW = 6
_SHORT = 60  # Characters of a value that is shown itself.
_LINE = 400
_DIMENSIONS = 4
_MEASURED = 200_000  # Values whose range is measured.
_PLURALS = {"whole number": "whole numbers", "number": "numbers", "text": "texts", "list": "lists"}


def object_lines(objects: Sequence[Mapping[str, Any]], *, nested: bool = True) -> list[str]:
    """Return a line for each key of one object, or of the objects of a list together, with the shape of its values.

    nested: and lines for the keys of objects in it.
    """
    keys = list(dict.fromkeys(key for one in objects for key in one))
    lines = []
    for key in keys[:MAX_KEYS]:
        values = [one[key] for one in objects if key in one]
        absent = f", missing in {len(objects) - len(values)}" if len(values) < len(objects) else ""
        record = len(values) == 1 and isinstance(values[0], dict) and not _alike(values[0]) and len(values[0]) > 0
        if nested and record and len(str(values[0])[: _SHORT + 1]) > _SHORT:
            lines.append(f"{shown(key)}: object")
            lines += [f"  {line}" for line in object_lines(values, nested=False)]
        else:
            lines.append(f"{shown(key)}: {_cut(shape(values, depth=_DEPTH if nested else 1))}{absent}")
    if len(keys) > MAX_KEYS:
        lines.append(f"and {len(keys) - MAX_KEYS} more keys: {shown(keys[MAX_KEYS])} ... {shown(keys[-1])}")
    return lines


def shape(values: Sequence[Any], *, depth: int = _DEPTH, plural: bool = False) -> str:
    """Return the common shape of values in words. depth: of objects in them whose keys are described."""
    if len(values) == 1 and not plural and (itself := _itself(values[0])):
        return itself
    kinds = {_kind(value) for value in islice(values, _MEASURED)}
    null = " or null" if "null" in kinds else ""
    kinds.discard("null")
    values = [value for value in values if value is not None] if null else values
    if kinds <= {"whole number", "number"} and kinds:
        name = "whole number" if kinds == {"whole number"} else "number"
        low, high = _number(min(values)), _number(max(values))
        span = f" {low} to {high}" if low != high else f", always {low}" if len(values) > 1 else f" {low}"
        return f"{_PLURALS[name] if plural else name}{span}{null}"
    if len(kinds) != 1:
        return f"values of different types ({', '.join(sorted(kinds))}){null}" if kinds else "null"
    [kind] = kinds
    if kind == "list" and depth > -_DEPTH:
        return _lists(values, depth, plural) + null
    if kind == "object":
        return _objects(values, depth, plural) + null
    return f"{_PLURALS.get(kind, kind) if plural else kind}{_texts(values) if kind == 'text' else ''}{null}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int):
        return "whole number"
    kinds = {float: "number", str: "text", list: "list", dict: "object"}
    return kinds.get(type(value), "null")


def _number(value: float) -> str:
    try:
        return show_number(float(value))
    except OverflowError:  # Python's integers have no limit.
        return "a huge number"


def _alike(data: Mapping[str, Any]) -> bool:
    """Return whether the keys of an object are labels rather than names of fields: many, with values of one kind."""
    return len(data) > _FEW and len({_kind(value).removeprefix("whole ") for value in data.values()}) == 1


def _itself(value: Any) -> str:
    """Return a short value as JSON; empty for a longer one."""
    if isinstance(value, (list, dict)):
        parts = value.values() if isinstance(value, dict) else value
        if len(value) > _SHORT // 2 or any(isinstance(part, (list, dict)) and part for part in parts):
            return ""
    text = json.dumps(value[: 2 * _SHORT] if isinstance(value, str) else value, ensure_ascii=False)
    if len(text) <= _SHORT:
        return one_line(text, _SHORT)
    return f"text {one_line(text, _SHORT)}" if isinstance(value, str) else ""


def _texts(values: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(islice(values, _MEASURED)))
    some = ", ".join(shown(text, also_quoted=",;") for text in distinct[:_FEW])
    if len(distinct) <= _FEW:
        return f": {some}"
    return f", {len(distinct)} distinct such as {some}"


def _lists(values: Sequence[list[Any]], depth: int, plural: bool) -> str:
    sizes = []
    for _ in range(_DIMENSIONS):
        lengths = {len(value) for value in values}
        sizes.append(_span(lengths))
        values = list(islice(chain.from_iterable(values), _MEASURED))
        if len(lengths) > 1 or not values or not all(isinstance(value, list) for value in values):
            break
    if not values:
        return "empty lists" if plural else "empty list"
    of = shape(values, depth=depth - 1, plural=True)
    if len(sizes) == 1:
        return f"{'lists' if plural else 'list'} of {sizes[0]} {of}"
    if not all(map(str.isdigit, sizes)):
        return f"{'lists' if plural else 'list'} of {' lists of '.join(sizes)} {of}"
    name = ("matrices" if plural else "matrix") if len(sizes) == 2 else ("arrays" if plural else "array")
    return f"{name} {' x '.join(sizes)} of {of}"


def _objects(values: Sequence[dict[str, Any]], depth: int, plural: bool) -> str:
    name = "objects" if plural else "object"
    keys = list(dict.fromkeys(islice(chain.from_iterable(values), _MEASURED)))
    if not keys:
        return f"empty {name}"
    if _alike(values[0]) or len(keys) > MAX_KEYS:
        some = ", ".join(shown(key, also_quoted=",;") for key in keys[:_FEW])
        some += ", ..." if len(keys) > _FEW else ""
        parts = list(islice(chain.from_iterable(value.values() for value in values), _MEASURED))
        each = f", values: {shape(parts, depth=depth - 1, plural=True)}" if depth > 0 else ""
        return f"{name} with {_span({len(value) for value in values})} keys ({some}){each}"
    if depth <= 0:
        return f"{name} with keys {', '.join(shown(key) for key in keys[:_INNER_KEYS])}"
    fields = []
    for key in keys[:_INNER_KEYS]:
        parts = [value[key] for value in values if key in value]
        optional = "optional, " if len(parts) < len(values) else ""
        fields.append(f"{shown(key)} ({optional}{shape(parts, depth=depth - 1)})")
    more = f" and {len(keys) - _INNER_KEYS} more" if len(keys) > _INNER_KEYS else ""
    return f"{name} with keys {', '.join(fields)}{more}"


def _span(lengths: Iterable[int]) -> str:
    low, high = min(lengths), max(lengths)
    return str(low) if low == high else f"{low} to {high}"


def _cut(text: str) -> str:
    return text if len(text) <= _LINE else f"{text[:_LINE]}..."
