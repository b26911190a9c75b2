"""Read the records of a run one by one, also while the file grows. An incomplete last line is skipped."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from storm_calm.env.jsonl import Line, parse_line, raw_lines
from storm_calm.serving.report.report_entries import Entry
from storm_calm.serving.report.run_files import RunFiles


class LinePosition(NamedTuple):
    """The position of a record in its file, in bytes."""

    start: int
    end: int
    """Exclusive."""
    number: int
    """Line number, from 1."""


def read_lines(run: RunFiles, file: BinaryIO, *, start: int = 0, number: int = 1) -> Iterator[tuple[Line, Entry]]:
    """Yield lines and their records from byte `start`, the beginning of line `number`.

    Raises ValueError, naming file and line, for an invalid record.
    """
    for line in raw_lines(file, start=start, number=number):
        yield line, _entry(run, line.raw, line.number)


def read_line(run: RunFiles, file: BinaryIO, position: LinePosition) -> Entry:
    file.seek(position.start)
    return _entry(run, file.read(position.end - position.start), position.number)


def _entry(run: RunFiles, raw: bytes, number: int) -> Entry:
    return parse_line(run.records, number, raw, run.entry, what=f"a record of this {run.kind}")
