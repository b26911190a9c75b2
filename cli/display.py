"""What `storm curate` shows: a live bar while it works, on standard error, and the summary at its end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Literal

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agents.curation.pool import Progress, Report
from agents.curation.summary import Summary

Display = Literal["rich", "plain", "none"]

PLAIN_SECONDS = 5.0
"""Seconds between two lines of the plain display."""


@contextmanager
def shown(display: Display | None) -> Iterator[Report]:
    """A report that draws. display: by default "rich" on a terminal, or else "plain"."""
    chosen = display or ("rich" if sys.stderr.isatty() else "plain")
    if chosen == "rich":
        with Live(console=Console(stderr=True), refresh_per_second=8, transient=True) as live:
            yield lambda progress: live.update(_bar(progress))
    elif chosen == "plain":
        yield _Plain()
    else:
        yield lambda progress: None


def _counts(progress: Progress) -> str:
    counts = (
        f"golden {progress.golden} · corrected {progress.corrected} · discarded {progress.discarded} · "
        f"in flight {progress.in_flight} · {progress.tokens_per_second:,.0f} tokens/s"
    )
    return f"{counts} · errors {progress.errors}" if progress.errors else counts


def _bar(progress: Progress) -> Group:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_row(f"{progress.done}/{progress.total}", ProgressBar(total=progress.total, completed=progress.done))
    return Group(row, Text(_counts(progress)), Text(progress.error, style="red", overflow="ellipsis", no_wrap=True))


class _Plain:
    """A line every now and then, and one at the end."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._last = monotonic()

    def __call__(self, progress: Progress) -> None:
        over = progress.in_flight == 0
        if over or monotonic() - self._last >= PLAIN_SECONDS:
            self._last = monotonic()
            self._console.print(f"{progress.done}/{progress.total} · {_counts(progress)}", soft_wrap=True)


def print_summary(summary: Summary) -> None:
    """The summary for people, at 60 columns too."""
    console = Console(highlight=False)
    console.print(
        f"{summary.problems} problems by {escape(summary.reasoner)}: "
        f"{_part(summary.native_correct, summary)} right without interventions, "
        f"{_part(summary.final_correct, summary)} with them, [bold]{_part(summary.golden, summary)} golden[/bold]."
    )
    table = Table("family", box=None, pad_edge=False, header_style="dim")
    for heading in ("problems", "native", "final", "golden"):
        table.add_column(heading, justify="right")
    for family, counts in summary.by_family.items():
        names = ("problems", "native_correct", "final_correct", "golden")
        table.add_row(family, *(str(counts[name]) for name in names))
    console.print()
    console.print(table)
    console.print()
    facts = Table.grid(padding=(0, 2))
    facts.add_row("interventions", f"{summary.interventions}{_listed(summary.by_trigger)}")
    facts.add_row("discarded", f"{sum(summary.discarded.values())}{_listed(summary.discarded)}")
    mean, most = summary.hint_token_share_mean, summary.hint_token_share_max
    facts.add_row("hint tokens", f"{mean:.1%} of a golden run on average, {most:.1%} at most")
    facts.add_row("programs run", f"{summary.executions} in a sandbox of tier {summary.sandbox_tier or 'none'}")
    facts.add_row("tokens", f"{summary.tokens:,} in {summary.seconds:,.0f} s")
    if summary.errors:
        facts.add_row("errors", f"{summary.errors} problems not done")
    console.print(facts)


def _part(count: int, summary: Summary) -> str:
    return f"{count} ({count / summary.problems:.0%})" if summary.problems else "0"


def _listed(counts: dict[str, int]) -> str:
    words = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items() if count)
    return f": {words}" if words else ""
