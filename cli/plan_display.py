"""The plan behind an answer on the terminal: its check, its variables, and what explains it."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from storm_calm.agents.verdict import ExaminedSolve
from storm_calm.env.plans.explanation import (
    MAX_LINES,
    MAX_ROWS,
    binding_rows,
    check_text,
    conflict_texts,
    ray_text,
    relaxation_texts,
    worth_text,
)
from storm_calm.env.plans.plan import Plan
from storm_calm.env.plans.record import LinearModel, RecordedSolve
from storm_calm.env.plans.sensitivity import Sensitivity
from storm_calm.env.plans.words import number_text, row_text

_COLOURS = {"passed": "green", "failed": "red", "unknown": "yellow"}


def print_plan(examined: ExaminedSolve, console: Console | None = None) -> None:
    """Print the check, the plan and its explanation."""
    console = console or Console(highlight=False)
    solve, examination = examined.solve, examined.examination
    colour = _COLOURS[examination.check.outcome]
    console.print(f"[{colour}]{escape(check_text(solve, examination.check))}[/]", soft_wrap=True)
    if examination.plan is not None:
        _print_variables(examination.plan, console)
    if examination.sensitivity is not None:
        _print_binding(solve, examination.sensitivity, console)
    lines = [
        *(conflict_texts(examination.conflict) if examination.conflict else ()),
        *(relaxation_texts(examination.relaxation) if examination.relaxation else ()),
        *([ray_text(examination.ray)] if examination.ray else ()),
    ]
    if lines:
        console.print()
    for line in lines:
        console.print(escape(line), soft_wrap=True)


def _print_variables(plan: Plan, console: Console) -> None:
    used = plan.used
    table = Table(
        title="Plan", title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2, 0, 0)
    )
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for line in used[:MAX_LINES]:
        table.add_row(escape(line.name), number_text(line.value))
    console.print()
    console.print(table)
    rest = []
    if len(used) > MAX_LINES:
        rest.append(f"{len(used) - MAX_LINES} more, which --save writes")
    if zero := len(plan.lines) - len(used):
        rest.append(f"{zero} at 0")
    if rest:
        console.print(f"[dim]and {', '.join(rest)}[/]")


def _print_binding(solve: RecordedSolve, sensitivity: Sensitivity, console: Console) -> None:
    rows = binding_rows(sensitivity)
    if not rows or not isinstance(solve.model, LinearModel):
        return
    table = Table(title="At their limits", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("constraint", overflow="fold")
    table.add_column("worth", overflow="fold")
    for number, row in rows[:MAX_ROWS]:
        table.add_row(escape(row_text(solve, solve.model, number)), escape(worth_text(row, fixed=sensitivity.fixed)))
    console.print()
    console.print(table)
    if len(rows) > MAX_ROWS:
        console.print(f"[dim]and {len(rows) - MAX_ROWS} more[/]")
