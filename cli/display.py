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

from storm_calm.agents.runs.progress import OnProgress, Progress, SessionUsage, duration

Display = Literal["rich", "plain", "none"]

SEPARATOR = " · "
PLAIN_SECONDS = 5.0
"""Seconds between two lines of the plain display."""


@contextmanager
def progress_display(display: Display | None) -> Iterator[OnProgress]:
    """Yield an `on_progress` callback. display: by default "rich" on a terminal, else "plain"."""
    chosen = display or ("rich" if sys.stderr.isatty() else "plain")
    if chosen == "rich":
        console = Console(stderr=True)
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            yield lambda progress: live.update(_bar(progress, console.width))
    elif chosen == "plain":
        yield _PlainDisplay()
    else:
        yield lambda progress: None


def _words(progress: Progress) -> list[str]:
    words = [f"{name} {count}" for name, count in progress.counts.items()]
    words.append(f"in flight {progress.in_flight}")
    if progress.errors:
        words.append(f"errors {progress.errors}")
    if progress.usage is not None and progress.tokens_per_second is not None:
        rate, usage = progress.tokens_per_second, progress.usage
        # A slow model writes a few tokens a second.
        words.append(f"{rate:,.0f} tokens/s" if rate >= 10 else f"{rate:.1f} tokens/s")
        words.append(f"{usage.output_tokens:,} tokens")
        if usage.price is not None:
            words.append(f"price {price_words(usage.price)}")
    words.append(duration(progress.elapsed_seconds))
    if progress.seconds_left:
        words.append(f"about {duration(progress.seconds_left)} left")
    return words


def _lines(words: list[str], width: int) -> str:
    """Join words with dots, in lines that break between them."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(SEPARATOR) + len(word) <= width:
            lines[-1] += SEPARATOR + word
        else:
            lines.append(word)
    return "\n".join(lines)


def _bar(progress: Progress, width: int) -> Group:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_row(f"{progress.done}/{progress.total}", ProgressBar(total=progress.total, completed=progress.done))
    error = Text(progress.last_error, style="red", overflow="ellipsis", no_wrap=True)
    return Group(row, Text(_lines(_words(progress), width)), error)


class LastError:
    """A callback that also keeps the last error message, to explain at the end why work is missing, and the usage."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self.message = ""
        self.usage: SessionUsage | None = None

    def __call__(self, progress: Progress) -> None:
        self.message, self.usage = progress.last_error, progress.usage
        self._on_progress(progress)


def usage_words(usage: SessionUsage) -> str:
    """Return the reasoner's usage as one line for the end of a session with known prices."""
    words = f"Reasoner in this session: {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
    return words if usage.price is None else f"{words}, price {price_words(usage.price)}"


def price_words(price: float) -> str:
    """Format a price in the currency of the given prices; small amounts get more digits."""
    return f"{price:,.{2 if price >= 1 else 4}f}"


class _PlainDisplay:
    """A callback that prints a line every `PLAIN_SECONDS`, and one at the end."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._last = monotonic()

    def __call__(self, progress: Progress) -> None:
        over = progress.in_flight == 0
        if over or monotonic() - self._last >= PLAIN_SECONDS:
            self._last = monotonic()
            self._console.print(
                f"{progress.done}/{progress.total}{SEPARATOR}{SEPARATOR.join(_words(progress))}", soft_wrap=True
            )
            if progress.last_error:
                self._console.print(f"last error: {progress.last_error}", soft_wrap=True, markup=False)
