"""The results that `storm eval` prints at the end."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from storm_calm.agents.evaluation.behaviour import Behaviour
from storm_calm.agents.evaluation.budget import Budget
from storm_calm.agents.evaluation.results import Group, Reliance, Results
from storm_calm.agents.evaluation.seed_table import ALL
from storm_calm.cli.eval_table import caption, plan_words, replaces_groups, seed_table, shows_table
from storm_calm.cli.release_table import release_table, unmatched
from storm_calm.cli.shares import percent, span

GROUP_NAMES = {
    "by_benchmark": "test set",
    "by_family": "family",
    "by_difficulty": "difficulty",
    "by_group": "group",
    "by_variant": "variant",
}
"""The column heading of each grouping."""

WITH_INTERVALS = 2
"""Most rules for which a group table also has intervals; more columns do not fit into 60 characters."""


def runs_at(problems: int, samples: int, seeds: int = 1) -> str:
    """Return the amount of work as words, such as "20 problems, 4 trajectories each, 3 seeds"."""
    one = "1 problem" if problems == 1 else f"{problems} problems"
    each = "" if samples == 1 else f", {samples} trajectories each"
    return f"{one}{each}" if seeds == 1 else f"{one}{each}, {seeds} seeds"


def print_results(results: Results) -> None:
    """Print the results. They fit into 60 columns."""
    console = Console(highlight=False)
    temperature = "" if results.temperature is None else f", temperature {results.temperature:g}"
    amount = runs_at(results.problems, results.samples, results.seeds)
    console.print(f"{escape(results.reasoner)} on {amount}{temperature}\n")
    if not results.scored and not results.needs_judge:
        console.print("Nothing is scored yet.")
    if results.scored:
        console.print(_overall(results))
        if shows_table(results):
            rule = next(iter(results.rules))
            console.print(f"\n[dim]{caption(results, rule)}[/dim]")
            console.print(seed_table(results, rule, _heading(results, results.sets)))
        for grouping, groups in results.groups.items():
            if grouping != results.sets or not replaces_groups(results):
                console.print()
                console.print(_groups(_heading(results, grouping), groups))
        for name, scores in results.by_release.items():
            console.print()
            console.print(release_table(name, scores))
            for sentence in unmatched(scores):
                console.print(f"[dim]{escape(sentence)}[/dim]")
        if results.by_report:
            console.print()
            console.print(_by_report(results.by_report))
        if results.by_verdict:
            console.print()
            console.print(_groups("verdict", results.by_verdict))
        console.print()
    if results.scored or results.needs_judge:
        console.print(_behaviour(results))
    for count, words in (
        (results.unread_labels, "left out because their label cannot be read"),
        (results.needs_judge, "not scored: their answers are texts for a judge, see storm judge --help"),
        (results.infrastructure, "not scored because the sandbox failed"),
        (results.checker_failures, "not scored because the checker of the problem failed"),
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


def _heading(results: Results, grouping: str) -> str:
    # A stress problem has its kind as family.
    return "kind" if grouping == "by_family" and results.by_report else GROUP_NAMES.get(grouping, "")


def _behaviour(results: Results) -> Table:
    figures: Behaviour = results.behaviour
    table = Table.grid(padding=(0, 2))
    if results.plans:
        table.add_row("plans", plan_words(results.plans[ALL]))
    table.add_row("programs", f"{figures.code_blocks:.2f} written and {figures.executions:.2f} executed per trajectory")
    table.add_row("programs ended", _listed(figures.execution_status))
    table.add_row("solver status", _listed(figures.solver_status))
    table.add_row(
        "tokens", f"{figures.model_tokens:,.0f} by the model, {figures.tool_tokens:,.0f} of output per trajectory"
    )
    table.add_row("budget", _budget(results.budget))
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


def _budget(budget: Budget) -> str:
    tokens = "the model's context" if budget.max_tokens is None else f"{budget.max_tokens:,} tokens"
    programs, written = budget.executions, budget.model_tokens
    return (
        f"{budget.max_executions} programs, {tokens}; used: {programs.median:g} programs and {written.median:,.0f} "
        f"tokens (median), {programs.p90:g} and {written.p90:,.0f} (90th percentile); "
        f"exhausted in {percent(budget.exhausted)}"
    )


def _listed(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found.items()) or "none"
