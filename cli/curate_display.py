"""The summary that `storm curate` prints at the end."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from storm_calm.agents.curation.summary import Summary
from storm_calm.agents.interveners import Cost
from storm_calm.cli.display import price_words


def print_summary(summary: Summary) -> None:
    """Print the summary. It fits into 60 columns."""
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
    if summary.rejected_hints:
        facts.add_row("rejected hints", f"{sum(summary.rejected_hints.values())}{_listed(summary.rejected_hints)}")
    facts.add_row("discarded", f"{sum(summary.discarded.values())}{_listed(summary.discarded)}")
    mean, most = summary.hint_token_share_mean, summary.hint_token_share_max
    facts.add_row("hint tokens", f"{mean:.1%} of a golden trajectory on average, {most:.1%} at most")
    facts.add_row("programs run", f"{summary.executions} at isolation level {summary.isolation or 'none'}")
    facts.add_row("tokens", f"{summary.tokens:,} in {summary.seconds:,.0f} s")
    if summary.cost.calls or summary.cost.cached:
        facts.add_row("intervener", f"{escape(summary.intervener)}: {cost_words(summary.cost)}")
    for warning in summary.warnings:
        facts.add_row("warning", escape(warning))
    if summary.errors:
        facts.add_row("errors", f"{summary.errors} problems not done")
    console.print(facts)


def cost_words(cost: Cost) -> str:
    """Return the intervener's usage as one line."""
    words = f"{cost.calls:,} requests, {cost.cached:,} cached, {cost.input_tokens:,} tokens in, "
    words += f"{cost.output_tokens:,} out, {cost.seconds:,.0f} s"
    return f"{words}, price {price_words(cost.price)}" if cost.price else words


def _part(count: int, summary: Summary) -> str:
    return f"{count} ({count / summary.problems:.0%})" if summary.problems else "0"


def _listed(counts: dict[str, int]) -> str:
    words = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items() if count)
    return f": {words}" if words else ""
