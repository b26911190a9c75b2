"""The command `storm`. Commands import their packages when they run, so that help is fast."""

from collections.abc import Callable
from typing import Annotated

import typer

from storm_calm.cli import (
    benchmarks,
    compare,
    curate,
    detectors,
    doctor,
    export,
    families,
    judge,
    mcp,
    merge,
    push,
    reproduce,
    review,
    sandbox,
    serve,
    solve,
    sweep,
    train,
    view,
)
from storm_calm.cli import eval as evaluation
from storm_calm.cli.errors import PlainErrorGroup

HELP = """Solve optimization problems stated in words: a model reasons, runs solver code and checks the result.

Three things to do first:

1. Solve a problem with the small model that comes with it:

storm solve '4 files of 20, 51, 30 and 24 GB must go into disks. Each of the disks holds at most 60 GB. None of
the files can be split. How few disks are enough?'

2. Open the page and the API at http://127.0.0.1:8000:

storm serve

3. Check what else is installed, and what is missing for what:

storm doctor"""
EXAMPLES = "Examples:\n\nstorm families --show knapsack | storm solve -\n\nstorm eval --families all --limit 20"

app = typer.Typer(
    name="storm",
    cls=PlainErrorGroup,
    help=HELP,
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_GROUPS: dict[str, dict[str, tuple[Callable[..., None], str]]] = {
    "Solve and serve": {
        "solve": (solve.solve, solve.EXAMPLES),
        "serve": (serve.serve, serve.EXAMPLES),
        "mcp": (mcp.mcp, mcp.EXAMPLES),
        "key": (serve.key, serve.KEY_EXAMPLES),
    },
    "Curate": {
        "curate": (curate.curate, curate.EXAMPLES),
        "merge": (merge.merge, merge.EXAMPLES),
        "view": (view.view, view.EXAMPLES),
        "review": (review.review, review.EXAMPLES),
        "export": (export.export, export.EXAMPLES),
        "push": (push.push, push.EXAMPLES),
        "families": (families.families, families.EXAMPLES),
        "detectors": (detectors.detectors, detectors.EXAMPLES),
    },
    "Evaluate": {
        "eval": (evaluation.evaluate, evaluation.EXAMPLES),
        "benchmarks": (benchmarks.benchmarks, benchmarks.EXAMPLES),
        "judge": (judge.judge, judge.EXAMPLES),
        "compare": (compare.compare, compare.EXAMPLES),
        "doctor": (doctor.doctor, doctor.EXAMPLES),
        "reproduce": (reproduce.reproduce, reproduce.EXAMPLES),
        "sweep": (sweep.run_studies, sweep.EXAMPLES),
    },
}
"""The commands by their heading in the help."""

for _heading, _commands in _GROUPS.items():
    for _name, (_command, _examples) in _commands.items():
        app.command(_name, epilog=_examples, rich_help_panel=_heading)(_command)
app.add_typer(train.app, rich_help_panel="Train")
app.add_typer(sandbox.app, rich_help_panel="Sandbox")


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
