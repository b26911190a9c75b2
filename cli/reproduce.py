"""`storm reproduce`: reproduce the paper's curve in one command, on two cores."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated

import typer

from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import AsJson, Given, flag, names, option, options_of, read_seeds
from storm_calm.cli.run_folder import resumable
from storm_calm.rl.reproduce.reproduce_config import QUICK, ReproduceConfig

EXAMPLES = "Examples:\n\nstorm reproduce --quick --out runs/quick\n\nstorm reproduce --seeds 0,1,2 --out runs/reproduce"

OUT = Path("runs/reproduce")


@options_of(ReproduceConfig)
def reproduce(
    given: Given,
    *,
    out: Annotated[Path, option("DIR", "Folder of all stages and the report; finished stages are reused.")] = OUT,
    seed: Annotated[int | None, option("S", "Random seed. Default: 0.")] = None,
    seeds: Annotated[str | None, option("S,...", "Several seeds, run one after another.")] = None,
    quick: Annotated[bool, flag("--quick", "Tiny sizes: test that everything runs; the results mean nothing.")] = False,
    stages: Annotated[str | None, option("NAME,...", "Run only these stages, such as curate,export,sft.")] = None,
    as_json: AsJson = False,
) -> None:
    """Reproduce the paper with the nano model: curate, train with SFT and GRPO, evaluate.

    The same command resumes an unfinished reproduction.
    """
    with report_errors():
        config = replace(QUICK if quick else ReproduceConfig(), **given)
        chosen = names(stages) or ()
        command = _command(config, out, seeds, seed, quick, stages)
        _run(config, out, _seeds(seed, seeds), chosen, command=command)
        from storm_calm.rl.reproduce.write_report import write_report

        try:
            facts = write_report(out)
        except KeyboardInterrupt:
            fail(f"stopped; write the report with: {command}", code=130)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        from storm_calm.cli.reproduce_display import print_report

        print_report(facts)
        typer.echo(f"\n{out / 'report.html'} has the figures, the curves and the paper's claims")


def _run(config: ReproduceConfig, out: Path, seeds: tuple[int, ...], stages: tuple[str, ...], *, command: str) -> None:
    from storm_calm.cli.reproduce_display import shown
    from storm_calm.rl.reproduce.run_stages import reproduce
    from storm_calm.rl.reproduce.stage_jobs import StageFailedError

    with resumable(command, StageFailedError), shown() as on_progress:
        reproduce(config, out, seeds=seeds, stages=stages, on_progress=on_progress)


def _seeds(one: int | None, several: str | None) -> tuple[int, ...]:
    if one is not None and several is not None:
        raise ValueError("give --seed or --seeds, not both")
    return read_seeds(several or str(one or 0))


def _command(
    config: ReproduceConfig, out: Path, seeds: str | None, seed: int | None, quick: bool, stages: str | None
) -> str:
    """Return the shortest command line that resumes the reproduction."""
    start = QUICK if quick else ReproduceConfig()
    words = ["storm reproduce", f"--out {out}"]
    words += [f"--seeds {seeds}"] if seeds is not None else [] if seed is None else [f"--seed {seed}"]
    words += ["--quick"] if quick else []
    words += [f"--stages {stages}"] if stages is not None else []
    for field in fields(config):
        value = getattr(config, field.name)
        if value != getattr(start, field.name):
            words.append(f"--{field.name} {value}")
    return " ".join(words)
