"""The data of a scaled family as the CSV files of a company's export, and back.

    PLANTS = Table(key="plants", file="plants.csv", columns=(Column("plant_id", "id"), Column("supply_t", "supply")))
    RATES = Parameters(file="parameters.csv", scalars=(Scalar("freight_eur_per_t_km", "rate"),))
    data = {"plants": [{"id": "P07", "supply": 300}], "rate": 0.12}
    files = write_tables((PLANTS, RATES), data)
    assert read_tables((PLANTS, RATES), files) == data

Data are plain: lists of rows by key, and scalars. A row may lack an optional field, and data an optional table or
scalar. Numbers are whole or have been rounded, so that the text of a cell is the number itself.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]
"""Lists of rows, and scalars, by key."""

_WHOLE, _DECIMAL = re.compile(r"-?\d+"), re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    """Its header, with the unit: "capacity_t_per_week"."""
    field: str = ""
    """The field of the rows that it shows; "" for a column that is irrelevant to the problem."""
    fill: tuple[str, ...] = ()
    """The cells of an irrelevant column, repeated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A CSV file with a line for each row of data[key]."""

    key: str
    file: str
    columns: tuple[Column, ...]

    def write(self, data: Data) -> bytes | None:
        """Return the content of the file without columns that no row has, or None if the data have no such rows."""
        if self.key not in data:
            return None
        rows = data[self.key]
        own = {field for row in rows for field in row}
        shown = [column for column in self.columns if not (rows and column.field) or column.field in own]
        lines = ([_cell(column, row, number) for column in shown] for number, row in enumerate(rows))
        return _csv([[column.name for column in shown], *lines])

    def read(self, content: bytes | None) -> Data:
        """Return the rows in the file, by key."""
        if content is None:
            return {}
        fields = {column.name: column.field for column in self.columns if column.field}
        rows = [
            {fields[name]: _value(cell) for name, cell in line.items() if name in fields and cell != ""}
            for line in csv.DictReader(io.StringIO(content.decode()))
        ]
        return {self.key: rows}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A line of a file of parameters."""

    name: str
    """The name of the parameter, with the unit: "freight_eur_per_t_km"."""
    field: str
    """The key of the scalar in the data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """A CSV file with a line for each scalar of the data, separated by semicolons as in many European exports."""

    file: str
    scalars: tuple[Scalar, ...]

    def write(self, data: Data) -> bytes | None:
        """Return the content of the file, or None if the data have none of the scalars."""
        lines = [[scalar.name, str(data[scalar.field])] for scalar in self.scalars if scalar.field in data]
        return _csv([["parameter", "value"], *lines], delimiter=";") if lines else None

    def read(self, content: bytes | None) -> Data:
        """Return the scalars in the file, by key."""
        fields = {scalar.name: scalar.field for scalar in self.scalars}
        lines = csv.DictReader(io.StringIO((content or b"").decode()), delimiter=";")
        return {fields[line["parameter"]]: _value(line["value"]) for line in lines}


def write_tables(tables: Iterable[Table | Parameters], data: Data) -> dict[str, bytes]:
    """Return the contents of the files by path."""
    contents = {table.file: table.write(data) for table in tables}
    return {file: content for file, content in contents.items() if content is not None}


def read_tables(tables: Iterable[Table | Parameters], files: Mapping[str, bytes]) -> Data:
    """Return the data in the files."""
    data: Data = {}
    for table in tables:
        data |= table.read(files.get(table.file))
    return data


def _cell(column: Column, row: Data, number: int) -> str:
    if column.field:
        return str(row.get(column.field, ""))
    return column.fill[number % len(column.fill)]


def _value(text: str) -> str | float:
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _csv(lines: Iterable[list[str]], delimiter: str = ",") -> bytes:
    target = io.StringIO()
    csv.writer(target, delimiter=delimiter, lineterminator="\n").writerows(lines)
    return target.getvalue().encode()
