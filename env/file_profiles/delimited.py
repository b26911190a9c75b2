"""Read CSV files and the like as people write them: other delimiters, titles above the header, or no header.

    read_delimited("a;b\\n1,5;2\\n", ".csv", complete=True).arguments    # ("sep=';'", "decimal=','")

The arguments make pandas.read_csv find the columns that are described.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from storm_calm.env.file_profiles.cell import DECIMAL_COMMA, DECIMAL_POINT, is_number
from storm_calm.env.file_profiles.header import MAX_TITLES, column_names, count_titles, has_header
from storm_calm.env.file_profiles.table import TableProfile, measure

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""The delimiters that the suffixes of files promise."""
_SPACE = " "  # Any number of spaces and tabs.
_SAMPLE = 1 << 16  # Characters in which the delimiter is searched.
_SAMPLE_ROWS = 200
_SAMPLE_CELLS = 100_000
_MAX_WIDTH = 200_000  # Columns.
_FEW_ROWS = 3  # Of text files without a promise.
_IRREGULAR = 0.1  # Share of rows with too many cells from which on a file is not a table.


@dataclass(frozen=True, kw_only=True, slots=True)
class Delimited:
    """The table in a text file."""

    table: TableProfile | None
    """None if the rows are too different in length."""
    arguments: tuple[str, ...]
    """The arguments that pandas.read_csv needs, if any."""
    remarks: tuple[str, ...]
    """What else a program has to take care of."""
    titles: int
    """Rows above the header."""


def read_delimited(text: str, suffix: str, *, complete: bool) -> Delimited | None:
    """Measure the table of a text file; None without one.

    complete: whether `text` is the whole file. Raises csv.Error for a cell of more than 131,072 characters.
    """
    default = DELIMITERS.get(suffix)
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE:
        sample = sample[: 1 + max(sample.rfind("\n"), sample.rfind("\r"))] or sample
    delimiter = _delimiter(sample, default)
    if delimiter is None:
        return None
    if text.count(delimiter, 0, 1 + text.find("\n") or None) > _MAX_WIDTH:
        return None
    spaced = _spaced(sample, delimiter)
    rows = _rows(text, delimiter, spaced=spaced)
    first = _first(rows)
    titles = count_titles(first)
    body = first[titles:]
    if not body:
        return None
    width = len(body[0])
    extra = {len(row) - width for row in body if len(row) > width}
    trailing = extra == {1} and all(row[-1] == "" for row in body if len(row) > width)
    row_names = extra == {1} and all(len(row) == width + 1 for row in body[1:]) and not trailing
    many = sum(len(row) > width for row in body)
    if many and not trailing and not row_names and (many > _IRREGULAR * len(body) or min(map(len, body)) < width):
        lengths = f"{min(map(len, body))} to {max(map(len, body))}"
        remark = f"rows of {lengths} cells, so pandas.read_csv fails; read with csv.reader"
        remark += "" if delimiter == "," else f", delimiter={delimiter!r}"
        return Delimited(table=None, arguments=(), remarks=(remark,), titles=titles)
    decimal = _decimal(body, delimiter)
    named = row_names or has_header(
        body if decimal == "." else [[cell.replace(",", ".") for cell in row] for row in body]
    )
    names = column_names(body[0]) if named else [f"column {index}" for index in range(width)]
    data: Iterator[Sequence[str]] = chain(body[1:] if named else body, rows)
    if trailing:
        data = (row[:width] for row in data)
    table = measure(
        ["(row name)", *names] if row_names else names, data, named=named, decimal=decimal, complete=complete
    )
    arguments = {
        "sep=r'\\s+'" if delimiter == _SPACE else f"sep={delimiter!r}": delimiter != ",",
        "decimal=','": decimal == ",",
        "thousands=','": table.grouped,
        "skipinitialspace=True": spaced,
        f"skiprows={_lines(text, delimiter, titles)}": titles > 0,
        "header=None": not named,
        "index_col=False": trailing,
    }
    remarks = {
        "pandas makes the first column the index, since the header has one name less": row_names,
        f"rows with fewer cells than columns: {table.short}": table.short > 0,
        f"rows with more cells than columns: {table.long} (pandas needs on_bad_lines='skip')": table.long > 0,
    }
    return Delimited(
        table=table,
        arguments=tuple(argument for argument, needed in arguments.items() if needed),
        remarks=tuple(remark for remark, true in remarks.items() if true),
        titles=titles,
    )


def _delimiter(sample: str, default: str | None) -> str | None:
    """Return the delimiter that gives most rows the same number of cells; None if the text is not a table."""
    best: tuple[float, bool, int, str] | None = None
    for delimiter in dict.fromkeys((default or ",", ",", ";", "\t", "|")):
        try:
            rows = _first(_rows(sample, delimiter, spaced=False))
        except csv.Error:
            continue
        widths = Counter(map(len, rows))
        width = max(widths, key=lambda width: (widths[width], width), default=0)
        if width > 1 and (default or _is_table(rows)):
            score = (widths[width] / len(rows), delimiter == default, width, delimiter)
            best = max(best or score, score)
    if best is None and _is_table(_first(_rows(sample, _SPACE, spaced=False))):
        return _SPACE
    return best[-1] if best else default


def _is_table(rows: list[Sequence[str]]) -> bool:
    """Return whether rows without a promise are a table: of one width, with numbers."""
    if len(rows) < _FEW_ROWS or len({len(row) for row in rows}) > 1 or len(rows[0]) < 2:
        return False
    return all(any(map(is_number, row)) for row in rows[1:])


def _rows(text: str, delimiter: str, *, spaced: bool) -> Iterator[Sequence[str]]:
    lines = io.StringIO(text, newline="")
    if delimiter == _SPACE:
        return (cells for line in lines if (cells := line.split()))
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced)
    return (row for row in reader if row)


def _first(rows: Iterator[Sequence[str]]) -> list[Sequence[str]]:
    """Return the first rows, at least `MAX_TITLES` and one."""
    first: list[Sequence[str]] = []
    cells = 0
    for row in islice(rows, _SAMPLE_ROWS):
        first.append(row)
        cells += len(row)
        if cells > _SAMPLE_CELLS and len(first) > MAX_TITLES:
            break
    return first


def _spaced(sample: str, delimiter: str) -> bool:
    """Return whether each delimiter of the first row has a space after it."""
    first = next(_rows(sample, delimiter, spaced=False), []) if delimiter != _SPACE else []
    return len(first) > 1 and all(cell.startswith(" ") for cell in first[1:])


def _decimal(rows: list[Sequence[str]], delimiter: str) -> str:
    """Return the character before the decimals of numbers."""
    if delimiter == ",":
        return "."
    cells = [cell for row in rows for cell in row]
    comma = any(map(DECIMAL_COMMA.fullmatch, cells)) and not any(map(DECIMAL_POINT.fullmatch, cells))
    return "," if comma else "."


def _lines(text: str, delimiter: str, rows: int) -> int:
    """Return the number of lines of the first rows."""
    lines = io.StringIO(text, newline="")
    if not rows:
        return 0
    if delimiter == _SPACE:
        count = 0
        for number, line in enumerate(lines, start=1):
            count += bool(line.strip())
            if count == rows:
                return number
    reader = csv.reader(lines, delimiter=delimiter)
    for row in reader:
        rows -= bool(row)
        if rows == 0:
            break
    return reader.line_num
