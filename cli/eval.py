"""`storm eval`: how often a reasoner is right, under which rule, and how it gets there."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from storm_calm.agents.evaluation.config import EvalConfig, load_problems
from storm_calm.agents.evaluation.results import results_to_json
from storm_calm.agents.runs.settings import to_toml
from storm_calm.cli.errors import fail, told
from storm_calm.cli.options import layered, names, option_texts
from storm_calm.env.serialize import from_json

EXAMPLES = (
    "Examples:\n\nstorm eval --families all --limit 20 --samples 4 --seed 7 --out runs/eval\n\n"
    "storm eval --out runs/eval --resume --rule paper,orlm"
)
TEXTS = option_texts(EvalConfig)
SOURCES = ("problems", "families", "benchmark", "stress", "data_dir")
"""Settings that say where problems come from."""


def evaluate(
    problems: Annotated[Path | None, typer.Option(metavar="FILE", help=TEXTS["problems"])] = None,
    families: Annotated[str | None, typer.Option(metavar="NAME,...", help=TEXTS["families"])] = None,
    split: Annotated[str | None, typer.Option(metavar="heldout|train", help=TEXTS["split"])] = None,
    benchmark: Annotated[str | None, typer.Option(metavar="NAME,...", help=TEXTS["benchmark"])] = None,
    stress: Annotated[str | None, typer.Option(metavar="KIND,...", help=TEXTS["stress"])] = None,
    data_dir: Annotated[Path | None, typer.Option(metavar="DIR", help=TEXTS["data_dir"])] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help=TEXTS["limit"])] = None,
    samples: Annotated[int | None, typer.Option(metavar="K", help=TEXTS["samples"])] = None,
    rule: Annotated[str | None, typer.Option(metavar="NAME,...", help=TEXTS["rule"])] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help=TEXTS["seed"])] = None,
    reasoner: Annotated[str | None, typer.Option(metavar="nano|FOLDER|URL|chat:URL", help=TEXTS["reasoner"])] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help=TEXTS["model"])] = None,
    tokenizer: Annotated[Path | None, typer.Option(metavar="FILE", help=TEXTS["tokenizer"])] = None,
    temperature: Annotated[float | None, typer.Option(metavar="T", help=TEXTS["temperature"])] = None,
    minimum_isolation: Annotated[str | None, typer.Option(metavar="ISOLATION", help=TEXTS["minimum_isolation"])] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help=TEXTS["workers"])] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings in TOML, such as another run's config.toml.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the results go; a new folder under runs/ by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", metavar="", help="Go on with the run in --out, or score it anew.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Check the input and say what would be done.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print the results as one JSON object.")] = False,
    display: Annotated[
        Literal["rich", "plain", "none"] | None,
        typer.Option(
            metavar="rich|plain|none", help="What to show meanwhile: a live bar, lines now and then, nothing."
        ),
    ] = None,
) -> None:
    """Measure how often a reasoner is right without help, with intervals, and how it gets there."""
    flags = {
        "problems": problems and str(problems),
        "families": names(families),
        "split": split,
        "benchmark": names(benchmark),
        "stress": names(stress),
        "data_dir": data_dir and str(data_dir),
        "limit": limit,
        "samples": samples,
        "rule": names(rule),
        "seed": seed,
        "reasoner": reasoner,
        "model": model,
        "tokenizer": tokenizer and str(tokenizer),
        "temperature": temperature,
        "minimum_isolation": minimum_isolation,
        "workers": workers,
    }
    with told():
        if resume and out is None:
            raise ValueError("--resume needs --out, the folder of the run to go on with")
        folder = out or Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}"
        settings = layered(flags, config, folder if resume else None, sources=SOURCES)
        chosen = from_json(EvalConfig, settings)
        if dry_run:
            _print_plan(chosen, folder, as_json=as_json)
        else:
            _run(chosen, folder, resume=resume, as_json=as_json, display=display)


def _print_plan(config: EvalConfig, out: Path, *, as_json: bool) -> None:
    loaded = load_problems(config)
    count = len(loaded.problems)
    if as_json:
        plan = {
            "out": str(out),
            "problems": count,
            "samples": config.samples,
            "unread_labels": len(loaded.unread),
            "config": to_toml(config),
        }
        typer.echo(json.dumps(plan, indent=2))
        return
    import tomli_w

    from storm_calm.cli.eval_display import runs_at

    typer.echo(f"{runs_at(count, config.samples)} would go to {out}")
    if config.stress:
        kinds = Counter(problem.family for problem in loaded.problems)
        typer.echo(f"Kinds: {', '.join(f'{kind} {number}' for kind, number in kinds.items())}")
    if loaded.unread:
        typer.echo(f"Left out, their label cannot be read: {', '.join(loaded.unread)}")
    typer.echo(f"\n{tomli_w.dumps(to_toml(config))}", nl=False)


def _run(config: EvalConfig, out: Path, *, resume: bool, as_json: bool, display: Any) -> None:
    from storm_calm.agents.evaluation import run_evaluation
    from storm_calm.agents.runs.worker_pool import TooManyFailuresError
    from storm_calm.cli.display import progress_display
    from storm_calm.cli.eval_display import print_results

    again = f"storm eval --out {out} --resume"
    try:
        with progress_display(display) as on_progress:
            results = run_evaluation.evaluate(config, out, resume=resume, on_progress=on_progress)
    except KeyboardInterrupt:
        fail(f"stopped; everything done so far is kept. Go on with: {again}", code=130)
    except TooManyFailuresError as error:
        fail(f"{error}. What was done is kept. Go on with: {again}", code=1)
    if as_json:
        typer.echo(json.dumps(results_to_json(results), indent=2))
    else:
        print_results(results)
        typer.echo(f"\n{out}: results.json has the figures, samples.jsonl every run")
    if missing := results.errors + results.infrastructure:
        who = " and ".join(
            name for name, count in (("the reasoner", results.errors), ("the sandbox", results.infrastructure)) if count
        )
        fail(f"{missing} runs are not done, {who} failed. Try them again with: {again}", code=1)
