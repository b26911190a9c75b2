"""`storm view`: a run as a page to read, as one file or served while the run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storm_calm.cli.errors import fail, report_errors

EXAMPLES = "Examples:\n\nstorm view runs/first\n\nstorm view runs/first --serve"
PORT = 8765
"""Where --serve listens if nobody says."""


def view(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder: the --out of storm curate or storm eval.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What to write; RUN/report.html by default. An earlier report is replaced."),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve", metavar="", help="Serve the page on this machine, live while the run goes on."),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=65535, help=f"For --serve: {PORT} by default, 0 for a free one."),
    ] = None,
) -> None:
    """Show a run as one page: what came of it, and every trajectory with its hints, programs and solver reports."""
    with report_errors():
        if serve and out is not None:
            raise ValueError("--serve writes nothing; leave out --out, or --serve")
        if port is not None and not serve:
            raise ValueError("--port goes with --serve")
        try:
            if serve:
                _serve(run, PORT if port is None else port)
            else:
                _write(run, out)
        except KeyboardInterrupt:
            # It is how a server ends; a report that was not written is a failure.
            if not serve:
                fail("stopped; nothing was written", code=130)


def _write(run: Path, out: Path | None) -> None:
    from storm_calm.serving.report import open_run, write_report

    opened = open_run(run)
    report = write_report(opened, run / "report.html" if out is None else out)
    what = "problem" if opened.kind == "curation" else "run"
    typer.echo(
        f"{report.path}: {report.entries:,} {what}{'s' if report.entries != 1 else ''}, {_size(report.size)}; "
        "open it in a browser"
    )
    if not report.finished:
        typer.echo("The run is not finished: this is what it has so far. With --serve the page follows it.")


def _serve(run: Path, port: int) -> None:
    from storm_calm.serving.report import open_run

    opened = open_run(run)
    try:
        from storm_calm.serving.report import live_server
    except ImportError as error:
        raise ValueError(f"--serve needs {error.name}; pip install 'storm-calm[serve]'") from error

    def on_listening(address: str) -> None:
        typer.echo(f"storm: {run} at {address}, for this machine alone; Ctrl-C ends it", err=True)

    live_server.serve(opened, port=port, on_listening=on_listening)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
