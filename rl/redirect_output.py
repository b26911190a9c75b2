"""Show one line per training step on the console, and redirect all other output to log.txt."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from storm_calm.env.jsonl import raw_lines

_POLL_SECONDS = 0.5

FormatStep = Callable[[int, Mapping[str, float]], str]
"""Formats a step's line from its number and its metrics."""


@contextmanager
def redirect_output(out: Path, metrics: Path, format_step: FormatStep) -> Iterator[None]:
    """Print each step that is appended to the file `metrics`; redirect stdout and stderr to `out`/log.txt."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
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
        for target, source in zip((1, 2), saved, strict=True):
            os.dup2(source, target)
            os.close(source)
        os.close(log)
        console.close()


def _follow(metrics: Path, format_step: FormatStep, console: TextIO, stopped: threading.Event) -> None:
    position = 0
    while True:
        ended = stopped.wait(_POLL_SECONDS)
        if metrics.exists():
            with metrics.open("rb") as file:
                for line in raw_lines(file, start=position):
                    position = line.end
                    step = json.loads(line.raw)
                    with suppress(KeyError):  # Other metrics, such as those of a validation.
                        print(format_step(step["step"], step["data"]), file=console)
        if ended:
            return
