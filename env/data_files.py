"""The data files of a problem: reading them for programs, and describing them to the model.

    files = read_data_files([Path("orders.csv"), Path("plants.xlsx")])
    "\\n\\n".join([question, *describe_files(files)])

Programs read CSV, TSV, Excel, JSON and text. A Parquet file becomes a CSV file, since programs have no library for it.
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from storm_calm.env.file_profiles.description import describe
from storm_calm.sandbox.file_names import check_distinct, normalized_path

SUFFIXES = (".csv", ".tsv", ".xlsx", ".json", ".jsonl", ".parquet", ".md", ".txt", ".dat")
"""The suffixes of data files."""
MAX_BYTES = 64 << 20
"""Bytes of one file."""


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
    return [f"Data files in the program's working directory:\n{describe(files)}"] if files else []


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
