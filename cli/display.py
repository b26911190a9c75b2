"""What is shown while many problems are worked on, on standard error: a live bar, or a line now and then."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Generic, Literal, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

Display = Literal["rich", "plain", "none"]

PLAIN_SECONDS = 5.0
"""Seconds between two lines of the plain display."""


class Progress(typing.Protocol):
    """What every progress says."""

    @property
    def total(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def error(self) -> str: ...


P = TypeVar("P", bound=Progress)


@contextmanager
def shown(display: Display | None, counts: Callable[[P], str]) -> Iterator[Callable[[P], None]]:
    """A report that draws. display: by default "rich" on a terminal, or else "plain". counts: a progress in words."""
    chosen = display or ("rich" if sys.stderr.isatty() else "plain")
    if chosen == "rich":
        with Live(console=Console(stderr=True), refresh_per_second=8, transient=True) as live:
            yield lambda progress: live.update(_bar(progress, counts(progress)))
    elif chosen == "plain":
        yield _Plain(counts)
    else:
        yield lambda progress: None


def _bar(progress: Progress, counts: str) -> Group:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_row(f"{progress.done}/{progress.total}", ProgressBar(total=progress.total, completed=progress.done))
    return Group(row, Text(counts), Text(progress.error, style="red", overflow="ellipsis", no_wrap=True))


class _Plain(Generic[P]):
    """A line every now and then, and one at the end."""

    def __init__(self, counts: Callable[[P], str]) -> None:
        self._counts = counts
        self._console = Console(stderr=True, highlight=False)
        self._last = monotonic()

    def __call__(self, progress: P) -> None:
        over = progress.in_flight == 0
        if over or monotonic() - self._last >= PLAIN_SECONDS:
            self._last = monotonic()
            self._console.print(f"{progress.done}/{progress.total} · {self._counts(progress)}", soft_wrap=True)
