"""The command `storm`. Its commands import what they need when they run, so that help comes at once."""

from __future__ import annotations

from typing import Annotated

import typer

from storm_calm.cli import (
    compare,
    curate,
    detectors,
    doctor,
    export,
    families,
    reproduce,
    review,
    sandbox,
    serve,
    solve,
    view,
)
from storm_calm.cli import eval as evaluation

app = typer.Typer(
    name="storm",
    help="Turn word problems into golden trajectories, and solve them with a model that reasons, codes and checks.",
    epilog="Examples:\n\nstorm curate --families all --limit 20\n\n"
    "storm solve 'A workshop has 40 hours. A chair takes 2 and earns 5. What is the largest profit?'",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("curate", epilog=curate.EXAMPLES)(curate.curate)
app.command("view", epilog=view.EXAMPLES)(view.view)
app.command("review", epilog=review.EXAMPLES)(review.review)
app.command("detectors", epilog=detectors.EXAMPLES)(detectors.detectors)
app.command("solve", epilog=solve.EXAMPLES)(solve.solve)
app.command("eval", epilog=evaluation.EXAMPLES)(evaluation.evaluate)
app.command("compare", epilog=compare.EXAMPLES)(compare.compare)
app.command("export", epilog=export.EXAMPLES)(export.export)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("reproduce", epilog=reproduce.EXAMPLES)(reproduce.reproduce)
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("key", epilog=serve.KEY_EXAMPLES)(serve.key)
app.command("families", epilog=families.EXAMPLES)(families.families)
app.add_typer(sandbox.app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"storm {version('storm-calm')}")
        raise typer.Exit


@app.callback()
def _storm(
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None: ...
