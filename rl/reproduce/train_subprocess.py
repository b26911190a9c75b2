"""Run a training command as a subprocess, with its output in files and its last line as progress message."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

PACKAGE = "storm_calm.rl"
POLL_SECONDS = 0.5
"""Seconds between two reads of the log."""
STOP_SECONDS = 60.0
"""Seconds that a command has after Ctrl-C to shut down Ray."""


class TrainingFailedError(RuntimeError):
    """A training command exited with an error."""


def train(script: str, arguments: Sequence[str], log: Path, on_message: Callable[[str], None]) -> None:
    """Run a module of `PACKAGE`, see `run_command`."""
    run_command([sys.executable, "-m", f"{PACKAGE}.{script}", *arguments], log, on_message)


def run_command(
    command: Sequence[str],
    log: Path,
    on_message: Callable[[str], None],
    *,
    folder: Path | None = None,
    on_start: Callable[[int], None] | None = None,
) -> None:
    """Run a command in a process group of its own, and wait until it exits.

    log: the file that standard output is appended to; standard error goes to the same name with suffix .err.
    on_message: called with the last line of either, every `POLL_SECONDS`. folder: the working directory.
    on_start: called with the process id.
    Raises TrainingFailedError with the last line of standard error. On KeyboardInterrupt the command is stopped too.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    error_log = log.with_suffix(".err")
    with log.open("ab") as output, error_log.open("ab") as errors:
        begin = log.stat().st_size, error_log.stat().st_size
        # In its own session, so that Ctrl-C reaches it only once, through `_stop`.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            cwd=folder,
            start_new_session=True,
        )
    try:
        if on_start is not None:
            on_start(process.pid)
        while True:
            try:
                code = process.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                on_message(_last_line(log, begin[0]) or _last_line(error_log, begin[1]))
    finally:
        if process.returncode is None:
            _stop(process)
    if code:
        raise TrainingFailedError(_last_line(error_log, begin[1]) or f"exit code {code}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):  # A second Ctrl-C kills it at once.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(path: Path, begin: int) -> str:
    """Return the last line after byte `begin` that is not blank, or ""."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(begin, size - 4096))
        text = file.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), "")
