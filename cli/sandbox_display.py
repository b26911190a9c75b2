"""The output of `storm sandbox`: facts, progress and outcomes of the check, and one execution."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rich.columns import Columns
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from storm_calm.sandbox import Execution, Limits, Sandbox, SolverReport
    from storm_calm.sandbox.selfcheck import CaseOutcome

_HARMLESS = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)] if chr(code) not in "\n\t"}
"""Escapes for control characters, so that program output cannot steer the terminal."""


def print_facts(sandbox: Sandbox, found: Mapping[str, str | None], solvers: Sequence[str]) -> None:
    console = Console(highlight=False)
    console.print(Text.assemble(f"Sandbox {sandbox.backend}: isolation level ", (sandbox.isolation, "bold")))
    for reason in sandbox.missing:
        console.print(_point(reason))
    limits = sandbox.limits
    programs = "1 program" if sandbox.workers == 1 else f"{sandbox.workers} programs"
    console.print(
        f"{programs} at once; each has {limits.seconds:g} s, {limits.memory_mb} MiB of memory, {limits.file_mb} MiB of "
        f"files, {limits.processes} processes and {limits.output_bytes >> 10} KiB of output."
    )
    if sandbox.resource_control:
        console.print(Text(f"Limited by: {sandbox.resource_control}"))
    console.print()
    console.print("[dim]Inside[/dim]")
    names = [
        Text.assemble(name, " ", (version or "-", "green" if version else "dim")) for name, version in found.items()
    ]
    console.print(Columns(names, equal=True, column_first=True, padding=(0, 3)))
    if solvers:
        console.print(Text(f"cvxpy has {', '.join(solvers)}"))
    console.print()


def print_libraries(found: Mapping[str, str], requested: Sequence[str]) -> None:
    console = Console(highlight=False)
    names = [Text.assemble("* " if name in requested else "  ", name, " ", (found[name], "green")) for name in found]
    console.print(Columns(names, equal=True, column_first=True, padding=(0, 3)))
    missing = sorted(set(requested) - set(found))
    if missing:
        console.print(Text(f"\nnot installed: {', '.join(missing)}", "dim"))


@contextmanager
def counted() -> Iterator[Callable[[CaseOutcome], CaseOutcome]]:
    """Yield a function that counts outcomes; on a terminal it draws a progress bar on standard error."""
    from storm_calm.sandbox.selfcheck import CASES

    columns = (TextColumn("{task.completed}/{task.total}"), BarColumn(), TextColumn("{task.description}", markup=False))
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(), expand=True
    ) as progress:
        task = progress.add_task("", total=len(CASES) + 3)

        def count(outcome: CaseOutcome) -> CaseOutcome:
            progress.update(task, advance=1, description=f"{outcome.theme}: {outcome.name}")
            return outcome

        yield count


def print_outcomes(outcomes: Sequence[CaseOutcome], seconds: float) -> None:
    from storm_calm.sandbox.selfcheck.case import Theme

    console = Console(highlight=False)
    table = Table("theme", box=None, pad_edge=False, header_style="dim")
    for heading in ("held", "broken", "skipped", "longest"):
        table.add_column(heading, justify="right")
    for theme in sorted({outcome.theme for outcome in outcomes}, key=get_args(Theme).index):
        mine = [outcome for outcome in outcomes if outcome.theme == theme]
        held, broken, skipped = (_count(mine, state) for state in ("held", "broken", "skipped"))
        style = "bold red" if broken != "-" else ""
        table.add_row(theme, held, Text(broken, style), skipped, f"{max(outcome.seconds for outcome in mine):.1f} s")
    console.print(table)
    console.print()
    for outcome in outcomes:
        if outcome.state == "broken":
            console.print(_point(f"{outcome.theme}: {outcome.name}: {outcome.reason}", "red"))
    if any(outcome.inside_only for outcome in outcomes):
        console.print("Programs ran on another machine, so their effects were checked from inside the sandbox only.")
    for outcome in outcomes:
        if outcome.state == "held" and outcome.reason:
            console.print(_point(f"{outcome.theme}: {outcome.name}: held when run alone; {outcome.reason}", "yellow"))
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.state == "skipped")
    for reason, count in reasons.items():
        console.print(Text(f"{count} skipped: {reason}", "dim"))
    broken_ones = sum(outcome.state == "broken" for outcome in outcomes)
    tried = sum(outcome.state != "skipped" for outcome in outcomes)
    verdict = (
        Text(f"{broken_ones} of {tried} broken", "bold red") if broken_ones else Text(f"All {tried} held", "bold green")
    )
    console.print(Text.assemble(verdict, f", in {seconds:.0f} s."))


def print_execution(execution: Execution, limits: Limits, out: Path | None) -> None:
    console = Console(highlight=False)
    style = "bold green" if execution.status == "ok" else "bold red"
    console.print(
        Text.assemble(
            (execution.status, style),
            f"{_ended(execution, limits)} · {execution.wall_seconds:.2f} s, {execution.cpu_seconds:.2f} s CPU"
            f" · {_memory(execution.peak_memory_mb)} · {execution.backend}, isolation {execution.isolation}",
        )
    )
    for name, text in (("output", execution.stdout), ("errors", execution.stderr)):
        if text:
            console.print(Text(f"\n{name}", "dim"))
            console.print(Text(text.removesuffix("\n").translate(_HARMLESS)), soft_wrap=True)
    if execution.truncated:
        console.print(Text(f"(cut: more than {limits.output_bytes >> 10} KiB)", "dim"))
    if execution.reports:
        console.print()
        console.print(_reports(execution.reports))
    if out is not None and execution.files:
        console.print()
        for name, content in execution.files.items():
            console.print(Text(f"{out / name}: {len(content):,} bytes"), soft_wrap=True)


def _ended(execution: Execution, limits: Limits) -> str:
    if execution.status == "timeout":
        return f" after {limits.seconds:g} s"
    if execution.status == "memory_limit":
        return f" of {limits.memory_mb} MiB"
    if execution.status == "output_limit":
        return f" of {limits.output_bytes >> 10} KiB"
    if execution.status == "killed":
        return f": {execution.reason}"
    return f" · signal {execution.signal}" if execution.exit_code is None else f" · exit code {execution.exit_code}"


def _reports(reports: Sequence[SolverReport]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("solve", min_width=21)
    table.add_column("status", no_wrap=True)
    for heading in ("objective", "gap", "variables", "constraints", "seconds"):
        wraps = heading == "variables"
        table.add_column(heading, justify="right", no_wrap=not wraps, max_width=12 if wraps else None)
    for report in reports:
        kinds = ((report.continuous, ""), (report.integer, " int"), (report.binary, " bin"))
        table.add_row(
            " ".join(name for name in (report.library, report.solver) if name),
            Text(report.status, "green" if report.status == "optimal" else "yellow"),
            "-" if report.objective is None else f"{report.objective:.10g}",
            "-" if report.gap is None else f"{report.gap:.2g}",
            " + ".join(f"{count}{kind}" for count, kind in kinds if count) or "0",
            str(report.constraints),
            f"{report.seconds:.3f}",
        )
    return table


def _count(outcomes: Sequence[CaseOutcome], state: str) -> str:
    return str(sum(outcome.state == state for outcome in outcomes) or "-")


def _point(text: str, style: str = "") -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row("-", Text(text.translate(_HARMLESS), style))
    return grid


def _memory(mebibytes: float) -> str:
    return f"{mebibytes:.0f} MiB" if mebibytes >= 1 else "under 1 MiB"
