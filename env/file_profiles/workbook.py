"""Read the sheets of an Excel file, with limits on time and memory: a server reads it while others wait."""

import contextlib
import datetime
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from storm_calm.env.file_profiles.header import MAX_TITLES, column_names, count_titles, has_header
from storm_calm.env.file_profiles.shown import one_line
from storm_calm.env.file_profiles.table import TableProfile, measure

MAX_UNPACKED_BYTES = 8 << 20
"""Bytes of an Excel file after decompression."""
MAX_SHEETS = 20
"""Sheets that are read."""
MAX_CELLS = 100_000
"""Cells of a file that are read, with empty ones between others."""
_SAMPLE_ROWS = 100
_LINES = 20
_LINE = 200
_CELL = 1 << 10  # Characters of a cell.


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A sheet of an Excel file."""

    title: str
    table: TableProfile | None
    """None for a sheet without cells."""
    arguments: tuple[str, ...]
    """The arguments that pandas.read_excel needs, if any."""
    titles: int
    """Rows above the header, with empty ones."""
    lines: tuple[str, ...]
    """The first rows, with titles and header."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workbook:
    """An Excel file."""

    sheets: tuple[Sheet, ...]
    """The first sheets."""
    count: int
    """Number of sheets."""


def unpacked_size(content: bytes) -> int:
    """Return the bytes of an Excel file after decompression; its own size if it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(part.file_size for part in archive.infolist())
    except Exception:  # Damaged archives raise more than zipfile.BadZipFile.
        return len(content)


def read_workbook(content: bytes, *, most: int = MAX_UNPACKED_BYTES) -> Workbook | None:
    """Measure the sheets of an Excel file; None if it is not one, or too large. most: bytes after decompression."""
    import openpyxl

    if unpacked_size(content) > min(most, MAX_UNPACKED_BYTES):
        return None
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        with contextlib.closing(book):
            sheets = []
            cells = MAX_CELLS
            for sheet in book.worksheets[:MAX_SHEETS]:
                rows = _Rows(sheet, cells)
                sheets.append(_sheet(str(sheet.title), rows))
                cells = rows.left
            return Workbook(sheets=tuple(sheets), count=len(book.worksheets))
    except Exception:  # The library has no common error for files that are not Excel's.
        return None


class _Rows:
    """The rows of a sheet as text, up to a number of cells."""

    def __init__(self, sheet: Any, cells: int) -> None:
        self._sheet = sheet
        self.left = cells
        """Cells that may still be read."""
        self.complete = True
        """Whether no row was left out."""

    def __iter__(self) -> Iterator[list[str]]:
        # The size that a file states is often wrong, and rows are filled up to it.
        self._sheet.reset_dimensions()
        for row in self._sheet.iter_rows(values_only=True):
            if self.left <= 0:
                self.complete = False
                return
            self.left -= max(1, len(row))
            texts = [_text(cell) for cell in row]
            while texts and not texts[-1]:
                texts.pop()
            yield texts


def _text(cell: Any) -> str:
    """Return a cell as a CSV file would have it."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return repr(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime.datetime):
        midnight = cell.time() == datetime.time(0)
        return str(cell.date() if midnight else cell.replace(microsecond=0))
    return str(cell)[:_CELL]


def _sheet(title: str, source: _Rows) -> Sheet:
    rows = iter(source)
    first = list(islice(rows, _SAMPLE_ROWS))
    blank = next((index for index, row in enumerate(first) if row), len(first))
    skipped = blank + count_titles(first[blank : blank + MAX_TITLES + 30])
    while skipped < len(first) and not first[skipped]:
        skipped += 1
    body = [row for row in first[skipped:] if row]
    if not body:
        return Sheet(title=title, table=None, arguments=(), titles=0, lines=())
    width = max(map(len, body))
    first_row = [*body[0], *[""] * (width - len(body[0]))]
    named = has_header([first_row, *body[1:]])
    names = column_names(first_row) if named else [f"column {index}" for index in range(width)]
    data: Iterator[Sequence[str]] = (row for row in chain(body[1:] if named else body, rows) if row)
    table = measure(names, data, named=named)
    table = replace(table, complete=table.complete and source.complete)
    arguments = {
        f"header={skipped}": named and skipped > 0,
        "header=None": not named,
        f"skiprows={skipped}": not named and skipped > 0,
    }
    return Sheet(
        title=title,
        table=table,
        arguments=tuple(argument for argument, needed in arguments.items() if needed),
        titles=skipped,
        lines=_lines(first),
    )


def _lines(rows: list[list[str]]) -> tuple[str, ...]:
    lines = [one_line(" | ".join(row), _LINE) for row in rows[:_LINES]]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)
