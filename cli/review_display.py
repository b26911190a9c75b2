"""The output of `storm review --results`."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from storm_calm.cli.shares import percent, span
from storm_calm.serving.review.cohen_kappa import RaterAgreement
from storm_calm.serving.review.review_results import RatingGroup, ReviewResults, YesRate

QUESTIONS = {
    "finding": "finding right",
    "trigger": "trigger right",
    "hint": "hint right",
    "lightweight": "lightweight",
    "leak": "leaks",
}
"""Short forms of the questions."""
LISTED = 10
"""Most rejected interventions that are listed; --json has all of them."""


def print_results(results: ReviewResults) -> None:
    """Print the results. They fit into 60 columns."""
    console = Console(highlight=False)
    counts = ", ".join(f"{name} {count}" for name, count in results.reviewers.items())
    console.print(
        f"{results.overall.reviewed} of {results.sample} interventions are reviewed, "
        f"of {results.drawn_from} in the run. By reviewer: {counts}.\n"
    )
    console.print(_overall(results.overall))
    for heading, groups in (("finder", results.by_finder), ("trigger", results.by_trigger)):
        console.print()
        console.print(_groups(heading, groups))
    if results.agreement:
        console.print()
        console.print(_agreements(results.agreement))
        console.print(
            "Cohen's kappa, with the share of equal answers below it. A dash: undefined, "
            "because they share no answers or always gave the same one.",
            style="dim",
        )
    console.print(
        f"\nRejected: {len(results.rejected)} of {results.overall.reviewed}; "
        "storm export --drop-rejected leaves out their trajectories."
    )
    for id in list(results.rejected)[:LISTED]:
        console.print(Text(f"  {id}: {results.rejected[id]}"))
    if len(results.rejected) > LISTED:
        console.print(f"  and {len(results.rejected) - LISTED} more; --json lists them all")


def _overall(group: RatingGroup) -> Table:
    table = Table("", box=None, pad_edge=False, header_style="dim")
    for heading in ("of", "yes", "95 %", "split", "can't say"):
        table.add_column(heading, justify="right")
    for question, rate in group.rates.items():
        table.add_row(QUESTIONS[question], str(rate.n), *_shares(rate), str(rate.split), str(rate.cannot_say))
    return table


def _groups(heading: str, groups: Mapping[str, RatingGroup]) -> Table:
    """Return a table of two rows per group: rates, and their intervals. It fits into 60 columns."""
    table = _columns(heading)
    for name, group in groups.items():
        shares = [_shares(rate) for rate in group.rates.values()]
        table.add_row(escape(name.replace("_", " ")), str(group.reviewed), *(yes for yes, _ in shares))
        table.add_row("", "", *(Text(ends, "dim") for _, ends in shares))
    return table


def _shares(rate: YesRate) -> tuple[str, str]:
    if rate.interval is None:
        return "-", "-"
    return percent(rate.interval.mean).replace(".0 %", " %"), span(rate.interval)


def _agreements(pairs: Mapping[tuple[str, str], Mapping[str, RaterAgreement]]) -> Table:
    """Return a table of two rows per pair of reviewers: kappa, and the raw agreement."""
    table = _columns("agreement")
    for pair, questions in pairs.items():
        every = questions.values()
        both = f"{max(one.n for one in every)}"
        table.add_row(" ".join(pair), both, *("-" if one.kappa is None else f"{one.kappa:.2f}" for one in every))
        table.add_row("", "", *(Text("-" if one.raw is None else f"{100 * one.raw:.0f} %", "dim") for one in every))
    return table


def _columns(heading: str) -> Table:
    """Return an empty table with a column per question, for 60 columns."""
    table = Table(heading, box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("of", justify="right")
    for question in QUESTIONS:
        table.add_column({"lightweight": "light", "leak": "leaks"}.get(question, question), justify="right")
    return table
