"""The records of a run one by one, also while it goes on: never all at once, and no last line that is half written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from storm_calm.env.jsonl import Line, parse_line, raw_lines
from storm_calm.serving.report.report_entries import Entry
from storm_calm.serving.report.run_files import RunFiles


def read_lines(run: RunFiles, file: BinaryIO, *, start: int = 0, number: int = 1) -> Iterator[tuple[Line, Entry]]:
    """The records from byte `start` on, which is the beginning of line `number`.

    A last line that is not whole is left out: it is being written, or a kill cut it short.
    Raises ValueError, naming file and line, for any other line that is no record.
    """
    for line in raw_lines(file, start=start, number=number):
        yield line, _entry(run, line.raw, line.number)


def read_line(run: RunFiles, file: BinaryIO, start: int, end: int, number: int) -> Entry:
    """The record between two bytes of the file."""
    file.seek(start)
    return _entry(run, file.read(end - start), number)


def _entry(run: RunFiles, raw: bytes, number: int) -> Entry:
    return parse_line(run.records, number, raw, run.entry, what=f"a record of this {run.kind}")
