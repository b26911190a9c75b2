"""`storm compare`: evaluations side by side, as a table and two pictures."""

from pathlib import Path
from typing import Annotated

import typer

from storm_calm.cli.errors import report_errors
from storm_calm.cli.options import argument, option

EXAMPLES = (
    "Examples:\n\nstorm compare runs/base runs/tuned\n\nstorm compare runs/base runs/tuned runs/best --out pictures"
)


def compare(
    runs: Annotated[list[Path], argument("RUN", "Run folders of storm eval, at least two.")],
    out: Annotated[Path | None, option("DIR", "Folder for pictures. Default: compare/ beside the first run.")] = None,
) -> None:
    """Compare evaluations: right answers, differences to the first run, and how the models behaved."""
    with report_errors():
        from storm_calm.agents.evaluation.compare_runs import compare
        from storm_calm.agents.evaluation.plots import draw
        from storm_calm.cli.compare_display import print_comparison

        found = compare(runs)
        print_comparison(found)
        pictures = draw(found, out or runs[0].resolve().parent / "compare")
        typer.echo(f"\n{pictures[0].parent}: {' and '.join(picture.name for picture in pictures)}")
