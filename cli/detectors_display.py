"""The output of `storm detectors`: precision and recall, and the traces with a missed or wrong finding."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from storm_calm.agents.detectors.measure import Counts, Judged, Measurement
from storm_calm.agents.evaluation.intervals import Interval
from storm_calm.cli.curate_display import cost_words
from storm_calm.cli.shares import percent, span

LISTED = 50
"""Most traces that a list shows; --json has all of them."""


def print_measured(intervener: str, measured: Mapping[str, Measurement]) -> None:
    """Print the figures of each set of traces. They fit into 60 columns."""
    console = Console(highlight=False)
    for number, (name, one) in enumerate(measured.items()):
        if number:
            console.print()
        _print_set(console, intervener, name, one)


def _print_set(console: Console, intervener: str, name: str, measured: Measurement) -> None:
    flawed = len(measured.judged) - measured.clean
    heading = f"{intervener} on {len(measured.judged)} traces ({name}), {flawed} flawed, {measured.clean} clean"
    console.print(Text(f"{heading}\n"))
    rows = {**{trigger.replace("_", " "): one for trigger, one in measured.by_trigger.items()}, "all": measured.all}
    console.print(_shares(rows))
    console.print()
    console.print(_counts(rows))
    console.print()
    console.print(f"false alarms on clean traces: {len(measured.those('false'))} of {measured.clean}")
    if unjudged := sum(not one.usable for one in measured.judged):
        console.print(f"no usable verdict: {unjudged}")
    if measured.cost.calls or measured.cost.cached:
        console.print(cost_words(measured.cost))
    _list(console, "missed, no finding for these flaws:", measured.those("missed"))
    _list(console, "wrong, the finding names another flaw than the label:", measured.those("wrong"))
    _list(console, "wrong, a finding in a clean trace:", measured.those("false"))


def _shares(rows: Mapping[str, Counts]) -> Table:
    table = Table("trigger", box=None, pad_edge=False, header_style="dim")
    for heading in ("precision", "95 %", "recall", "95 %"):
        table.add_column(heading, justify="right", style="dim" if heading == "95 %" else "")
    for name, one in rows.items():
        table.add_row(name, *_cells(one.precision), *_cells(one.recall))
    return table


def _cells(share: Interval | None) -> tuple[str, str]:
    return ("-", "-") if share is None else (percent(share.mean), span(share))


def _counts(rows: Mapping[str, Counts]) -> Table:
    table = Table("trigger", box=None, pad_edge=False, header_style="dim")
    for heading in ("found", "located", "missed", "false"):
        table.add_column(heading, justify="right")
    for name, one in rows.items():
        table.add_row(name, str(one.found), str(one.located), str(one.missed), str(one.false))
    return table


def _list(console: Console, heading: str, judged: Sequence[Judged]) -> None:
    if not judged:
        return
    console.print(f"\n{heading}")
    for one in judged[:LISTED]:
        console.print(Padding(Text(_shown(one)), (0, 0, 0, 2)))
    if len(judged) > LISTED:
        console.print(f"  and {len(judged) - LISTED} more; --json has them all")


def _shown(one: Judged) -> str:
    label = "clean" if one.trigger is None else one.trigger.replace("_", " ")
    line = f"{one.id}: {label}"
    if one.why:
        line += f", {one.why}"
    if one.finding is not None:
        by = f" ({one.finding.rule})" if one.finding.rule else ""
        line += f" -> {one.finding.trigger.replace('_', ' ')}{by}: {one.finding.why or one.finding.evidence}"
    # Evidence quotes model text, which must not steer the terminal.
    return " ".join("".join(sign if sign.isprintable() else " " for sign in line).split())
