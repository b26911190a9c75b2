"""The data files of a problem: reading them for programs, and describing them to the model.

    files = read_data_files([Path("orders.csv"), Path("plants.xlsx")])
    "\\n\\n".join([question, *describe_files(files)])

Programs read CSV, TSV, Excel, JSON and text. A Parquet file becomes a CSV file, since programs have no library for it.
"""

import codecs
import contextlib
import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import orjson

from storm_calm.sandbox.file_names import check_distinct, normalized_path

SUFFIXES = (".csv", ".tsv", ".xlsx", ".json", ".jsonl", ".parquet", ".md", ".txt", ".dat")
"""The suffixes of data files."""
MAX_BYTES = 64 << 20
"""Bytes of one file."""
MAX_UNPACKED_BYTES = 8 << 20
"""Bytes of an Excel file after decompression, for its description: a server reads it while others wait."""
MAX_NAMES = 20
"""Columns, keys or sheets that are described."""
_COLUMN = 60  # Most characters of a column name or key in the prompt.


def read_data_files(paths: Iterable[Path]) -> dict[str, bytes]:
    """Return the contents of data files by name, for the folder of programs.

    Raises ValueError that names the file and the fix: for a missing or too large file, an unknown suffix, a name that
    programs cannot have, two files of one name, and an unreadable Parquet file.
    """
    files: dict[str, bytes] = {}
    for path in paths:
        suffix = path.suffix.lower()
        if suffix == ".xls":
            raise ValueError(f"{path}: .xls files cannot be read; save it as .xlsx or .csv")
        if suffix not in SUFFIXES:
            raise ValueError(f"{path}: {suffix or 'no suffix'} is not a data file; give one of {', '.join(SUFFIXES)}")
        try:
            size = path.stat().st_size
            content = path.read_bytes() if size <= MAX_BYTES else b""
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
        if size > MAX_BYTES:
            raise ValueError(f"{path}: has {size >> 20} MiB, more than {MAX_BYTES >> 20}; give less data")
        name = path.name
        if suffix == ".parquet":
            name, content = f"{path.stem}.csv", _parquet_as_csv(path, content)
        name = normalized_path(name)
        if name == "main.py" or name in files:
            raise ValueError(f"{path}: programs have another file {name!r}; rename one")
        files[name] = content
    check_distinct(list(files))
    return files


def describe_files(files: Mapping[str, bytes]) -> list[str]:
    """Return the paragraph of the prompt that describes the files, or nothing."""
    if not files:
        return []
    lines = [f"- {name}: {_shape(name, content)}" for name, content in sorted(files.items())]
    return ["Data files in the program's working directory:\n" + "\n".join(lines)]


def _shape(name: str, content: bytes) -> str:
    """Describe the content of a file: rows and columns, sheets, keys, or lines."""
    suffix = Path(name).suffix.lower()
    if suffix == ".xlsx":
        return _workbook(content)
    if b"\0" in content:
        return f"{len(content)} bytes"
    content = content.removeprefix(codecs.BOM_UTF8)
    text = content.decode("utf-8", errors="replace")
    if suffix == ".json":
        try:
            data = orjson.loads(content)
        except ValueError:
            return f"{len(content)} bytes"
        if isinstance(data, dict):
            return f"JSON object with {_listed(list(data)) or 'nothing'}"
        return f"JSON list of {len(data)}" if isinstance(data, list) else "JSON"
    if suffix in (".csv", ".tsv"):
        header, *rows = text.split("\n")
        with contextlib.suppress(csv.Error):
            for columns in csv.reader([header] if header else [], delimiter="\t" if suffix == ".tsv" else ","):
                return f"{sum(bool(row.strip()) for row in rows)} rows, columns {_listed(columns)}"
    return f"{len(text.splitlines())} lines of text"


def _workbook(content: bytes) -> str:
    """Describe the sheets of an Excel file: rows, and the texts of the first row."""
    import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED_BYTES:
                return f"Excel file of {len(content)} bytes"
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        with contextlib.closing(book):
            sheets = []
            for sheet in book.worksheets[:MAX_NAMES]:
                first = next(sheet.iter_rows(max_row=1, max_col=MAX_NAMES, values_only=True), ())
                columns = _listed([" ".join(str(cell).split()) for cell in first if cell is not None])
                title = " ".join(sheet.title[:_COLUMN].split())
                sheets.append(f'sheet "{title}" of {max(0, (sheet.max_row or 1) - 1)} rows: {columns}')
    except Exception:  # The library has no common error for files that are none of Excel's.
        return f"{len(content)} bytes"
    return f"Excel file, {'; '.join(sheets)}"


def _parquet_as_csv(path: Path, content: bytes) -> bytes:
    try:
        import pyarrow
        from pyarrow import csv as arrow_csv
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise ValueError(
            f"{path}: Parquet files need pyarrow; pip install 'storm-calm[export]', or give a CSV"
        ) from None
    target = io.BytesIO()
    try:
        arrow_csv.write_csv(parquet.read_table(io.BytesIO(content)), target)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as Parquet ({error})"[:300]) from None
    return target.getvalue()


def _listed(names: Sequence[str]) -> str:
    """Return at most 20 names, each shortened if it is long."""
    return ", ".join(name if len(name) <= _COLUMN else f"{name[:_COLUMN]}..." for name in names[:MAX_NAMES])
