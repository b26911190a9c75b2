"""Measure a table: its rows, its columns, and which columns identify a row."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice

from storm_calm.env.file_profiles.column import FEW, ColumnProfile, ColumnScan

MAX_ROWS = 200_000
"""Rows that are measured."""
MAX_COLUMNS = 1_000
"""Columns that are measured."""
HEAD_ROWS = 8
"""Rows that are kept for a preview."""
HEAD_CELL = 120
"""Characters of a cell that are kept."""
_LINKED = 40
"""Columns that are compared with those of other tables."""
_KEYED_ROWS = 20_000
"""Rows in which keys of two or three columns are searched."""
_KEY_COLUMNS = 6
_FIRST_ROWS = 500  # Most columns that are not a key have the same values twice in so many rows.
_CELLS = 200_000  # Cells that are measured at a time.
_SQUARE = 500
_SERIES = 4
"""Columns that are described together, at least."""
_WIDE = 20
"""Columns of a table from which on neighbouring numbers are described together."""
_WIDE_UNNAMED = 8
_NUMBERED = re.compile(r"(.*?)(\d{1,9})(\D*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class TableProfile:
    """The measurements of a table."""

    rows: int
    """Rows that were measured."""
    complete: bool
    """Whether they are all rows."""
    columns: tuple[ColumnProfile, ...]
    """The measured columns."""
    more: tuple[str, ...]
    """The names of the first and the last of the other columns, if there are any."""
    width: int
    """Number of columns."""
    named: bool
    """Whether the table has a row of column names."""
    key: tuple[str, ...]
    """Columns that identify a row together if no column does alone."""
    short: int
    """Rows with fewer cells than columns."""
    long: int
    """Rows with more cells than columns."""
    matrix: str
    """What is known of the numbers as a matrix: square, symmetric, zero diagonal."""
    grouped: bool
    """Whether numbers have commas between thousands."""
    first_rows: tuple[tuple[str, ...], ...] = ()
    """The first rows below the names, for a preview."""


def measure(
    names: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    named: bool = True,
    decimal: str = ".",
    complete: bool = True,
) -> TableProfile:
    """Measure the columns of a table.

    named: whether the table itself has these names. decimal: the character before the decimals of numbers.
    complete: whether `rows` are all rows, if they are at most `MAX_ROWS`.
    """
    width = len(names)
    scans = [ColumnScan(name, decimal=decimal) for name in names[:MAX_COLUMNS]]
    kept: list[list[str]] = [[] for _ in scans[:_KEY_COLUMNS]]
    square: list[Sequence[str]] = []
    count = short = long = 0
    rows = iter(rows)
    head = list(islice(rows, HEAD_ROWS))
    rows = chain(head, rows)
    limited = islice(rows, MAX_ROWS)
    while part := list(islice(limited, max(1, _CELLS // max(1, width)))):
        short += sum(len(row) < width for row in part)
        long += sum(len(row) > width for row in part)
        columns = _columns(part, len(scans))
        for scan, column in zip(scans, columns, strict=True):
            scan.add(column)
        if count == 0 and len(part) in (width, width - 1) and width <= _SQUARE:
            square = part
        elif count:
            square = []
        if count < _KEYED_ROWS:
            for cells, new in zip(kept, columns, strict=False):
                cells.extend(new)
        count += len(part)
    complete = complete and next(rows, None) is None
    profiles = tuple(scan.profile(keys=index < _LINKED) for index, scan in enumerate(scans))
    return TableProfile(
        rows=count,
        complete=complete,
        columns=profiles,
        more=tuple(names[index] for index in sorted({len(scans), width - 1})) if width > len(scans) else (),
        width=width,
        named=named,
        key=_key(profiles, kept) if complete and count <= _KEYED_ROWS else (),
        short=short,
        long=long,
        matrix=_square(profiles, square),
        grouped=any(scan.grouped for scan in scans),
        first_rows=tuple(tuple(cell[:HEAD_CELL] for cell in row[: len(scans)]) for row in head),
    )


def _columns(rows: list[Sequence[str]], width: int) -> list[Sequence[str]]:
    """Return the columns of rows, which may have fewer or more cells."""
    if not width:
        return []
    if all(len(row) == width for row in rows):
        return list(zip(*rows, strict=True))
    filled = ([*row[:width], *[""] * (width - len(row))] for row in rows)
    return list(zip(*filled, strict=True))


def _key(columns: tuple[ColumnProfile, ...], cells: list[list[str]]) -> tuple[str, ...]:
    """Return the columns that identify a row together; nothing if one does alone, or there are none."""
    labels = []
    for index, column in enumerate(columns):
        if column.kind in ("whole number", "text", "date", "time"):
            # Measurements may differ by chance.
            if column.unique and (index == 0 or column.gapless or column.kind != "whole number"):
                return ()
            if index < len(cells) and not column.missing and not column.unique and column.distinct != 1:
                labels.append(index)
    for chosen in chain(combinations(labels, 2), combinations(labels[:4], 3)):
        if _all_differ([cells[index] for index in chosen]):
            return tuple(columns[index].name for index in chosen)
    return ()


def _all_differ(columns: list[list[str]]) -> bool:
    """Return whether no two rows of the columns are the same."""
    rows = len(columns[0])
    counts = (min(_FIRST_ROWS, rows), rows)
    return all(len(set(zip(*(column[:count] for column in columns), strict=True))) == count for count in counts)


def _square(columns: tuple[ColumnProfile, ...], rows: list[Sequence[str]]) -> str:
    """Return what is known of a square matrix of numbers, with or without a column of labels."""
    start = len(columns) - len(rows)
    if len(rows) < _SERIES or start not in (0, 1) or not all(column.numeric for column in columns[start:]):
        return ""
    cells = [tuple(row[start:]) for row in rows]
    if not all(len(row) == len(rows) for row in cells):
        return ""
    zero = all(set(row[index]) <= set("0.,-+") and "0" in row[index] for index, row in enumerate(cells))
    symmetric = cells == list(zip(*cells, strict=True))
    facts = ["square", *["symmetric"] * symmetric, *["zero diagonal"] * zero]
    return ", ".join(facts)


def groups(table: TableProfile, labels: frozenset[str] = frozenset()) -> Iterator[list[ColumnProfile]]:
    """Yield the columns of a table, those of a series together: day_1 to day_31, or the columns of a matrix.

    labels: names that columns of a matrix may have, beside those in its first column.
    """
    columns = list(table.columns)
    unlabelled = table.matrix and table.rows == table.width
    if len(columns) > 1 and columns[0].unique and columns[0].kind != "number" and not unlabelled:
        yield [columns.pop(0)]  # Labels of the rows.
    texts = sum(not column.numeric for column in columns)
    wide = table.width > (_WIDE_UNNAMED if not table.named else _WIDE if texts <= 1 else 2 * _WIDE)
    labels |= table.columns[0].keys if table.columns else frozenset()
    while columns:
        end = 1
        while end < len(columns) and _together(columns[end - 1], columns[end], labels=labels, wide=wide):
            end += 1
        if end < _SERIES:
            end = 1
        yield columns[:end]
        del columns[:end]


def _together(one: ColumnProfile, next_one: ColumnProfile, *, labels: frozenset[str], wide: bool) -> bool:
    """Return whether two neighbouring columns belong to a series."""
    if one.numeric != next_one.numeric or not (one.numeric or one.kind == next_one.kind):
        return False
    if one.numeric and (wide or {one.name, next_one.name} <= labels):
        return True
    first, second = _NUMBERED.fullmatch(one.name), _NUMBERED.fullmatch(next_one.name)
    same = first is not None and second is not None and first[1] == second[1] and first[3] == second[3]
    return same and int(first[2]) < int(second[2])  # type: ignore[index]


def joined(columns: list[ColumnProfile]) -> ColumnProfile:
    """Return the measurements of the columns of a series together."""
    numbers = [column.numbers for column in columns if column.numbers is not None]
    values = tuple(dict.fromkeys(value for column in columns for value in column.values))
    counts = [column.distinct for column in columns]
    few = all(count is not None and count <= FEW for count in counts) and len(values) <= FEW
    whole = all(column.kind == "whole number" for column in columns)
    return replace(
        columns[0],
        kind="number" if columns[0].numeric and not whole else columns[0].kind,
        numbers=(min(low for low, _ in numbers), max(high for _, high in numbers)) if numbers else None,
        rows=sum(column.rows for column in columns),
        missing=sum(column.missing for column in columns),
        missing_texts=tuple(sorted({text for column in columns for text in column.missing_texts})),
        distinct=len(values) if few else None,
        values=values[:FEW],
        unique=False,
        gapless=False,
        remarks=tuple(dict.fromkeys(remark for column in columns for remark in column.remarks)),
        keys=frozenset(),
    )
