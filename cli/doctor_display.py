"""The output of `storm doctor`: a table of checks, then what to do about those that found something."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from storm_calm.agents.endpoint_check import EndpointReport
    from storm_calm.cli.installation import InstallationCheck
    from storm_calm.rl.doctor import Diagnosis

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "not measured": "dim", "missing": "dim"}


def print_installation(checks: Sequence[InstallationCheck]) -> None:
    """Print the results for the installation, then what to do about faults and how to add what is missing."""
    from rich.text import Text

    console, table = _table("check", "found")
    for check in checks:
        style = "dim" if check.state == "missing" else ""
        table.add_row(Text(check.state, STYLES[check.state]), Text(check.name, style), Text(check.figure, style))
    console.print(table)
    for check in checks:
        if check.advice and check.state != "missing":
            console.print()
            console.print(Text.assemble((check.state, STYLES[check.state]), f" {check.name}: {check.figure}"))
            _points(console, (("try", check.advice),))
    optional = [("add", check.advice) for check in checks if check.advice and check.state == "missing"]
    if optional:
        console.print("\nMissing, and only needed for some commands:")
        _points(console, optional)
    if not any(check.state == "problem" for check in checks):
        console.print("\nReady: try `storm solve` with a problem, and `storm --help`.")


def print_diagnoses(verdicts: Sequence[Diagnosis]) -> None:
    """Print the results for run folders."""
    from rich.text import Text

    console, table = _table("check", "run", "figure")
    for one in verdicts:
        style = "dim" if one.state == "not measured" else ""
        words = (Text(one.check, style), Text(one.run, style), Text(one.figure, style))
        table.add_row(Text(one.state, STYLES[one.state]), *words)
    console.print(table)
    for one in verdicts:
        if not one.cause:
            continue
        console.print()
        console.print(Text.assemble((one.state, STYLES[one.state]), f" {one.check}, {one.run}: {one.figure}"))
        _points(console, (("limits", one.threshold), ("likely", one.cause), ("try", one.remedy)))


def print_report(report: EndpointReport) -> None:
    """Print the results for a model server: checks, advice, traps, and the command to use."""
    from rich.text import Text

    console, table = _table("check", "found")
    for check in report.checks:
        style = "dim" if check.state == "not measured" else ""
        table.add_row(Text(check.state, STYLES[check.state]), Text(check.name, style), Text(check.figure, style))
    console.print(table)
    for check in report.checks:
        if check.advice:
            console.print()
            console.print(Text.assemble((check.state, STYLES[check.state]), f" {check.name}: {check.figure}"))
            _points(console, (("try", check.advice),))
    for trap in report.capabilities.traps if report.capabilities else ():
        console.print()
        console.print(Text.assemble(("trap", "yellow"), f" {trap.problem}"))
        _points(console, (("avoid", trap.fix),))
    console.print()
    if report.command:
        console.print(Text(f"Usable, checked in {report.seconds:.0f} s. Curate your problems with:"))
        # Not wrapped, so that it can be copied.
        console.print(Text(report.command, "bold"), soft_wrap=True)
    else:
        console.print(Text("Not usable as it is: see the problem above."))


@contextmanager
def checking(url: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal which checks have ended. Yields the callback for a check's name."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda name: None
        return
    with console.status(f"checking {url}") as status:
        yield lambda name: status.update(f"checking {url}: {name} done")


def _table(*columns: str) -> tuple[Console, Table]:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column)
    return Console(highlight=False), table


def _points(console: Console, points: Sequence[tuple[str, str]]) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for heading, text in points:
        table.add_row(Text(heading, "dim"), Text(text))
    console.print(Padding(table, (0, 0, 0, 2)))
