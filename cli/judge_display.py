"""The output of `storm judge`."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from storm_calm.agents.evaluation.intervals import Interval
from storm_calm.agents.judge.judged_results import CRITERIA, ENTITIES, POINTS, ExactResults, JudgedResults
from storm_calm.agents.judge.run_judge import JudgePlan
from storm_calm.cli.display import price_words
from storm_calm.cli.shares import percent, span

LABELS = {
    "exact_coverage": "exact coverage",
    "reasoning": "reasoning",
    "grounding": "grounding",
    "answer_quality": "answer quality",
    "hallucination_penalty": "minus hallucination",
}
"""The five dimensions of the score, in the order of the table."""
SHARES = {ENTITIES: "entities found", CRITERIA: "criteria met"}


def print_judged(results: JudgedResults, *, priced: bool) -> None:
    """Print the results. They fit into 60 columns. priced: whether prices are known."""
    console = Console(highlight=False)
    judged = f"{escape(results.judge_model)} judged {_count(results.judged, 'explanation')}"
    console.print(f"{judged} of {escape(results.reasoner)} on {_count(results.problems, 'problem')}\n")
    if not results.points:
        console.print("Nothing is judged yet.")
    else:
        console.print(_dimensions(results))
        console.print()
        console.print(_shares(results))
        console.print()
        console.print(_groups(results))
        console.print()
        console.print(f"Judge: {_cost(results, priced=priced)}", soft_wrap=True)
    for count, words in (
        (results.rubrics - results.problems, "of the rubrics have no judged sample"),
        (results.empty, "without an explanation; their score is 0"),
        (results.corrected, "judged only after the judge was asked again"),
        (results.infrastructure, "not judged because the sandbox failed"),
        (results.errors, "not judged because the judge failed"),
    ):
        if count:
            console.print(f"[yellow]{count} {words}[/yellow]")


def _dimensions(results: JudgedResults) -> Table:
    table = Table("points", box=None, pad_edge=False, header_style="dim")
    for heading in ("of", "mean", "95 % interval"):
        table.add_column(heading, justify="right")
    for name, label in LABELS.items():
        one = results.points[name]
        table.add_row(label, f"{POINTS[name]:g}", f"{one.mean:.1f}", _ends(one))
    score = results.points["score"]
    table.add_row("score", f"{POINTS['score']:g}", f"[bold]{score.mean:.1f}[/bold]", _ends(score))
    return table


def _shares(results: JudgedResults) -> Table:
    table = Table("checklist", box=None, pad_edge=False, header_style="dim")
    for heading in ("share", "95 %"):
        table.add_column(heading, justify="right")
    for name, one in results.shares.items():
        table.add_row(SHARES[name], percent(one.mean), span(one))
    return table


def _groups(results: JudgedResults) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("capability", overflow="fold")
    for heading in ("count", "score", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, group in results.by_dimension.items():
        table.add_row(escape(name), str(group.problems), f"{group.score.mean:.1f}", _ends(group.score))
    return table


def print_entities(found: ExactResults) -> None:
    """Print what needs no judge."""
    console = Console(highlight=False)
    console.print(f"{_count(found.samples, 'explanation')} on {_count(found.problems, 'problem')}, without a judge\n")
    table = Table("checklist", box=None, pad_edge=False, header_style="dim")
    for heading in ("share", "95 %"):
        table.add_column(heading, justify="right")
    for label, one in (("entities found", found.entities), ("all entities found", found.all_found)):
        if one is not None:
            table.add_row(label, percent(one.mean), span(one))
    console.print(table)
    for count, words in (
        (found.empty, "without an explanation"),
        (found.infrastructure, "left out because the sandbox failed"),
    ):
        if count:
            console.print(f"[yellow]{count} {words}[/yellow]")


def print_plan(plan: JudgePlan, *, priced: bool) -> None:
    """Print what judging sends."""
    console = Console(highlight=False)
    requests = plan.samples - plan.empty
    console.print(f"{_count(requests, 'explanation')} would be sent to the judge")
    table = Table.grid(padding=(0, 2))
    table.add_row("input", f"about {plan.input_tokens:,} tokens")
    table.add_row("replies", f"at most {plan.output_tokens:,} tokens")
    table.add_row("largest", f"{plan.largest_characters:,} characters in one request")
    if priced:
        table.add_row("price", f"at most about {price_words(plan.price)}, if each first reply is a judgment")
    console.print(table)
    for count, words in (
        (plan.empty, "without an explanation: their score is 0"),
        (plan.infrastructure, "left out because the sandbox failed"),
        (plan.other, "of other test sets, which need no judge"),
    ):
        if count:
            console.print(f"[yellow]{count} {words}[/yellow]")


def _cost(results: JudgedResults, *, priced: bool) -> str:
    cost = results.cost
    words = f"{_count(cost.calls, 'request')}, {cost.input_tokens:,} tokens in, {cost.output_tokens:,} out"
    return f"{words}, price {price_words(cost.price)}" if priced else words


def _ends(one: Interval) -> str:
    return f"{one.low:.0f}-{one.high:.0f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
