"""`storm export`: write golden trajectories or problems as a training dataset, or all records as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import AsJson, argument, flag, option
from storm_calm.env.serialize import to_json

if TYPE_CHECKING:
    from rich.console import Console

    from storm_calm.rl.datasets import ExportReport
    from storm_calm.serving.review.read_review import Review

EXAMPLES = (
    "Examples:\n\nstorm export runs/first --format verl-sft\n\n"
    "storm export runs/first --format trl --against heldout.jsonl --max-tokens 8192 --out sft.jsonl"
)
LISTED = 10
"""Most left-out rows that are listed; --json has the first 1,000."""


def export(
    source: Annotated[
        Path,
        argument(
            "SOURCE",
            "Run folder of a curation; for verl-rl and harbor also a file of problems, for parquet also an evaluation.",
        ),
    ],
    format: Annotated[
        Literal["verl-sft", "trl", "messages", "verl-rl", "harbor", "parquet"],
        option(
            "FORMAT",
            "verl-sft, trl: golden trajectories with token ids and loss masks. messages: golden trajectories as "
            "chats, without masks. verl-rl: all problems with their answers. harbor: all problems as Harbor tasks. "
            "parquet: a flat row for each record, for analysis.",
        ),
    ],
    out: Annotated[
        Path | None,
        option("FILE", "Output file; for harbor a folder. Default: beside or in SOURCE, named after FORMAT."),
    ] = None,
    hints: Annotated[bool, flag("--hints/--no-hints", "Whether to train on hints.")] = True,
    max_tokens: Annotated[int | None, option("N", "Leave out longer trajectories, prompt included.")] = None,
    against: Annotated[
        list[Path] | None, option("FILE", "File of evaluation questions; matching rows are left out. Repeatable.")
    ] = None,
    eval_dir: Annotated[list[Path] | None, option("DIR", "Folder of such files, .jsonl or .json. Repeatable.")] = None,
    split: Annotated[
        Literal["train", "heldout"], option("train|heldout", "Purpose of the rows; train leaves out held-out problems.")
    ] = "train",
    drop_rejected: Annotated[bool, flag("--drop-rejected", "Leave out trajectories that reviewers rejected.")] = False,
    instructions: Annotated[
        bool | None,
        flag(
            "--instructions/--no-instructions",
            "Explain the text protocol in verl-rl prompts. Default: as in the run; for a file of problems "
            "--no-instructions.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a training dataset: golden trajectories with masks, or problems; or a table of all records for analysis."""
    with report_errors():
        from storm_calm.rl.datasets import ExportConfig
        from storm_calm.rl.datasets import export as write
        from storm_calm.serving.review.read_review import read_review

        for place in eval_dir or ():
            if not place.is_dir():
                raise ValueError(f"{place}: no such folder. Give a folder, or a file of questions with --against")
        review = read_review(source) if drop_rejected else None
        config = ExportConfig(
            source=source,
            format=format,
            out=out,
            hints=hints,
            max_tokens=max_tokens,
            against=(*(against or ()), *(eval_dir or ())),
            split=split,
            instructions=instructions,
            rejected=None if review is None else review.rejected_runs,
        )
        try:
            report = write(config)
        except KeyboardInterrupt:
            fail("stopped; nothing was written", code=130)
    if as_json:
        typer.echo(json.dumps(to_json(report), indent=2))
    else:
        _print(report, review)


def _print(report: ExportReport, review: Review | None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    facts = Table.grid(padding=(0, 2))
    facts.add_row("rows", f"{report.rows:,}")
    if report.tokens is not None:
        facts.add_row("tokens", f"{report.tokens:,}{' (an estimate: no token ids)' if report.estimated else ''}")
    if report.learned_tokens is not None and report.tokens:
        facts.add_row("learned", f"{report.learned_tokens:,} ({report.learned_tokens / report.tokens:.0%})")
    if report.format == "parquet":
        console.print(facts)
        _print_end(console, report)
        return
    facts.add_row("too long", f"{report.left_out['too_long']:,} left out")
    compared = f"; compared with {report.compared:,} questions" if report.compared else "; no --against was given"
    facts.add_row("contaminated", f"{report.left_out['contaminated']:,} left out{compared}")
    if review is not None:
        reviewed = f"{len(review.reviewed):,} of {review.sample.drawn_from:,} interventions are reviewed"
        facts.add_row("rejected", f"{report.left_out['rejected']:,} left out; {reviewed}")
    console.print(facts)
    counts = report.left_out
    lengths = {id: f"{tokens:,} tokens" for id, tokens in report.too_long.items()}
    _list(console, "Too long", lengths, counts["too_long"])
    matches = {id: f"{one.how} ({one.share:.0%}): {one.place}" for id, one in report.contaminated.items()}
    _list(console, "Contaminated", matches, counts["contaminated"])
    _list(console, "Rejected", report.rejected, counts["rejected"])
    if report.format == "messages":
        console.print(
            "\nThis format has no masks. Except for chat trajectories, a trainer also learns program output unless "
            "it masks that itself. verl-sft and trl keep the masks of trajectories with token ids."
        )
    _print_end(console, report)


def _print_end(console: Console, report: ExportReport) -> None:
    from rich.markup import escape

    if report.unfinished:
        run = "run" if report.format == "parquet" else "curation"
        console.print(f"\nThe {run} is not finished: these are its rows so far.", style="yellow")
    console.print(f"\n{escape(report.file)}: written", soft_wrap=True)


def _list(console: Console, heading: str, reasons: Mapping[str, str], count: int) -> None:
    from rich.text import Text

    if not reasons:
        return
    console.print(f"\n{heading}:")
    for id in list(reasons)[:LISTED]:
        console.print(Text(f"  {id}: {reasons[id]}"))
    if count > LISTED:
        known = "them all" if count == len(reasons) else f"the first {len(reasons):,}"
        console.print(f"  and {count - LISTED:,} more; --json lists {known}")
