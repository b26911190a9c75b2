"""`storm review`: review interventions on a local page, print the results, or export all ratings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import argument, flag, option
from storm_calm.serving.review.review_results import results_to_json

if TYPE_CHECKING:
    from storm_calm.serving.review.reviewer import Reviewer

EXAMPLES = "Examples:\n\nstorm review runs/first --reviewer ana\n\nstorm review runs/first --results"


def review(
    run: Annotated[Path, argument("RUN", "Run folder of storm curate.")],
    reviewer: Annotated[
        str | None, option("NAME", "Open the page for this reviewer, who sees only their own ratings.")
    ] = None,
    results: Annotated[bool, flag("--results", "Print approval rates and the agreement of reviewers.")] = False,
    export: Annotated[Path | None, option("FILE", "Write all ratings to a new .csv or .jsonl file.")] = None,
    sample: Annotated[
        int | None, option("N", "Interventions to review, stratified by trigger and finder. Default: 100.")
    ] = None,
    seed: Annotated[int | None, option("S", "Random seed of the sample. Default: 0.")] = None,
    port: Annotated[int | None, option("N", "Port of the page. Default: a free one.")] = None,
    as_json: Annotated[bool, flag("--json", "With --results: print one JSON object.")] = False,
) -> None:
    """Let people review a sample of a curation's interventions, and print or export their ratings."""
    with report_errors():
        if [reviewer is not None, results, export is not None].count(True) != 1:
            raise ValueError("give one of --reviewer NAME (review), --results (print) or --export FILE (write)")
        if reviewer is None and (sample, seed, port) != (None, None, None):
            raise ValueError("--sample, --seed and --port need --reviewer NAME")
        if as_json and not results:
            raise ValueError("--json needs --results")
        if reviewer is not None:
            _serve(run, reviewer, sample, seed, port)
        elif results:
            _print(run, as_json=as_json)
        elif export is not None:
            _write(run, export)


def _serve(run: Path, name: str, sample: int | None, seed: int | None, port: int | None) -> None:
    try:
        from storm_calm.serving.review.review_server import serve
    except ImportError as error:
        raise ValueError(f"the review page needs {error.name}; pip install 'storm-calm[serve]'") from error

    def on_listening(address: str, reviewer: Reviewer) -> None:
        count = f"{reviewer.reviewed} of {len(reviewer.items)} interventions"
        typer.echo(f"storm: {count} are reviewed by {name}", err=True)
        typer.echo(f"storm: open {address} in a browser; stop with Ctrl-C", err=True)

    if port is not None and not 0 <= port <= 65535:
        raise ValueError(f"--port: {port} is not a number from 0 to 65535")
    try:
        serve(run, name, size=sample, seed=seed, port=port or 0, on_listening=on_listening)
    except KeyboardInterrupt:
        fail(f"stopped; all ratings are saved. Resume with: storm review {run} --reviewer {name}", code=130)


def _print(run: Path, *, as_json: bool) -> None:
    from storm_calm.serving.review.read_review import read_review
    from storm_calm.serving.review.review_results import results

    found = results(read_review(run))
    if as_json:
        typer.echo(json.dumps(results_to_json(found), indent=2))
        return
    from storm_calm.cli.review_display import print_results

    print_results(found)


def _write(run: Path, file: Path) -> None:
    from storm_calm.serving.review.export_ratings import check_file, write
    from storm_calm.serving.review.read_review import read_review

    check_file(file)
    count = write(read_review(run), file)
    typer.echo(f"{file}: {count} ratings")
