"""A preview of data files: columns with types, units and ranges, and the first rows."""

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from storm_calm.env.file_profiles.cell import unit_of
from storm_calm.env.file_profiles.column import ColumnProfile
from storm_calm.env.file_profiles.profile_file import Part, profile_file
from storm_calm.env.file_profiles.table import TableProfile

MAX_COLUMNS = 50
"""Columns of a table that are shown."""
MAX_LINES = 20
"""Lines of a text that are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnPreview:
    """A column of a table."""

    name: str
    type: str
    """whole number, number, text, date, time, true/false, empty or mixed."""
    unit: str
    """The unit in its name; "" without one."""
    min: float | str | None
    """The least number, or the first date."""
    max: float | str | None
    missing: int
    key: bool
    """Whether it identifies a row, alone or with other columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FilePreview:
    """A file, or a sheet of an Excel file."""

    name: str
    title: str
    """The sheet; "" for a file."""
    summary: str
    columns: tuple[ColumnPreview, ...] = ()
    columns_left_out: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    """The first rows of a table."""
    row_count: int | None = None
    """Rows of the table; None if there are more than were measured, or no table."""
    text: str = ""
    """The first lines of a file that is not a table."""


def preview(files: Mapping[str, bytes]) -> list[FilePreview]:
    """Return the previews of all files and sheets. Never raises for the content of a file."""
    return [_preview(name, part) for name, content in files.items() for part in profile_file(name, content)]


def _preview(name: str, part: Part) -> FilePreview:
    table = part.table
    if table is None:
        return FilePreview(name=name, title=part.title, summary=part.summary, text=_text(part))
    return FilePreview(
        name=name,
        title=part.title,
        summary=part.summary,
        columns=tuple(_column(column, table) for column in table.columns[:MAX_COLUMNS]),
        columns_left_out=max(0, table.width - MAX_COLUMNS),
        rows=tuple(row[:MAX_COLUMNS] for row in table.first_rows),
        row_count=table.rows if table.complete else None,
    )


def _text(part: Part) -> str:
    lines = "\n".join(part.lines or part.rows).splitlines()
    # A text has a label above it.
    lines = lines[1:] if lines and lines[0].endswith(":") else lines
    return textwrap.dedent("\n".join(lines[:MAX_LINES]))


def _column(column: ColumnProfile, table: TableProfile) -> ColumnPreview:
    ends: tuple[float | str | None, float | str | None] = (None, None)
    if column.dates is not None:
        ends = column.dates
    elif column.numbers is not None and column.numeric and all(map(math.isfinite, column.numbers)):
        ends = column.numbers
    return ColumnPreview(
        name=column.name[:200],
        type=column.kind,
        unit=unit_of(column.name) if column.numeric else "",
        min=ends[0],
        max=ends[1],
        missing=column.missing,
        key=column.name in table.key or (column.unique and not table.key and column.kind != "number"),
    )
