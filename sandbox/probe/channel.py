"""The pipe that carries solver reports out of a program: JSON lines, each prefixed with the probe's nonce.

Records of solves are too large for it. They leave in a file, see `record_file`.
"""

import json
import math
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.record_file import RecordWriter
from storm_calm.sandbox.probe.solve_record import NotRecordedError, SolveRecord

_LONGEST_LINE = 4096  # bytes that a pipe takes atomically, even from concurrent writers (PIPE_BUF)
_EXIT = b"exit "
_MAX_REPORTS, _MAX_BYTES = 500, 1 << 19  # kept from the beginning of a run, and as many from its end
_RECORD_SECONDS = 0.3  # that must be left for a record


@dataclass(slots=True)
class Channel:
    """The writing end. It discards reports until the program's process opens it; in the fork server it stays closed."""

    _fd: int = -1
    _nonce: bytes = b""
    _deadline: float = math.inf
    _records: RecordWriter | None = None

    def open(self, fd: int, nonce: str, deadline: float, records: RecordWriter | None = None) -> None:
        """Send reports to the pipe `fd`, prefixed with `nonce`.

        deadline: the run's end in time.monotonic() seconds. records: the file for records of solves; None for none.
        """
        self._fd, self._nonce, self._deadline, self._records = fd, nonce.encode(), deadline, records

    def seconds_left(self) -> float | None:
        """Return a time limit for a solve, slightly shorter than the time left; None if the run has no deadline."""
        left = self._deadline - time.monotonic()
        return max(0.05, left - min(1.0, 0.2 * left)) if math.isfinite(left) else None

    def send(self, report: SolverReport, record: Callable[[], SolveRecord] | None = None) -> None:
        """Send a report, and write the record of its solve if the run asks for records. record: builds it."""
        data = report.to_dict()
        line = self._nonce + json.dumps(data).encode() + b"\n"
        if self._fd >= 0 and len(line) <= _LONGEST_LINE:
            os.write(self._fd, line)
            if self._records is not None:
                # Without the time, so that equal solves have equal records.
                del data["seconds"]
                self._records.write({"report": data, **self._recorded(record)})

    def _recorded(self, record: Callable[[], SolveRecord] | None) -> dict[str, Any]:
        """Return what is recorded of a solve, or why nothing is."""
        if record is None:
            return {"omitted": "this kind of solve is not recorded"}
        if self._deadline - time.monotonic() < _RECORD_SECONDS:
            return {"omitted": "no time was left to record it"}
        try:
            return record().to_dict()
        except NotRecordedError as reason:
            return {"omitted": str(reason)}
        except Exception as error:
            return {"omitted": f"it could not be recorded ({type(error).__name__}: {error})"[:300]}

    def finish(self, exit_code: int) -> None:
        """Ask the sandbox to kill this process and record `exit_code`: faster than waiting for the interpreter's exit.

        The exit code is a claim: a program could also call `os._exit` with any code. The fork server itself measures
        resource usage and finds remaining processes.
        """
        if self._fd >= 0:
            os.write(self._fd, self._nonce + _EXIT + str(exit_code).encode() + b"\n")


@dataclass(slots=True)
class ReportBuffer:
    """The reading end: the beginning and the end of the output of a program's pipe, in bounded memory.

    The last solve of a program is usually the one that its answer comes from, so it is kept, however many came before.
    """

    nonce: str
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    sent: int = 0
    """Number of reports so far, valid or not."""
    gap: bool = False
    """Whether something between `head` and `tail` was dropped."""

    def add(self, data: bytes) -> None:
        """Append output of the pipe."""
        start = self._start()
        self.sent += (self.end(len(start) - 1) + data).count(start)
        room = max(0, _MAX_BYTES - len(self.head))
        self.head += data[:room]
        self.tail += data[room:]
        if len(self.tail) > 2 * _MAX_BYTES:  # Not at _MAX_BYTES, so that each byte is moved at most once.
            del self.tail[:-_MAX_BYTES]
            self.gap = True

    def end(self, size: int) -> bytes:
        """Return the last `size` bytes of the output."""
        return bytes((self.head[-size:] + self.tail[-size:])[-size:])

    def claimed_exit(self) -> int | None:
        """Return the exit code of `Channel.finish` if that is the last line, otherwise None."""
        found = re.search(re.escape(self.nonce.encode() + _EXIT) + rb"([0-9]{1,3})\n\Z", self.end(64))
        return int(found[1]) if found and int(found[1]) <= 255 else None

    def reports(self) -> tuple[tuple[SolverReport, ...], int]:
        """Parse the first and the last reports, and return them with the number of those that were dropped.

        Lines without the nonce and invalid reports are left out; they count as neither.
        """
        if self.gap:
            lines = [*self.head.split(b"\n")[:-1], *self.tail[-_MAX_BYTES:].split(b"\n")[1:]]  # without cut lines
        else:
            lines = (self.head + self.tail).split(b"\n")
        start = self._start()
        found = [bytes(line) for line in lines if line.startswith(start)]
        if len(found) > 2 * _MAX_REPORTS:
            found = found[:_MAX_REPORTS] + found[-_MAX_REPORTS:]
        parsed = (SolverReport.parse(line[len(start) - 1 :]) for line in found)
        return tuple(report for report in parsed if report is not None), max(0, self.sent - len(found))

    def _start(self) -> bytes:
        """Return the beginning of the line of a report."""
        return self.nonce.encode() + b"{"
