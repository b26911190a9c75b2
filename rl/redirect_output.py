"""A line a step on the console, and everything else that trainers, Ray and torch print in the run's log.txt."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_POLL_SECONDS = 0.5  # seconds between two looks at the metrics

FormatStep = Callable[[int, Mapping[str, float]], str]
"""What to show of a step, given its number and its metrics."""


@contextmanager
def redirect_output(out: Path, metrics: Path, format_step: FormatStep) -> Iterator[None]:
    """Show steps as they come into the file `metrics`; all that is printed otherwise goes to `out`/log.txt."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    console = os.fdopen(os.dup(1), "w", buffering=1)
    log = os.open(out / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stopped = threading.Event()
    watcher = threading.Thread(target=_follow, args=(metrics, format_step, console, stopped), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stopped.set()
        watcher.join()
        sys.stdout.flush()
        sys.stderr.flush()
        for target, source in zip((1, 2), kept, strict=True):
            os.dup2(source, target)
            os.close(source)
        os.close(log)
        console.close()


def _follow(metrics: Path, format_step: FormatStep, console: TextIO, stopped: threading.Event) -> None:
    read = 0
    while True:
        ended = stopped.wait(_POLL_SECONDS)
        if metrics.exists():
            with metrics.open("rb") as file:
                file.seek(read)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            read += len(whole)
            for entry in whole.splitlines():
                step = json.loads(entry)
                try:
                    print(format_step(step["step"], step["data"]), file=console)
                except KeyError:  # Figures of something else, such as a validation.
                    continue
        if ended:
            return
