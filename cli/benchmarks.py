"""`storm benchmarks`: list the public test sets and their releases, or those in a folder."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from storm_calm.cli.errors import report_errors
from storm_calm.cli.options import AsJson, argument

EXAMPLES = "Examples:\n\nstorm benchmarks\n\nstorm benchmarks ."


def benchmarks(
    folder: Annotated[Path | None, argument("DIR", "Folder with files of test sets, to list what is in it.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the public test sets with their releases, licences and sources, or those found in a folder."""
    with report_errors():
        if folder is None:
            _print_known(as_json=as_json)
        else:
            _print_found(folder, as_json=as_json)


def _print_known(*, as_json: bool) -> None:
    from storm_calm.env.problems.benchmarks import RELEASE_NAMES, RELEASES

    if as_json:
        typer.echo(json.dumps([asdict(release) for release in RELEASES], indent=2))
        return
    rows = [
        (one.benchmark, one.name, one.file or "-", str(one.problems), one.licence or "not stated", one.source)
        for one in RELEASES
    ]
    _print_rows(("test set", "release", "file", "problems", "licence", "source"), rows)
    typer.echo()
    _print_rows(("release", "labels"), tuple(RELEASE_NAMES.items()))


def _print_found(folder: Path, *, as_json: bool) -> None:
    from storm_calm.env.problems.benchmarks import find_all

    found = find_all(folder)
    if as_json:
        listed = [{**asdict(file), "path": str(file.path)} for file in found]
        typer.echo(json.dumps(listed, indent=2))
    elif not found:
        typer.echo(f"{folder}: no file of a test set; storm benchmarks lists the names of published files")
    else:
        rows = [
            (one.benchmark, one.release, "yes" if one.published else "no", str(one.path.relative_to(folder)))
            for one in found
        ]
        _print_rows(("test set", "release", "as published", "file"), rows)
        if not all(one.published for one in found):
            typer.echo(
                '\n"no": the SHA-256 is not that of a published file that is known. The release is that of the name.'
            )


def _print_rows(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    for row in (heading, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
