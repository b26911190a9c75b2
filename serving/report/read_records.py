"""Read the records of a run one by one, also while its files grow. An incomplete last line is skipped."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from storm_calm.env.jsonl import Line, parse_line, raw_lines
from storm_calm.serving.report.report_entries import Entry
from storm_calm.serving.report.run_files import RunFiles


class LinePosition(NamedTuple):
    """The position of a record in bytes."""

    path: Path
    start: int
    end: int
    """Exclusive."""
    number: int
    """Line number, from 1."""


def read_lines(
    run: RunFiles, path: Path, file: BinaryIO, *, start: int = 0, number: int = 1
) -> Iterator[tuple[Line, Entry]]:
    """Yield lines and their records from byte `start`, the beginning of line `number`. file: that of `path`, opened.

    Raises ValueError, naming file and line, for an invalid record.
    """
    for line in raw_lines(file, start=start, number=number):
        yield line, _entry(run, path, line.raw, line.number)


def read_line(run: RunFiles, file: BinaryIO, position: LinePosition) -> Entry:
    file.seek(position.start)
    return _entry(run, position.path, file.read(position.end - position.start), position.number)


def _entry(run: RunFiles, path: Path, raw: bytes, number: int) -> Entry:
    return parse_line(path, number, raw, run.entry, what=f"a record of this {run.kind}")
