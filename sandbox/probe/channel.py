"""The way from a solve in a program to the report outside: one line of JSON behind a word that only the probe knows."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.execution import SolverReport

_LONGEST_LINE = 4096  # what a pipe takes in one piece, also from many processes at once (PIPE_BUF)


@dataclass(slots=True)
class Channel:
    """Where reports go. In the fork server it leads nowhere; a program's process opens it."""

    _fd: int = -1
    _word: bytes = b""
    _deadline: float = field(default=math.inf)

    def open(self, fd: int, word: str, deadline: float) -> None:
        """Send reports to the pipe `fd`, behind `word`. deadline: of the run, in seconds of time.monotonic()."""
        self._fd, self._word, self._deadline = fd, word.encode(), deadline

    def seconds_left(self) -> float | None:
        """The time limit to lend to a solve: a little less than what the run has left. None where it has no end."""
        left = self._deadline - time.monotonic()
        return max(0.05, left - min(1.0, 0.2 * left)) if math.isfinite(left) else None

    def send(self, report: SolverReport) -> None:
        """Send one report."""
        line = self._word + json.dumps(report.to_dict()).encode() + b"\n"
        if self._fd >= 0 and len(line) <= _LONGEST_LINE:
            os.write(self._fd, line)

    def finish(self, **ending: Any) -> None:
        """Say that the program is over, so that nobody has to wait until its process is gone."""
        if self._fd >= 0:
            os.write(self._fd, self._word + json.dumps({"over": ending}).encode() + b"\n")


def over(lines: bytes, word: str) -> dict[str, Any] | None:
    """What `finish` said, where it is the last of the lines so far."""
    if not lines.endswith(b"}\n"):
        return None
    last = lines[lines.rfind(b"\n", 0, -1) + 1 :]
    if not last.startswith(word.encode() + b'{"over"'):
        return None
    return dict(json.loads(last[len(word) :])["over"])


def read(lines: bytes, word: str, most: int) -> tuple[SolverReport, ...]:
    """The reports among the lines that came out of a program's pipe, at most so many; what isn't one is passed over."""
    reports: list[SolverReport] = []
    for line in lines.split(b"\n"):
        if line.startswith(word.encode()) and len(reports) < most:
            with contextlib.suppress(ValueError, TypeError):
                reports.append(SolverReport.from_dict(json.loads(line[len(word) :])))
    return tuple(reports)


@contextlib.contextmanager
def harmless() -> Iterator[None]:
    """Whatever goes wrong in here is the probe's own trouble and no business of the program."""
    with contextlib.suppress(Exception):
        yield
