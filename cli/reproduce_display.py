"""The output of `storm reproduce`: progress by stage, and the table at the end."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from time import monotonic
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from storm_calm.agents.runs.progress import duration
from storm_calm.rl.reproduce.stage_jobs import StageProgress

PLAIN_SECONDS = 60.0
"""Seconds between two progress lines without a terminal."""


@contextmanager
def shown() -> Iterator[Callable[[StageProgress], None]]:
    """Yield an `on_progress` that prints a line per finished stage on standard error; with a live bar on a terminal."""
    console = Console(stderr=True, highlight=False)
    live = Live(console=console, refresh_per_second=4, transient=True) if sys.stderr.isatty() else None
    with live or nullcontext():
        yield _Display(console, live)


class _Display:
    def __init__(self, console: Console, live: Live | None) -> None:
        self._console, self._live = console, live
        self._last = monotonic()
        self._stage = ("", 0)

    def __call__(self, progress: StageProgress) -> None:
        if progress.finished:
            words = f"{_place(progress)} done in {duration(progress.elapsed)}"
            self._console.print(words, soft_wrap=True, markup=False)
            self._stage = ("", 0)
        elif self._live is not None:
            self._live.update(_bar(progress))
        elif self._stage != (progress.stage, progress.seed) or monotonic() - self._last >= PLAIN_SECONDS:
            self._stage, self._last = (progress.stage, progress.seed), monotonic()
            message = f" · {progress.message}" if progress.message else ""
            self._console.print(f"{_place(progress)}{message} · {_times(progress)}", soft_wrap=True, markup=False)


def _place(progress: StageProgress) -> str:
    return f"{progress.number}/{progress.total} {progress.stage} (seed {progress.seed})"


def _times(progress: StageProgress) -> str:
    after = f", then {progress.next}" if progress.next else ""
    return f"{duration(progress.elapsed)}{after}, about {duration(progress.seconds_left)} left in total"


def _bar(progress: StageProgress) -> Group:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_row(_place(progress), ProgressBar(total=progress.total, completed=progress.number - 1))
    return Group(row, Text(progress.message, overflow="ellipsis", no_wrap=True), Text(_times(progress)))


def print_report(facts: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table("model", box=None, pad_edge=False, header_style="dim")
    difficulties = ("easy", "complex", "all")
    for difficulty in difficulties:
        table.add_column(difficulty, justify="right")
    for model in facts["models"].values():
        cells = (model["accuracy"].get(difficulty) for difficulty in difficulties)
        table.add_row(model["label"], *("-" if cell is None else _cell(cell) for cell in cells))
    console.print(table)
    console.print()
    states = Table.grid(padding=(0, 1))
    for claim in facts["claims"]:
        states.add_row(Text(claim["verdict"], "dim"), Text(claim["name"]))
    console.print(states)
    if facts["small"]:
        console.print("\nThis reproduction is too small to show anything.", style="yellow")


def _cell(accuracy: dict[str, float]) -> str:
    return f"{100 * accuracy['mean']:.1f} ({100 * accuracy['low']:.0f}-{100 * accuracy['high']:.0f})"
