"""What differs between the files of two data, as a program that makes the changes.

    found = differences(tables, before, after)
    found.cells     # [Cell(file="plants.csv", where={"plant_id": "PL-07"}, column="capacity_t_per_week", value=250)]
    found.program()

Reference programs of tasks begin with it, since the files of a solved problem do not show what has changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storm_calm.env.problems.families.scaled.tables import Data, Parameters, Table, write_tables

CHANGE_FILES = '''\
import csv
from pathlib import Path


def change(file, where, column, value):
    """Write a value into the row of a CSV file whose columns have the texts of `where`."""
    text = Path(file).read_text()
    delimiter = ";" if ";" in text.partition("\\n")[0] else ","
    rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    [row] = [row for row in rows if all(row[name] == part for name, part in where.items())]
    row[column] = value
    columns = dict.fromkeys(name for row in rows for name in row)
    with open(file, "w", newline="") as target:
        writer = csv.DictWriter(target, columns, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
'''
"""The beginning of a program that changes cells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """Another value in a row of a CSV file."""

    file: str
    where: Mapping[str, str]
    """The texts of some columns, which only this row has."""
    column: str
    """Its name; a new one if the file has no such column."""
    value: float | str

    @property
    def arguments(self) -> tuple[str, dict[str, str], str, float | str]:
        """The arguments of `change` in `CHANGE_FILES`."""
        return (self.file, dict(self.where), self.column, self.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """What turns the files of one problem into those of another."""

    cells: list[Cell] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)
    """Files that are new, or have other rows, by path."""

    def program(self) -> str:
        """Return a program that makes the changes; "" without any."""
        lines = [f"Path({file!r}).write_text({text!r})\n" for file, text in self.contents.items()]
        if self.cells:
            changes = "".join(f"change{cell.arguments!r}\n" for cell in self.cells)
            return f"{CHANGE_FILES}\n\n{''.join(lines)}{changes}"
        return f"from pathlib import Path\n\n{''.join(lines)}" if lines else ""


def differences(tables: Sequence[Table | Parameters], before: Data, after: Data) -> Differences:
    """Return what differs between the files of two data. Nothing is deleted."""
    found = Differences()
    old, new = write_tables(tables, before), write_tables(tables, after)
    for table in tables:
        if new.get(table.file) == old.get(table.file):
            continue
        if isinstance(table, Table) and len(before.get(table.key, ())) == len(after[table.key]):
            found.cells.extend(_changed_cells(table, before[table.key], after[table.key]))
        elif isinstance(table, Parameters) and all(
            scalar.field in before for scalar in table.scalars if scalar.field in after
        ):
            found.cells.extend(
                Cell(file=table.file, where={"parameter": one.name}, column="value", value=after[one.field])
                for one in table.scalars
                if one.field in after and after[one.field] != before[one.field]
            )
        else:
            found.contents[table.file] = new[table.file].decode()
    return found


def _changed_cells(table: Table, before: Sequence[Data], after: Sequence[Data]) -> list[Cell]:
    names = {column.field: column.name for column in table.columns if column.field}
    return [
        Cell(file=table.file, where=_identity(names, before, number), column=names[key], value=row[key])
        for number, row in enumerate(after)
        for key in names
        if key in row and row[key] != before[number].get(key)
    ]


def _identity(names: Mapping[str, str], rows: Sequence[Data], number: int) -> dict[str, str]:
    """Return the texts of the columns that identify a row: its identifiers and, if it needs more, its numbers."""
    row = rows[number]
    chosen: dict[str, Any] = {key: value for key, value in row.items() if isinstance(value, str)}
    for key, value in row.items():
        if sum(all(other.get(name) == part for name, part in chosen.items()) for other in rows) == 1:
            break
        chosen[key] = value
    return {names[key]: str(value) for key, value in chosen.items()}
