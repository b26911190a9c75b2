"""The output of `storm compare`: a table with one column per run."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from storm_calm.agents.evaluation.compare_runs import Comparison
from storm_calm.agents.evaluation.intervals import Interval
from storm_calm.agents.evaluation.results import GROUPINGS
from storm_calm.agents.evaluation.seed_table import ALL
from storm_calm.cli.eval_display import GROUP_NAMES
from storm_calm.cli.shares import gap_percent, percent, span, spread

BEHAVIOUR: dict[str, tuple[str, Callable[[float], str]]] = {
    "code_blocks": ("programs per trajectory", "{:.2f}".format),
    "executions": ("of them executed", "{:.2f}".format),
    "model_tokens": ("tokens per trajectory", "{:,.0f}".format),
    "backed_by_report": ("backed numbers", percent),
    "flawed": ("flawed", percent),
    "class_1": ("first flaw class 1", percent),
    "class_2": ("first flaw class 2", percent),
}
"""Behaviour figures by their name in results.json: label and number format."""

BUDGET: dict[str, Callable[[dict[str, Any]], str]] = {
    "programs, 90 % at most": lambda budget: f"{budget['executions']['p90']:g} of {budget['max_executions']}",
    "tokens, 90 % at most": lambda budget: f"{budget['model_tokens']['p90']:,.0f}",
    "budget exhausted": lambda budget: percent(budget["exhausted"]),
}
"""Figures of `agents.evaluation.budget` by their label."""

PLANS = {
    "feasible": "plans feasible",
    "within_tolerance": "within tolerance",
    "mean_gap": "mean gap",
    "median_gap": "median gap",
}
"""Labels of the figures of `agents.evaluation.plans` by their name in results.json."""


def print_comparison(comparison: Comparison) -> None:
    console = Console(highlight=False)
    runs = comparison.runs
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for run in runs:
        table.add_column(escape(run.name), justify="right", overflow="fold")
    table.add_row("reasoner", *(escape(str(run.results["reasoner"])) for run in runs))
    table.add_row("problems", *(_problems(run.results) for run in runs), end_section=True)
    for rule in comparison.rules:
        for name in dict.fromkeys(name for run in runs for name in run.results["rules"][rule]):
            table.add_row(f"{rule} {name}", *(_cell(run.results["rules"][rule].get(name)) for run in runs))
        if any(run.results.get("seeds", 1) > 1 for run in runs):
            table.add_row("[dim]mean over seeds[/dim]", *(_over_seeds(run.results, rule) for run in runs))
        gains = (f"{_signed(one.rules[rule])}" for one in comparison.differences)
        table.add_row("[dim]to the first[/dim]", "", *gains)
    for grouping in GROUPINGS:
        names = dict.fromkeys(name for run in runs for name in run.results.get(grouping, {}))
        if names:
            table.add_row("")
            rule = comparison.rules[0]
            table.add_row(f"[dim]{GROUP_NAMES[grouping]} ({rule})[/dim]")
            for name in names:
                groups = (run.results.get(grouping, {}).get(name, {}) for run in runs)
                table.add_row(escape(name), *(_cell(group.get(rule)) for group in groups))
    if any("plans" in run.results for run in runs):
        table.add_row("")
        for key, label in PLANS.items():
            table.add_row(label, *(_plan_cell(run.results, key) for run in runs))
    table.add_row("")
    for key, (label, formatted) in BEHAVIOUR.items():
        table.add_row(label, *(formatted(run.results["behaviour"][key]) for run in runs))
    if any("budget" in run.results for run in runs):
        for label, text in BUDGET.items():
            table.add_row(label, *(_budget_cell(run.results, text) for run in runs))
    console.print(table)
    console.print()
    for run, difference in zip(runs[1:], comparison.differences, strict=True):
        most = max(runs[0].results["problems"], run.results["problems"])
        console.print(
            f"{escape(run.name)} and {escape(runs[0].name)} share {difference.problems} of {most} problems; "
            "the difference is computed on those, with a paired 95 % interval."
        )


def _problems(results: dict[str, Any]) -> str:
    samples, seeds = results["samples"], results.get("seeds", 1)
    words = str(results["problems"]) if samples == 1 else f"{results['problems']} x {samples}"
    return words if seeds == 1 else _whole(f"{words}, {seeds} seeds")


def _over_seeds(results: dict[str, Any], rule: str) -> str:
    row = results.get("table", {}).get(rule, {}).get(ALL)
    return "-" if row is None or row["deviation"] is None else _whole(f"{spread(row['accuracy'], row['deviation'])} %")


def _plan_cell(results: dict[str, Any], key: str) -> str:
    figure = results.get("plans", {}).get(ALL, {}).get(key)
    if figure is None or isinstance(figure, dict):
        return _cell(figure)
    return _whole(f"{gap_percent(figure)} %")


def _budget_cell(results: dict[str, Any], text: Callable[[dict[str, Any]], str]) -> str:
    return text(results["budget"]) if "budget" in results else "-"


def _cell(figure: dict[str, float] | None) -> str:
    if figure is None:
        return "-"
    one = Interval(**figure)
    return f"{_whole(percent(one.mean))} [dim]({span(one)})[/dim]"


def _signed(one: Interval) -> str:
    mean, low, high = (100 * value for value in (one.mean, one.low, one.high))
    return f"{mean:+.1f} [dim]({_whole(f'{low:+.0f} to {high:+.0f}')})[/dim]"


def _whole(text: str) -> str:
    """Return `text` with non-breaking spaces."""
    return text.replace(" ", "\u00a0")
