"""A training command of ours as a process of its own: its output in files, its last line for whoever waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

PACKAGE = "storm_calm.rl"
"""Where `train_sft` and `train_verl` are."""
POLL_SECONDS = 0.5
"""Seconds between two looks at the log."""
STOP_SECONDS = 60.0
"""Seconds that a command gets to come to its end after Ctrl-C: it shuts Ray down."""


class TrainingFailedError(RuntimeError):
    """A training command ended with an error."""


def train(script: str, arguments: Sequence[str], log: Path, on_message: Callable[[str], None]) -> None:
    """Run one of the modules of `PACKAGE` with this Python, and wait for its end.

    log: gets what it says, after what is in there already; beside it, a file that ends in .err gets what libraries
    and errors say. on_message: called now and then with the last line that it said.
    Raises TrainingFailedError with what the command said last. On KeyboardInterrupt the command is stopped too.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    complaints = log.with_suffix(".err")
    with log.open("ab") as output, complaints.open("ab") as errors:
        begin = log.stat().st_size, complaints.stat().st_size
        # A session of its own, so that it is told of Ctrl-C once, by us, and then waited for.
        process = subprocess.Popen(
            [sys.executable, "-m", f"{PACKAGE}.{script}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    try:
        while True:
            try:
                code = process.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                on_message(_last_line(log, begin[0]))
    finally:
        if process.returncode is None:
            _stop(process)
    if code:
        raise TrainingFailedError(_last_line(complaints, begin[1]) or f"exit code {code}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):  # Somebody who is in a hurry presses it twice.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(path: Path, begin: int) -> str:
    """The last line after `begin`; "" for none."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(begin, size - 4096))
        text = file.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), "")
