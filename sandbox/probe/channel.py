"""The pipe from a solve in a program to the report outside: lines of JSON behind a nonce that only the probe knows."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from storm_calm.sandbox.execution import SolverReport

_LONGEST_LINE = 4096  # what a pipe takes in one piece, also from many processes at once (PIPE_BUF)
_EXIT = b"exit "


@dataclass(slots=True)
class Channel:
    """Where reports go. In the fork server it leads nowhere; a program's process opens it."""

    _fd: int = -1
    _nonce: bytes = b""
    _deadline: float = field(default=math.inf)

    def open(self, fd: int, nonce: str, deadline: float) -> None:
        """Send reports to the pipe `fd`, behind `nonce`. deadline: of the run, in seconds of time.monotonic()."""
        self._fd, self._nonce, self._deadline = fd, nonce.encode(), deadline

    def seconds_left(self) -> float | None:
        """The time limit to lend to a solve: a little less than what the run has left. None where it has no end."""
        left = self._deadline - time.monotonic()
        return max(0.05, left - min(1.0, 0.2 * left)) if math.isfinite(left) else None

    def send(self, report: SolverReport) -> None:
        """Send one report."""
        line = self._nonce + json.dumps(report.to_dict()).encode() + b"\n"
        if self._fd >= 0 and len(line) <= _LONGEST_LINE:
            os.write(self._fd, line)

    def finish(self, exit_code: int) -> None:
        """Ask to be ended with `exit_code`, so that nobody has to wait until this process is taken down.

        A claim like all that is sent here: a program could call `os._exit` with any code it likes. What it used, and
        whether anything else of it is running, the fork server finds out by itself.
        """
        if self._fd >= 0:
            os.write(self._fd, self._nonce + _EXIT + str(exit_code).encode() + b"\n")


def claimed_exit(lines: bytes, nonce: str) -> int | None:
    """Return the exit code that `finish` asked for if that is the last line; None otherwise."""
    found = re.search(re.escape(nonce.encode() + _EXIT) + rb"([0-9]{1,3})\n\Z", lines[-64:])
    return int(found[1]) if found and int(found[1]) <= 255 else None


def read(lines: bytes, nonce: str, most: int) -> tuple[SolverReport, ...]:
    """Return the reports among the lines that came out of a program's pipe, at most `most`; other lines are dropped."""
    reports: list[SolverReport] = []
    prefix = nonce.encode()
    for line in lines.split(b"\n"):
        if line.startswith(prefix) and len(reports) < most:
            report = SolverReport.parse(line[len(prefix) :])
            if report is not None:
                reports.append(report)
    return tuple(reports)


@contextlib.contextmanager
def harmless() -> Iterator[None]:
    """Whatever goes wrong in here is the probe's own trouble and no business of the program."""
    with contextlib.suppress(Exception):
        yield
