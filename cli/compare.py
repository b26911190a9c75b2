"""`storm compare`: evaluations side by side, as a table and, if wanted, two pictures."""

from pathlib import Path
from typing import Annotated

import typer

from storm_calm.cli.errors import report_errors, warn
from storm_calm.cli.new_folder import check_new_folder
from storm_calm.cli.options import argument, option

EXAMPLES = (
    "Examples:\n\nstorm compare runs/base runs/tuned\n\nstorm compare runs/base runs/tuned runs/best --out pictures"
)


def compare(
    runs: Annotated[list[Path], argument("RUN", "Run folders of storm eval, at least two.")],
    out: Annotated[Path | None, option("DIR", "New folder for two pictures. Default: none.")] = None,
) -> None:
    """Compare evaluations: right answers, differences to the first run, and how the models behaved."""
    with report_errors():
        from storm_calm.agents.evaluation.compare_runs import compare
        from storm_calm.agents.evaluation.plots import draw
        from storm_calm.cli.compare_display import print_comparison

        check_new_folder(out)
        found = compare(runs)
        print_comparison(found)
        if out is None:
            return
        try:
            pictures = draw(found, out)
        except (ImportError, ValueError) as error:  # matplotlib is broken, or the environment sets it wrongly.
            warn(f"{out}: no pictures: {error}. Repair matplotlib: pip install --force-reinstall matplotlib")
        else:
            typer.echo(f"\n{out}: {' and '.join(picture.name for picture in pictures)}")
