"""Profile one data file: what it is, and what a program needs to know to read it.

    [part] = profile_file("costs.csv", content)
    part.summary      # "CSV, 12 rows, 3 columns, 402 bytes; read with sep=';'"

Suffixes decide what a file is; a file that is something else is text or binary data.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import PurePosixPath

from storm_calm.env.file_profiles.delimited import DELIMITERS, read_delimited
from storm_calm.env.file_profiles.json_file import JsonProfile, read_json, read_json_lines
from storm_calm.env.file_profiles.shown import Decoded, decode, one_line, show_size, shown
from storm_calm.env.file_profiles.table import TableProfile
from storm_calm.env.file_profiles.workbook import Sheet, read_workbook

MAX_READ_BYTES = 12 << 20
"""Bytes of a text file that are measured."""
_WHOLE_TABLE, _WHOLE_ROWS = 900, 15  # Characters and rows of a table that is shown whole.
_WHOLE_PARAMETERS, _PARAMETERS = 3_000, 40  # The same of a table of parameters: programs need their names.
_ROWS = 3
_ROW = 160
_WHOLE_TEXT, _WHOLE_LINES = 3_000, 60  # The same of a text.
_FIRST_TEXT, _FIRST_LINES, _LINE = 1_000, 8, 400  # Characters, lines, and characters of a line, of a longer text.
_FEW_LINES = 2
_PARAMETER_COLUMNS = 6
_PLAIN = (".txt", ".dat")  # Files that may be tables.


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A file, or a sheet of an Excel file after the file itself."""

    title: str
    """The sheet; empty for a file."""
    summary: str
    """What it is and how it is read."""
    table: TableProfile | None = None
    lines: tuple[str, ...] = ()
    """What describes it apart from the columns of a table: shapes, or text."""
    short_lines: tuple[str, ...] = ()
    """The same in less space."""
    keys: tuple[str, ...] = ()
    """The keys of a JSON object, or of those of a list."""
    rows: tuple[str, ...] = ()
    """The first rows of a table, as they are."""
    whole: bool = False
    """Whether `rows` are all rows."""


def profile_file(name: str, content: bytes, *, most: int = MAX_READ_BYTES) -> list[Part]:
    """Return the file and, for an Excel file, its sheets. most: bytes to measure."""
    suffix = PurePosixPath(name).suffix.lower()
    size = show_size(len(content))
    kind = {".csv": "CSV", ".tsv": "TSV", ".json": "JSON", ".jsonl": "JSON Lines", ".xlsx": "Excel"}.get(suffix, "text")
    if not content or content.isspace():
        return [Part(title="", summary=f"{kind}, {f'only white space, {size}' if content else 'empty'}")]
    if suffix == ".xlsx":
        return _excel(content, size, most)
    decoded = decode(content, most)
    if decoded is None:
        return [Part(title="", summary=f"not text but binary data, {size}")]
    encoding = () if decoded.encoding == "utf-8" else (f"encoding={decoded.encoding!r}",)
    end = b"\n" if b"\n" in content else b"\r"
    lines = content.count(end) + (not content.endswith(end))
    if suffix in (".json", ".jsonl"):
        found = read_json(decoded) if suffix == ".json" else read_json_lines(decoded)
        if found is not None:
            return [_json(found, kind, size, encoding)]
        kind = f"invalid {kind}" if decoded.complete else f"{kind}, too large to be examined"
    if suffix in DELIMITERS or suffix in _PLAIN:
        try:
            part = _delimited(decoded, suffix, kind, size, encoding, lines=lines)
        except csv.Error:
            part = _text(decoded, kind, size, encoding, count=lines, remarks=("csv.reader cannot read it",))
        if part is not None:
            return [part]
    return [_text(decoded, kind, size, encoding, count=lines)]


def _excel(content: bytes, size: str, most: int) -> list[Part]:
    book = read_workbook(content, most=most)
    if book is None:
        return [Part(title="", summary=f"Excel, {size}, not examined (too large or damaged)")]
    titles = ", ".join(shown(sheet.title, also_quoted=",;") for sheet in book.sheets)
    more = f" and {book.count - len(book.sheets)} more" if book.count > len(book.sheets) else ""
    count = _count(book.count, "sheet")
    head = Part(title="", summary=f"Excel, {count}: {titles}{more}, {size}")
    return [head, *map(_sheet, book.sheets)]


def _sheet(sheet: Sheet) -> Part:
    if sheet.table is None:
        return Part(title=sheet.title, summary="empty")
    small = sheet.table.complete and len(sheet.lines) > sheet.table.rows <= _WHOLE_ROWS
    whole = small and sum(map(len, sheet.lines)) <= _WHOLE_TABLE
    rows = _count(sheet.table.rows, "row")
    rows += "" if sheet.table.complete else " and more"
    count = len(sheet.lines) if whole else _ROWS + sheet.titles + sheet.table.named
    return Part(
        title=sheet.title,
        summary=_with_arguments(", ".join((rows, _count(sheet.table.width, "column"))), sheet.arguments),
        table=sheet.table,
        rows=sheet.lines[:count],
        whole=whole,
    )


def _json(found: JsonProfile, kind: str, size: str, encoding: tuple[str, ...]) -> Part:
    columns = f", {_count(found.table.width, 'field')}" if found.table else ""
    return Part(
        title="",
        summary=_with_arguments(f"{kind}, {found.summary}{columns}, {size}", encoding),
        table=found.table,
        lines=found.lines,
        short_lines=found.short_lines,
        keys=found.keys,
        rows=found.rows,
    )


def _delimited(
    decoded: Decoded, suffix: str, kind: str, size: str, encoding: tuple[str, ...], *, lines: int
) -> Part | None:
    found = read_delimited(decoded.text, suffix, complete=decoded.complete)
    if found is None:
        return None
    table = found.table
    if table is None:
        return _text(decoded, kind, size, encoding, count=lines, remarks=found.remarks)
    size_limit, rows = (_WHOLE_PARAMETERS, _PARAMETERS) if _has_parameters(table) else (_WHOLE_TABLE, _WHOLE_ROWS)
    whole = table.complete and table.rows <= rows and len(decoded.text) <= size_limit
    wanted = rows + found.titles + 1 if whole else _ROWS + found.titles + table.named
    total = f"about {max(lines, table.rows)} rows (the first {table.rows} were measured)"
    counts = ", ".join([_count(table.rows, "row") if table.complete else total, _count(table.width, "column")])
    facts = [f"{kind}, {counts}, {size}", *found.remarks, *_parameter_access(table)]
    return Part(
        title="",
        summary=_with_arguments("; ".join(facts), (*found.arguments, *encoding)),
        table=table,
        rows=()
        if _is_range(table)
        else tuple(_lines(decoded.text, wanted, _WHOLE_TEXT if whole else _ROW, _WHOLE_TEXT)),
        whole=whole,
    )


def _has_parameters(table: TableProfile) -> bool:
    """Return whether rows are parameters: a name, and a value that may have a unit and a remark."""
    names = [column.name.strip().lower() for column in table.columns[:_PARAMETER_COLUMNS]]
    labelled = table.columns and table.columns[0].unique and not table.columns[0].numeric
    return bool(labelled and ("value" in names or "parameter" in names[0]))


def _parameter_access(table: TableProfile) -> list[str]:
    """Return how a program gets the value of a parameter: small models take the names of rows for columns."""
    names = [column.name for column in table.columns]
    value = next((name for name in names if name.strip().lower() == "value"), None)
    if not (_has_parameters(table) and table.named and value):
        return []
    return [f"a parameter per row, so its values by name are df.set_index({names[0]!r})[{value!r}]"]


def _is_range(table: TableProfile) -> bool:
    """Return whether the description of the columns tells all values."""
    return len(table.columns) == 1 and table.columns[0].gapless and table.named


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _with_arguments(summary: str, arguments: tuple[str, ...]) -> str:
    return f"{summary}; read with {', '.join(arguments)}" if arguments else summary


def _text(
    decoded: Decoded, kind: str, size: str, encoding: tuple[str, ...], *, count: int, remarks: tuple[str, ...] = ()
) -> Part:
    text = decoded.text
    whole = decoded.complete and len(text) <= _WHOLE_TEXT and count <= _WHOLE_LINES
    limits = (_WHOLE_LINES, _WHOLE_TEXT, _WHOLE_TEXT) if whole else (_FIRST_LINES, _LINE, _FIRST_TEXT)
    first = tuple(_lines(text, *limits))
    facts = [f"{kind}, {_count(count, 'line')}, {size}", *remarks]
    few = len(first) <= _FEW_LINES and whole
    return Part(
        title="",
        summary=_with_arguments("; ".join(facts), encoding),
        lines=_labelled("content:" if whole else "first lines:", first),
        short_lines=_labelled("content:" if few else "first lines:", first[:_FEW_LINES]),
    )


def _labelled(label: str, lines: Sequence[str]) -> tuple[str, ...]:
    return (label, *(f"  {line}" for line in lines)) if lines else ()


def _lines(text: str, count: int, width: int, most: int) -> list[str]:
    """Return the first lines, without blank ones at the end. width: characters of a line. most: of all together."""
    lines = [one_line(line.rstrip("\r\n"), width) for line in islice(io.StringIO(text, newline=None), count)]
    while lines and not lines[-1]:
        lines.pop()
    sizes = accumulate(map(len, lines))
    return [line for line, size in zip(lines, sizes, strict=True) if size <= most] or lines[:1]
