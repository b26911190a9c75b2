"""Stop the command of a sweep that was killed: its command, in a process group of its own, works on.

with recorded(file) as on_start: ...    # on_start(pid) writes the file, which is deleted when the command has ended
stop_orphan(file)                       # in the next sweep
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from storm_calm.env.atomic_write import write_json
from storm_calm.rl.reproduce.train_subprocess import STOP_SECONDS

POLL_SECONDS = 0.1


@contextmanager
def recorded(file: Path) -> Iterator[Callable[[int], None]]:
    """Yield a function that records the id of a process in `file`, as long as the block lasts."""

    def on_start(pid: int) -> None:
        write_json(file, {"pid": pid, "started": _started(pid)})

    try:
        yield on_start
    finally:
        file.unlink(missing_ok=True)


def stop_orphan(file: Path) -> bool:
    """Stop the process group recorded in `file`, if its first process still runs. Return whether it did."""
    try:
        noted = json.loads(file.read_text(encoding="utf-8"))
        pid, started = int(noted["pid"]), str(noted["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    # Another process may have got the id since, after a restart of the machine.
    running = _runs(pid) and _started(pid) == started
    if running:
        for number in (signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(pid, number)
            end = monotonic() + STOP_SECONDS
            while _runs(pid) and monotonic() < end:
                sleep(POLL_SECONDS)
    file.unlink(missing_ok=True)
    return running


def _runs(pid: int) -> bool:
    """Return whether the process runs and leads a process group."""
    try:
        return os.getpgid(pid) == pid and _state(pid) != "Z"
    except ProcessLookupError:
        return False


def _started(pid: int) -> str:
    """Return the start time of a process in the kernel's ticks; "" without /proc."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name of the program, which may contain spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
