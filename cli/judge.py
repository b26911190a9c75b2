"""`storm judge`: score the explanations of an evaluation with the published checklists and a language model."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm_calm.agents.judge.config import JudgeConfig
from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import AsJson, Display, Given, argument, flag, options_of, read_config
from storm_calm.cli.run_folder import resumable

if TYPE_CHECKING:
    from storm_calm.agents.judge.judged_results import JudgedResults

EXAMPLES = (
    "Examples:\n\nstorm judge runs/explain --rubric OR-Space --url http://localhost:8000/v1 --model Qwen/Qwen3-32B\n\n"
    "storm judge runs/explain --rubric OR-Space --exact-only"
)


@options_of(JudgeConfig)
def judge(
    given: Given,
    *,
    run: Annotated[Path, argument("RUN", "Run folder of storm eval --benchmark or_space_explain.")],
    exact_only: Annotated[
        bool, flag("--exact-only", "Only find the required entities, without a judge; write nothing.")
    ] = False,
    dry_run: Annotated[bool, flag("--dry-run", "Prepare the requests, print their sizes and exit.")] = False,
    as_json: AsJson = False,
    display: Display = None,
) -> None:
    """Score the explanations of an evaluation, by checklists and a judge. Judged samples are not sent again."""
    with report_errors():
        config = read_config(JudgeConfig, given)
        if exact_only and dry_run:
            raise ValueError("--exact-only sends nothing; give either --exact-only or --dry-run")
        if exact_only:
            _print_entities(config, run, as_json=as_json)
        elif dry_run:
            _print_plan(config, run, as_json=as_json)
        else:
            _run(config, run, given, as_json=as_json, display=display)


def _print_entities(config: JudgeConfig, run: Path, *, as_json: bool) -> None:
    from storm_calm.agents.judge.judged_results import exact_results_of
    from storm_calm.agents.judge.run_judge import read_explained
    from storm_calm.cli.judge_display import print_entities
    from storm_calm.env.serialize import to_json

    found = exact_results_of(read_explained(config, run))
    if as_json:
        typer.echo(json.dumps(to_json(found, digits=6), indent=2))
    else:
        print_entities(found)


def _print_plan(config: JudgeConfig, run: Path, *, as_json: bool) -> None:
    from storm_calm.agents.judge.run_judge import plan
    from storm_calm.cli.judge_display import print_plan
    from storm_calm.env.serialize import to_json

    found = plan(config, run)
    if as_json:
        typer.echo(json.dumps(to_json(found), indent=2))
    else:
        print_plan(found, priced=bool(config.price))


def _run(config: JudgeConfig, run: Path, given: Given, *, as_json: bool, display: Any) -> None:
    from storm_calm.agents.judge import run_judge
    from storm_calm.agents.judge.judged_results import judged_results_to_json
    from storm_calm.cli.display import LastError, progress_display
    from storm_calm.cli.judge_display import print_judged

    command = _command(run, given)
    with resumable(command), progress_display(display) as on_progress:
        last_error = LastError(on_progress)
        results: JudgedResults = run_judge.judge(config, run, on_progress=last_error)
    if as_json:
        typer.echo(json.dumps(judged_results_to_json(results), indent=2))
    else:
        print_judged(results, priced=bool(config.price))
        typer.echo(f"\n{run}: figures in judged.json, judgments in judgments.jsonl")
    if results.errors:
        reason = f": {last_error.message}" if last_error.message else ""
        count = "1 sample is" if results.errors == 1 else f"{results.errors} samples are"
        fail(f"{count} not judged{reason}. Retry with: {command}", code=1)


def _command(run: Path, given: Given) -> str:
    """Return the command line that continues this one."""
    options = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return shlex.join(["storm", "judge", str(run), *options])
