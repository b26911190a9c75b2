"""The numbers in the data files of a problem. A program that reads a file need not contain them itself.

    in_files(evidence, code, 300.0)     # True if the program reads a file and 300 is in one

Counts are included, such as the rows and columns of a table: programs take them from the file, too.
"""

import io
import re
import zipfile
import zlib
from functools import lru_cache
from pathlib import PurePosixPath

from storm_calm.agents.triggers.evidence import Code, Evidence, numbers_in
from storm_calm.env.problem import Problem, ProblemFile
from storm_calm.env.workspace import workspace_files

MAX_BYTES = 2 << 20
"""Bytes at the beginning of a file that are searched, of an Excel file after decompression."""
READS = {
    "open", "read_csv", "read_table", "read_excel", "read_json", "read_fwf", "read_text", "read_bytes", "reader",
    "DictReader", "loadtxt", "genfromtxt", "load_workbook", "load", "ExcelFile",
}  # fmt: skip
"""Names of functions that read files."""
_SHEET = re.compile(r"xl/(?:worksheets/.*|sharedStrings)\.xml")
_TAG = re.compile(r"<[^>]{0,500}>")


def reads_files(evidence: Evidence, code: Code) -> bool:
    """Return whether a problem has files and the program reads files."""
    return evidence.problem is not None and bool(evidence.problem.files) and not READS.isdisjoint(code.calls)


def in_files(evidence: Evidence, code: Code, value: float) -> bool:
    """Return whether a program may take a number from a file of the problem.

    If the files cannot be read, as for an episode from another machine, it may take any number from them.
    """
    if evidence.problem is None or not reads_files(evidence, code):
        return False
    numbers = file_numbers(evidence.problem)
    return numbers is None or value in numbers


def file_numbers(problem: Problem) -> frozenset[float] | None:
    """Return the numbers in the problem's files and their counts; None if the files cannot be read."""
    return _file_numbers(problem.folder, problem.files) if problem.files else frozenset()


@lru_cache(maxsize=64)
def _file_numbers(folder: str, files: tuple[ProblemFile, ...]) -> frozenset[float] | None:
    # The files alone decide, so any problem with them does.
    try:
        contents = workspace_files(Problem(id="-", question="-", answers=(), folder=folder, files=files))
    except ValueError:
        return None
    found: set[float] = set()
    for path, content in contents.items():
        text = _text(path, content)
        lines = [line for line in text.splitlines() if line.strip()]
        cells = len(re.split(r"[,;\t]", lines[0])) if lines else 0
        found |= {float(count) for count in (len(lines), len(lines) - 1, cells, cells - 1)}
        found |= {value for part in (text, re.sub(r"[,;|]", " ", text)) for value, _ in numbers_in(part)}
    return frozenset(found)


def _text(path: str, content: bytes) -> str:
    """Return the text of a file that is searched for numbers."""
    if PurePosixPath(path).suffix.lower() != ".xlsx":
        return content[:MAX_BYTES].decode("utf-8", errors="replace")
    parts: list[bytes] = []
    left = MAX_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if left > 0 and _SHEET.fullmatch(name):
                    with archive.open(name) as sheet:
                        parts.append(sheet.read(left))
                    left -= len(parts[-1])
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError):
        return ""
    return _TAG.sub(" ", b" ".join(parts).decode("utf-8", errors="replace"))
