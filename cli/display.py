"""Progress of a worker pool on standard error: a live bar, or a line every few seconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Literal

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from storm_calm.agents.runs.progress import OnProgress, Progress, duration

Display = Literal["rich", "plain", "none"]

PLAIN_SECONDS = 5.0
"""Seconds between two lines of the plain display."""


@contextmanager
def progress_display(display: Display | None) -> Iterator[OnProgress]:
    """Yield an `on_progress` callback. display: by default "rich" on a terminal, else "plain"."""
    chosen = display or ("rich" if sys.stderr.isatty() else "plain")
    if chosen == "rich":
        with Live(console=Console(stderr=True), refresh_per_second=8, transient=True) as live:
            yield lambda progress: live.update(_bar(progress))
    elif chosen == "plain":
        yield _PlainDisplay()
    else:
        yield lambda progress: None


def _words(progress: Progress) -> str:
    words = [f"{name} {count}" for name, count in progress.counts.items()]
    words.append(f"in flight {progress.in_flight}")
    if progress.tokens_per_second is not None:
        words.append(f"{progress.tokens_per_second:,.0f} tokens/s")
    if progress.errors:
        words.append(f"errors {progress.errors}")
    words.append(duration(progress.elapsed_seconds))
    if progress.seconds_left:
        words.append(f"about {duration(progress.seconds_left)} left")
    return " · ".join(words)


def _bar(progress: Progress) -> Group:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_row(f"{progress.done}/{progress.total}", ProgressBar(total=progress.total, completed=progress.done))
    error = Text(progress.last_error, style="red", overflow="ellipsis", no_wrap=True)
    return Group(row, Text(_words(progress)), error)


class LastError:
    """A callback that also keeps the last error message, to explain at the end why work is missing."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self.message = ""

    def __call__(self, progress: Progress) -> None:
        self.message = progress.last_error
        self._on_progress(progress)


class _PlainDisplay:
    """A callback that prints a line every `PLAIN_SECONDS`, and one at the end."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._last = monotonic()

    def __call__(self, progress: Progress) -> None:
        over = progress.in_flight == 0
        if over or monotonic() - self._last >= PLAIN_SECONDS:
            self._last = monotonic()
            self._console.print(f"{progress.done}/{progress.total} · {_words(progress)}", soft_wrap=True)
            if progress.last_error:
                self._console.print(f"last error: {progress.last_error}", soft_wrap=True, markup=False)
