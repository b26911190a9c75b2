"""`storm doctor`: find what went wrong in a training from its run folders."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storm_calm.cli.errors import report_errors
from storm_calm.cli.options import AsJson, argument, option
from storm_calm.env.serialize import to_json

if TYPE_CHECKING:
    from storm_calm.rl.doctor import Diagnosis

EXAMPLES = "Examples:\n\nstorm doctor runs/first\n\nstorm doctor runs/eval-sft --baseline runs/eval-base"
STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "not measured": "dim"}


def doctor(
    run: Annotated[Path, argument("RUN", "Folder of a curation, an evaluation or GRPO, or a folder of several.")],
    baseline: Annotated[Path | None, option("RUN", "Evaluation before training, to compare with.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check run folders for known signs of a failed training.

    Exit code 1: a check found a problem. 0: none did.
    """
    with report_errors():
        from storm_calm.rl.doctor import examine

        verdicts = examine(run, baseline)
    counts = Counter(verdict.state for verdict in verdicts)
    if as_json:
        facts = {"run": str(run), "problems": counts["problem"], "verdicts": [to_json(one) for one in verdicts]}
        typer.echo(json.dumps(facts, indent=2))
    else:
        _print(verdicts)
    if counts["problem"]:
        raise typer.Exit(1)


def _print(verdicts: Sequence[Diagnosis]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("run")
    table.add_column("figure")
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
        points = Table.grid(padding=(0, 1))
        for heading, text in (("limits", one.threshold), ("likely", one.cause), ("try", one.remedy)):
            points.add_row(Text(heading, "dim"), Text(text))
        console.print(Padding(points, (0, 0, 0, 2)))
