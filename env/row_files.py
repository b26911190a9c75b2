"""Read the rows of a data file: JSON Lines, JSON, CSV or TSV.

    for place, problem in read_rows(Path("OptMATH_Bench.json"), parse):
        ...

The content of a file decides between JSON and JSON Lines, because publishers use both suffixes for both. A JSON file is
an array of objects, an object that holds one such array, or an object of objects by id. Text is UTF-8 or, with a byte
order mark, UTF-16.
"""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from storm_calm.env.jsonl import parse_line, parse_object, raw_lines, short
from storm_calm.env.row_fields import QUESTIONS, field_names

T = TypeVar("T")

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")
"""The suffixes of files that can be read."""

CONVERTIBLE = {
    ".parquet": "write it as JSON Lines with pandas: read_parquet(FILE).to_json(OUT, orient='records', lines=True)",
    ".xlsx": 'save the sheet as "CSV UTF-8"',
    ".xls": 'save the sheet as "CSV UTF-8"',
    ".gz": "decompress it with gunzip",
    ".zip": 'decompress it with unzip; if it is an Excel sheet, save it as "CSV UTF-8"',
}
"""How to convert files with other suffixes."""

MAGIC = {b"\x1f\x8b": ".gz", b"PK\x03\x04": ".zip", b"PAR1": ".parquet", b"\xd0\xcf\x11\xe0": ".xls"}
"""The first bytes of such files. A .xlsx file is a .zip file."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a row, for messages."""

    path: Path
    number: int
    """From 1."""
    unit: str = "line"
    """"line" of the file, or "item" of a JSON array."""

    def __str__(self) -> str:
        return f"{self.path}:{self.number}" if self.unit == "line" else f"{self.path}: {self.inside}"

    @property
    def inside(self) -> str:
        """The place without the file."""
        return f"{self.unit} {self.number}"


def read_rows(path: Path, parse: Callable[[dict[str, Any]], T]) -> Iterator[tuple[Place, T]]:
    """Yield the place and the parsed object of each row. Blank rows are skipped.

    Raises ValueError with file and place for a row that is not an object, or if `parse` raises ValueError, TypeError,
    AttributeError or KeyError; and for a file in another format.
    """
    suffix = path.suffix.lower()
    if suffix in CONVERTIBLE:
        raise ValueError(f"{path}: {suffix} files cannot be read; {CONVERTIBLE[suffix]}")
    data = _as_utf8(path)
    if suffix in (".csv", ".tsv"):
        yield from _table(path, data, parse)
        return
    items = _items(path, data)
    if items is None:
        for line in raw_lines(io.BytesIO(data), incomplete=True):
            yield Place(path, line.number), parse_line(path, line.number, line.raw, parse)
        return
    for number, item in enumerate(items, start=1):
        place = Place(path, number, "item")
        yield place, parse_object(f"{place}: ", item, parse)


def _as_utf8(path: Path) -> bytes:
    """Return the content of a file, converted to UTF-8 without a byte order mark."""
    data = path.read_bytes()
    for magic, suffix in MAGIC.items():
        if data.startswith(magic):
            raise ValueError(f"{path}: is a {suffix} file in spite of its name; {CONVERTIBLE[suffix]}")
    if data.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path}: is a pointer of Git LFS, without the data; download the file with git lfs pull")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16").encode()
        except UnicodeError as error:
            raise ValueError(f"{path}: not UTF-16 in spite of its byte order mark; save the file as UTF-8") from error
    if b"\0" in data:
        raise ValueError(f"{path}: has a NUL byte, so it is not text in UTF-8; save the file as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = data.rfind(b"\n", 0, error.start) + 1
        line, byte = data.count(b"\n", 0, start) + 1, error.start - start + 1
        raise ValueError(f"{path}:{line}: byte {byte} is not UTF-8; save the file as UTF-8") from error


def _items(path: Path, data: bytes) -> list[Any] | None:
    """Return the rows of a JSON file; None for JSON Lines."""
    start = data.lstrip()
    if not start.startswith((b"[", b"{")):
        return None
    first, _, rest = start.partition(b"\n")
    if start.startswith(b"{") and rest.strip() and _is_json(first):
        return None
    text = _text(path, data)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        # A broken first line of JSON Lines is reported as such.
        if start.startswith(b"{") and (not rest.strip() or _is_json(rest.lstrip().partition(b"\n")[0])):
            return None
        raise _not_json(path, error) from error
    if isinstance(value, list):
        return value
    rows = _rows_in(path, value)
    if rows is None and rest.strip():
        return [value]
    return rows


def _not_json(path: Path, error: Exception) -> ValueError:
    if not isinstance(error, json.JSONDecodeError):
        return ValueError(f"{path}: not JSON that can be read: nested too deeply, or a number is too long")
    if error.msg == "Extra data":
        fault = "another JSON value begins here; put each on one line, or all in one array"
        return ValueError(f"{path}:{error.lineno}: {fault}")
    return ValueError(f"{path}:{error.lineno}: not JSON: {error.msg} at column {error.colno}")


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _rows_in(path: Path, value: dict[str, Any]) -> list[Any] | None:
    """Return the rows that an object holds as columns, as its only list of objects, or by id; None if it is a row."""
    names = [name for name in value if set(field_names({name: None})) & set(QUESTIONS)]
    if names:
        columns = {name: column for name, column in value.items() if isinstance(column, dict)}
        if names[0] not in columns:
            return None
        # The default of pandas.DataFrame.to_json: {column: {index: cell}}.
        return [{name: column.get(key) for name, column in columns.items()} for key in columns[names[0]]]
    lists = [name for name, rows in value.items() if isinstance(rows, list) and any(isinstance(r, dict) for r in rows)]
    if len(lists) > 1:
        raise ValueError(f"{path}: several lists of rows: {', '.join(map(short, lists))}; keep one of them in the file")
    if lists:
        return list(value[lists[0]])
    if value and all(isinstance(row, dict) for row in value.values()):
        return [{"id": key, **row} for key, row in value.items()]
    return None


def _table(path: Path, data: bytes, parse: Callable[[dict[str, Any]], T]) -> Iterator[tuple[Place, T]]:
    """Yield the rows of a file with a header, each with its first line."""
    text = _text(path, data)
    # A question with its data can be longer than the default limit of a cell, which is for the whole process.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(path, text), strict=True)
    header: list[str] = []
    before = 0
    try:
        for cells in reader:
            place, before = Place(path, before + 1), reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                if twice := next((name for name in header if name and header.count(name) > 1), None):
                    raise ValueError(f"{place}: two columns are named {short(twice)}; rename one")
                continue
            if len(cells) > len(header) and any(cells[len(header) :]):
                fault = f"{len(cells)} cells, more than the {len(header)} of the header"
                raise ValueError(f"{place}: {fault}; quote cells that contain the delimiter")
            row = {name: cell or None for name, cell in zip(header, cells, strict=False)}
            yield place, parse_object(f"{place}: ", row, parse)
    except csv.Error as error:
        fault = f"not CSV: {error}; quote cells with line breaks or delimiters, and double the quotes inside"
        raise ValueError(f"{Place(path, before + 1)}: {fault}") from error


def _delimiter(path: Path, text: str) -> str:
    """Return the delimiter. Spreadsheets write CSV files with semicolons in many countries."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = text.lstrip().partition("\n")[0]
    return max(",;\t", key=header.count)
