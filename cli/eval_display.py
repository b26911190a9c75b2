"""The results that `storm eval` prints at the end."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from storm_calm.agents.evaluation.behaviour import Behaviour
from storm_calm.agents.evaluation.intervals import Interval
from storm_calm.agents.evaluation.results import Group, Reliance, Results

GROUP_NAMES = {"by_benchmark": "test set", "by_family": "family", "by_difficulty": "difficulty", "by_group": "group"}
"""The column heading of each grouping."""

WITH_INTERVALS = 2
"""Most rules for which a group table also has intervals; more columns do not fit into 60 characters."""


def runs_at(problems: int, samples: int) -> str:
    """Return the amount of work as words, such as "20 problems, 4 trajectories each"."""
    one = "1 problem" if problems == 1 else f"{problems} problems"
    return one if samples == 1 else f"{one}, {samples} trajectories each"


def percent(share: float) -> str:
    """Format a share in [0, 1], as in 59.7 %."""
    return f"{100 * share:.1f} %"


def span(interval: Interval) -> str:
    """Format the ends of an interval of shares, as in 51-69."""
    return f"{100 * interval.low:.0f}-{100 * interval.high:.0f}"


def print_results(results: Results) -> None:
    """Print the results. They fit into 60 columns."""
    console = Console(highlight=False)
    temperature = "" if results.temperature is None else f", temperature {results.temperature:g}"
    console.print(f"{escape(results.reasoner)} on {runs_at(results.problems, results.samples)}{temperature}\n")
    if not results.scored:
        console.print("Nothing is scored yet.")
    else:
        console.print(_overall(results))
        for grouping, groups in results.groups.items():
            console.print()
            # A stress problem has its kind as family.
            heading = "kind" if grouping == "by_family" and results.by_report else GROUP_NAMES[grouping]
            console.print(_groups(heading, groups))
        if results.by_report:
            console.print()
            console.print(_by_report(results.by_report))
        if results.by_verdict:
            console.print()
            console.print(_groups("verdict", results.by_verdict))
        console.print()
        console.print(_behaviour(results.behaviour))
    for count, words in (
        (results.unread_labels, "left out because their label cannot be read"),
        (results.infrastructure, "not scored because the sandbox failed"),
        (results.errors, "not done because the reasoner failed"),
    ):
        if count:
            console.print(f"[yellow]{count} {words}[/yellow]")


def _overall(results: Results) -> Table:
    table = Table("rule", "figure", box=None, pad_edge=False, header_style="dim")
    table.add_column("right", justify="right")
    table.add_column("95 % interval", justify="right")
    for rule, figures in results.rules.items():
        for name, one in figures.items():
            table.add_row(rule, name, f"[bold]{percent(one.mean)}[/bold]", span(one))
    return table


def _groups(heading: str, groups: Mapping[str, Group]) -> Table:
    rules = list(next(iter(groups.values())).rules)
    table = Table(heading, box=None, pad_edge=False, header_style="dim")
    table.add_column("count", justify="right")
    for rule in rules:
        table.add_column(rule, justify="right")
        if len(rules) <= WITH_INTERVALS:
            table.add_column("95 %", justify="right", style="dim")
    for name, group in groups.items():
        cells: list[str] = []
        for one in group.rules.values():
            cells.append(percent(one.mean))
            if len(rules) <= WITH_INTERVALS:
                cells.append(span(one))
        table.add_row(escape(name), str(group.problems), *cells)
    return table


def _by_report(parts: Mapping[str, Reliance]) -> Table:
    # One space between columns, to fit into 60 characters.
    table = Table("right answers", box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for heading in ("with a report", "without", "none"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, part in parts.items():
        unanswered = str(part.unanswered) if part.unanswered else "-"
        table.add_row(escape(name), _counted(part.with_report), _counted(part.without_report), unanswered)
    return table


def _counted(group: Group | None) -> str:
    """Format the number of problems, the share of right answers and its interval, as in "12  25 %   9-53"."""
    if group is None:
        return "-"
    one = next(iter(group.rules.values()))
    return f"{group.problems} {100 * one.mean:3.0f} % [dim]{span(one):>6}[/dim]"


def _behaviour(figures: Behaviour) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("programs", f"{figures.code_blocks:.2f} written and {figures.executions:.2f} executed per trajectory")
    table.add_row("programs ended", _listed(figures.execution_status))
    table.add_row("solver status", _listed(figures.solver_status))
    table.add_row(
        "tokens", f"{figures.model_tokens:,.0f} by the model, {figures.tool_tokens:,.0f} of output per trajectory"
    )
    table.add_row("backed", f"{percent(figures.backed_by_report)} of numeric answers are supported by a solver report")
    table.add_row("stop reason", ", ".join(f"{name} {percent(share)}" for name, share in figures.stops.items()))
    first = {name: share for name, share in figures.first_finding.items() if share}
    table.add_row(
        "flawed",
        f"{percent(figures.flawed)} of trajectories; first flaw of class 1 in {percent(figures.class_1)}, "
        f"of class 2 in {percent(figures.class_2)}",
    )
    if first:
        table.add_row(
            "first flaw", ", ".join(f"{name.replace('_', ' ')} {percent(share)}" for name, share in first.items())
        )
    seconds = figures.seconds
    table.add_row(
        "seconds",
        f"{seconds.wall:,.0f} in total; trajectories waited {seconds.generation:,.0f} for the model and "
        f"{seconds.execution:,.0f} for programs",
    )
    return table


def _listed(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found.items()) or "none"
