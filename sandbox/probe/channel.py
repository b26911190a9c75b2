"""The pipe that carries solver reports out of a program: JSON lines, each prefixed with the probe's nonce."""

import json
import math
import os
import re
import time
from dataclasses import dataclass

from storm_calm.sandbox.execution import SolverReport

_LONGEST_LINE = 4096  # bytes that a pipe takes atomically, even from concurrent writers (PIPE_BUF)
_EXIT = b"exit "


@dataclass(slots=True)
class Channel:
    """The writing end. It discards reports until the program's process opens it; in the fork server it stays closed."""

    _fd: int = -1
    _nonce: bytes = b""
    _deadline: float = math.inf

    def open(self, fd: int, nonce: str, deadline: float) -> None:
        """Send reports to the pipe `fd`, prefixed with `nonce`. deadline: the run's end in time.monotonic() seconds."""
        self._fd, self._nonce, self._deadline = fd, nonce.encode(), deadline

    def seconds_left(self) -> float | None:
        """Return a time limit for a solve, slightly shorter than the time left; None if the run has no deadline."""
        left = self._deadline - time.monotonic()
        return max(0.05, left - min(1.0, 0.2 * left)) if math.isfinite(left) else None

    def send(self, report: SolverReport) -> None:
        line = self._nonce + json.dumps(report.to_dict()).encode() + b"\n"
        if self._fd >= 0 and len(line) <= _LONGEST_LINE:
            os.write(self._fd, line)

    def finish(self, exit_code: int) -> None:
        """Ask the sandbox to kill this process and record `exit_code`: faster than waiting for the interpreter's exit.

        The exit code is a claim: a program could also call `os._exit` with any code. The fork server itself measures
        resource usage and finds remaining processes.
        """
        if self._fd >= 0:
            os.write(self._fd, self._nonce + _EXIT + str(exit_code).encode() + b"\n")


def claimed_exit(lines: bytes, nonce: str) -> int | None:
    """Return the exit code of `Channel.finish` if that is the last line, otherwise None."""
    found = re.search(re.escape(nonce.encode() + _EXIT) + rb"([0-9]{1,3})\n\Z", lines[-64:])
    return int(found[1]) if found and int(found[1]) <= 255 else None


def read(lines: bytes, nonce: str, most: int) -> tuple[SolverReport, ...]:
    """Parse the reports, at most `most`, from a program's pipe; other lines are dropped."""
    reports: list[SolverReport] = []
    prefix = nonce.encode()
    for line in lines.split(b"\n"):
        if line.startswith(prefix) and len(reports) < most:
            report = SolverReport.parse(line[len(prefix) :])
            if report is not None:
                reports.append(report)
    return tuple(reports)
