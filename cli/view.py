"""`storm view`: show a run folder as a web page, in one file or live from a local server."""

from pathlib import Path
from typing import Annotated

import typer

from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import argument, flag, option

EXAMPLES = "Examples:\n\nstorm view runs/first\n\nstorm view runs/base --compare runs/tuned"
PORT = 8765


def view(
    run: Annotated[Path, argument("RUN", "Run folder of storm curate, storm eval or storm train grpo.")],
    out: Annotated[
        Path | None, option("FILE", "Output file; an earlier report is replaced. Default: RUN/report.html.")
    ] = None,
    compare: Annotated[
        Path | None, option("RUN", "A second run on the same problems: the page shows which problems flipped.")
    ] = None,
    serve: Annotated[bool, flag("--serve", "Serve the page on this machine and update it during the run.")] = False,
    port: Annotated[
        int | None, option("N", f"With --serve: port; 0 for a free one. Default: {PORT}.", min=0, max=65535)
    ] = None,
) -> None:
    """Show a run folder as a web page: results, and every trajectory with its hints, programs and solver reports."""
    with report_errors():
        if serve and out is not None:
            raise ValueError("--serve writes no file; give either --serve or --out")
        if serve and compare is not None:
            raise ValueError("--serve shows one run; give either --serve or --compare")
        if port is not None and not serve:
            raise ValueError("--port needs --serve")
        try:
            if serve:
                _serve(run, PORT if port is None else port)
            else:
                _write(run, out, compare)
        except KeyboardInterrupt:
            # Ctrl-C is the normal end of a server.
            if not serve:
                fail("stopped; nothing was written", code=130)


def _write(run: Path, out: Path | None, compare: Path | None) -> None:
    from storm_calm.serving.report import open_run, write_report

    opened = open_run(run)
    other = None if compare is None else open_run(compare)
    place = run / "report.html" if out is None else out
    replaced = ". It replaces the earlier report" if place.exists() else ""
    report = write_report(opened, place, other=other)
    what = {"curation": "problem", "evaluation": "sample", "training": "rollout"}[opened.kind]
    typer.echo(
        f"{report.path}: {report.total:,} {what}{'s' if report.total != 1 else ''}, {_size(report.size)}; "
        f"open it in a browser{replaced}"
    )
    if report.entries < report.total:
        typer.echo(
            f"The page has the figures of all, and {report.entries:,} of the trajectories: the first ones of each "
            "outcome. --serve shows all."
        )
    if not report.finished:
        typer.echo("The run is not finished: the page has its records so far. --serve updates the page during the run.")


def _serve(run: Path, port: int) -> None:
    from storm_calm.serving.report import open_run

    opened = open_run(run)
    try:
        from storm_calm.serving.report import live_server
    except ImportError as error:
        raise ValueError(f"--serve needs {error.name}; pip install 'storm-calm[serve]'") from error

    def on_listening(address: str) -> None:
        typer.echo(f"storm: {run} at {address}, for this machine only; stop with Ctrl-C", err=True)

    live_server.serve(opened, port=port, on_listening=on_listening)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
