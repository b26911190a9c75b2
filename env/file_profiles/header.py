"""Find the header of a table: titles above it, and whether there is one."""

import re
from collections.abc import Sequence
from itertools import pairwise

from storm_calm.env.file_profiles.cell import MISSING, is_number

MAX_TITLES = 10
"""Rows above the header."""
_TITLE_CELLS = 3
_SEEN = 30  # Rows in which titles differ from data.
_MOST = (
    0.5  # Share of numbers in a column of numbers, beside units and texts for missing values; of full rows in a table.
)
_LABELS = 5  # Consecutive numbers that are rather names of columns than data.

Row = Sequence[str]


def count_titles(rows: Sequence[Row]) -> int:
    """Return how many of the first rows are titles: text in few cells, above a table of more cells."""
    filled = [sum(cell.strip() != "" for cell in row) for row in rows[:_SEEN]]
    widest = max(filled, default=0)
    few = min(_TITLE_CELLS, max(1, widest // 4))
    for index, (row, count) in enumerate(zip(rows, filled, strict=False)):
        title = count <= few < widest and (widest > 2 or len(row) == 1)
        if not title or any(is_number(cell) for cell in row):
            below = filled[index:]
            is_table = sum(count > few for count in below) >= _MOST * len(below)
            return index if index <= MAX_TITLES and is_table else 0
    return 0


def has_header(rows: Sequence[Row]) -> bool:
    """Return whether the first row has names of columns rather than data."""
    first, rest = rows[0], rows[1:]
    if not rest:
        return not any(is_number(cell) for cell in first)
    columns = [[row[index] for row in rest if index < len(row)] for index in range(len(first))]
    numeric = [_is_numeric(column) for column in columns]
    numbers = [cell for cell in first if is_number(cell)]
    if any(
        of_numbers and cell not in MISSING and not is_number(cell)
        for cell, of_numbers in zip(first, numeric, strict=True)
    ):
        return True
    if numbers:
        # The names of a matrix's columns: ",1,2,3", or "1,2,3,4,5" above a matrix that is not square with it.
        labelled = 1 < len(numbers) < len(first)
        return _consecutive(numbers) and (labelled or (len(numbers) >= _LABELS and len(first) != len(rows)))
    if len(set(first)) < len(first) or any(cell in column for cell, column in zip(first, columns, strict=True) if cell):
        return False
    # "C0017,C0206" above "C0018,C0310" is data.
    return not all(
        _form(cell) == _form(below) and _form(cell) != cell for cell, below in zip(first, rest[0], strict=False)
    )


def column_names(header: Row) -> list[str]:
    """Return the names that pandas gives columns: unnamed ones get a number, further ones of the same name too."""
    names: list[str] = []
    seen: dict[str, int] = {}
    for index, cell in enumerate(header):
        name = cell if cell else f"Unnamed: {index}"
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.append(f"{name}.{count}" if count else name)
    return names


def _is_numeric(cells: list[str]) -> bool:
    present = [cell for cell in cells if cell not in MISSING]
    return bool(present) and sum(map(is_number, present)) >= _MOST * len(present)


def _consecutive(numbers: list[str]) -> bool:
    values = [float(number.replace(",", "")) for number in numbers]
    return all(later - earlier == 1 for earlier, later in pairwise(values))


def _form(cell: str) -> str:
    """Return the cell with all digits alike."""
    return re.sub(r"\d", "9", cell[:100])
