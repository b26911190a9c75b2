"""Read JSON files and JSON Lines: lists of flat objects are tables, everything else has a shape."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from storm_calm.env.file_profiles.cell import is_number
from storm_calm.env.file_profiles.json_shape import object_lines, shape
from storm_calm.env.file_profiles.shown import Decoded, one_line
from storm_calm.env.file_profiles.table import MAX_ROWS, TableProfile, measure

_WHOLE = 600  # Characters of content that is shown itself.
_MAX_CELLS = 5_000_000
_ROWS = 2
_ROW = 240  # Characters of a row.


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonProfile:
    """What is in a JSON file."""

    summary: str
    """What it is, as in "object with 4 keys"."""
    table: TableProfile | None = None
    """The table, of a list of flat objects."""
    lines: tuple[str, ...] = ()
    """The shapes of its values, and the content itself if it is short."""
    short_lines: tuple[str, ...] = ()
    """The shapes of its values without those of inner objects."""
    keys: tuple[str, ...] = ()
    """The keys of an object, or of those of a list."""
    rows: tuple[str, ...] = ()
    """The first objects of a table, as they are."""


def read_json(decoded: Decoded) -> JsonProfile | None:
    """Return what is in a JSON file; None if it is invalid, or too large."""
    if not decoded.complete:
        return None
    data = _loads(decoded.text)
    if data is _INVALID:
        found = read_json_lines(decoded)
        return replace(found, summary=f"JSON Lines rather than JSON: {found.summary}") if found else None
    content = _dumps(data) if len(decoded.text) <= 2 * _WHOLE else ""
    whole = (f"content: {one_line(content, _WHOLE)}",) if 0 < len(content) <= _WHOLE else ()
    if isinstance(data, dict):
        return JsonProfile(
            summary=f"object with {len(data)} {'key' if len(data) == 1 else 'keys'}",
            lines=whole or tuple(object_lines([data])),
            short_lines=whole or tuple(object_lines([data], nested=False)),
            keys=tuple(data),
        )
    if isinstance(data, list) and data and all(isinstance(one, dict) for one in data):
        return _objects(data, f"list of {len(data)} objects", complete=True)
    return JsonProfile(summary=_cut(shape([data])), lines=whole, short_lines=whole)


def read_json_lines(decoded: Decoded) -> JsonProfile | None:
    """Return what is in a file with one JSON value per line; None if a line cannot be read."""
    values = []
    for line in decoded.text.split("\n"):
        if line.strip():
            values.append(_loads(line))
            if values[-1] is _INVALID:
                return None
        if len(values) > MAX_ROWS:
            break
    complete = decoded.complete and len(values) <= MAX_ROWS
    values = values[:MAX_ROWS]
    count = f"{len(values)} lines" if complete else f"the first {len(values)} lines"
    if values and all(isinstance(one, dict) for one in values):
        return _objects(values, f"{count} with an object each", complete=complete)
    return JsonProfile(summary=f"{count}: {_cut(shape(values, plural=True))}") if values else None


_INVALID = object()


def _loads(text: str) -> Any:
    """Return parsed JSON, with Python's NaN and Infinity, or `_INVALID`."""
    try:
        return orjson.loads(text)
    except ValueError:
        if "NaN" not in text and "Infinity" not in text:
            return _INVALID
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _INVALID


def _objects(data: Sequence[Mapping[str, Any]], summary: str, *, complete: bool) -> JsonProfile:
    rows = tuple(one_line(_dumps(one), _ROW) for one in data[:_ROWS])
    names = list(dict.fromkeys(key for one in data for key in one))
    nested = any(isinstance(value, (dict, list)) for one in data for value in one.values())
    if nested or len(names) * len(data) > _MAX_CELLS:
        lines = [*object_lines(data), f"first: {rows[0]}"]
        short = tuple(object_lines(data, nested=False))
        return JsonProfile(summary=summary, lines=tuple(lines), short_lines=short, keys=tuple(names))
    table = measure(names, ([_text(one.get(name)) for name in names] for one in data), complete=complete)
    quoted = {name for one in data for name, value in one.items() if isinstance(value, str) and is_number(value)}
    columns = tuple(
        replace(column, remarks=(*column.remarks, "as JSON text"))
        if column.numeric and column.name in quoted
        else column
        for column in table.columns
    )
    return JsonProfile(summary=summary, table=replace(table, columns=columns), rows=rows)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _dumps(data: Any) -> str:
    """Return data as JSON; empty if it is nested too deeply."""
    try:
        return json.dumps(data, ensure_ascii=False)
    except RecursionError:
        return ""


def _cut(text: str) -> str:
    return text if len(text) <= _WHOLE else f"{text[:_WHOLE]}..."
