"""The records of a run one by one, also while it goes on: never all at once, and no last line that is half written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from storm_calm.serving.report.page_data import Entry
from storm_calm.serving.report.run_files import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A record and where it stands."""

    number: int
    """Its line, from 1."""
    start: int
    """The byte at which it begins."""
    end: int
    """The byte after it, its line break included."""
    closed: bool
    """Whether it has its line break; if not, it is the last one, and may be about to get it."""
    entry: Entry
    """What the page shows of it."""


def read_lines(run: Run, file: BinaryIO, *, start: int = 0, number: int = 1) -> Iterator[Line]:
    """The records from byte `start` on, which is the beginning of line `number`.

    A last line that is not whole is left out: it is being written, or a kill cut it short.
    Raises ValueError, naming file and line, for any other line that is no record.
    """
    file.seek(start)
    for raw in file:
        closed = raw.endswith(b"\n")
        if not closed and not _whole(raw):
            return
        end = start + len(raw)
        if raw.strip():
            yield Line(number=number, start=start, end=end, closed=closed, entry=_entry(run, raw, number))
        start = end
        number += 1


def read_line(run: Run, file: BinaryIO, start: int, end: int, number: int) -> Entry:
    """The record between two bytes of the file."""
    file.seek(start)
    return _entry(run, file.read(end - start), number)


def _whole(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except ValueError:
        return False
    return True


def _entry(run: Run, raw: bytes, number: int) -> Entry:
    try:
        return run.entry(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{run.records}:{number}: not a record of this version's {run.kind}s: {error}; view it with the version of "
            "storm that made it, or make the run anew"
        ) from error
