"""`storm sweep`: vary one setting at a time around the paper's, and judge the thresholds that it leaves open."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storm_calm.cli.errors import fail, report_errors, warn
from storm_calm.cli.options import AsJson, DryRun, Given, flag, names, option, options_of, read_seeds
from storm_calm.cli.run_folder import resumable
from storm_calm.rl.sweep.sweep_config import QUICK, SweepConfig

if TYPE_CHECKING:
    from storm_calm.rl.sweep.run_sweep import SweepRequest

EXAMPLES = (
    "Examples:\n\nstorm sweep --studies hints,flawed --seeds 0,1,2 --out runs/sweep --dry-run\n\n"
    "storm sweep --quick --studies golden --out runs/quick-sweep"
)

OUT = Path("runs/sweep")


@options_of(SweepConfig)
def run_studies(
    given: Given,
    *,
    out: Annotated[Path, option("DIR", "Folder of all stages and the page; finished stages are reused.")] = OUT,
    studies: Annotated[
        str | None,
        option(
            "NAME,...", "Studies: hints, before_hints, flawed, golden, rollouts, executions, rewards. Default: all."
        ),
    ] = None,
    seeds: Annotated[str, option("S,...", "Seeds, run one after another.")] = "0",
    quick: Annotated[bool, flag("--quick", "Tiny sizes, few points: test that everything runs.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Map how hints, flawed data, the number of golden trajectories, and GRPO settings change the nano model.

    The same command resumes an unfinished sweep.
    """
    with report_errors():
        from storm_calm.rl.sweep.run_sweep import SweepRequest
        from storm_calm.rl.sweep.studies import make_studies

        config = replace(QUICK if quick else SweepConfig(), **given)
        chosen = names(studies) or tuple(make_studies(config))
        request = SweepRequest(config=config, studies=chosen, seeds=read_seeds(seeds), quick=quick)
        if dry_run:
            _print_plan(request, out, as_json=as_json)
        else:
            _run(request, out, _command(config, out, studies, seeds, quick), as_json=as_json)


def _print_plan(request: SweepRequest, out: Path, *, as_json: bool) -> None:
    from storm_calm.cli.sweep_display import plan_facts, print_plan
    from storm_calm.rl.sweep.run_sweep import plan_sweep

    facts = plan_facts(plan_sweep(request, out), request, out)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_plan(facts)


def _run(request: SweepRequest, out: Path, command: str, *, as_json: bool) -> None:
    from storm_calm.cli.reproduce_display import shown
    from storm_calm.cli.sweep_display import print_claims
    from storm_calm.rl.sweep.run_sweep import SweepFailedError, has_results, sweep
    from storm_calm.rl.sweep.write_page import PageWriter, write_page

    failure: SweepFailedError | None = None
    with resumable(command):
        with shown() as on_progress:
            try:
                sweep(request, out, on_progress=on_progress, on_failure=warn, on_evaluation=PageWriter(out))
            except SweepFailedError as error:
                failure = error
        facts = write_page(out) if failure is None or has_results(out) else None
    if facts is not None and as_json:
        typer.echo(json.dumps(facts, indent=2))
    elif facts is not None:
        print_claims(facts)
        typer.echo(f"\n{out / 'sweep.html'} has the plots, {out / 'results.json'} every number with its commands")
    if failure is not None:
        fail(f"{failure}. Finished work is kept. Resume with: {command}", code=1)


def _command(config: SweepConfig, out: Path, studies: str | None, seeds: str, quick: bool) -> str:
    """Return the shortest command line that resumes the sweep."""
    start = QUICK if quick else SweepConfig()
    words = ["storm sweep", f"--out {out}"]
    words += [f"--studies {studies}"] if studies is not None else []
    words += [f"--seeds {seeds}"] if seeds != "0" else []
    words += ["--quick"] if quick else []
    for field in fields(config):
        value = getattr(config, field.name)
        if value != getattr(start, field.name):
            words.append(f"--{field.name.replace('_', '-')} {value}")
    return " ".join(words)
