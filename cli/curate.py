"""`storm curate`: problems in, golden trajectories out."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from storm_calm.agents.curation.config import CurateConfig, load_problems
from storm_calm.agents.runs.settings import to_toml
from storm_calm.cli.errors import fail, told
from storm_calm.cli.options import layered, names, option_texts
from storm_calm.env.serialize import from_json, to_json

EXAMPLES = (
    "Examples:\n\nstorm curate --families all --limit 20 --seed 7 --out runs/first\n\n"
    "storm curate --out runs/first --resume"
)
TEXTS = option_texts(CurateConfig)


def curate(
    problems: Annotated[Path | None, typer.Option(metavar="FILE", help=TEXTS["problems"])] = None,
    families: Annotated[str | None, typer.Option(metavar="NAME,...", help=TEXTS["families"])] = None,
    split: Annotated[str | None, typer.Option(metavar="train|heldout", help=TEXTS["split"])] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help=TEXTS["limit"])] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help=TEXTS["seed"])] = None,
    reasoner: Annotated[str | None, typer.Option(metavar="nano|FOLDER|URL|chat:URL", help=TEXTS["reasoner"])] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help=TEXTS["model"])] = None,
    tokenizer: Annotated[Path | None, typer.Option(metavar="FILE", help=TEXTS["tokenizer"])] = None,
    temperature: Annotated[float | None, typer.Option(metavar="T", help=TEXTS["temperature"])] = None,
    intervener: Annotated[str | None, typer.Option(metavar="rules|llm|rules+llm", help=TEXTS["intervener"])] = None,
    intervener_url: Annotated[str | None, typer.Option(metavar="URL", help=TEXTS["intervener_url"])] = None,
    intervener_model: Annotated[str | None, typer.Option(metavar="NAME", help=TEXTS["intervener_model"])] = None,
    intervener_price: Annotated[str | None, typer.Option(metavar="IN,OUT", help=TEXTS["intervener_price"])] = None,
    confidence_floor: Annotated[float | None, typer.Option(metavar="F", help=TEXTS["confidence_floor"])] = None,
    patience: Annotated[int | None, typer.Option(metavar="N", help=TEXTS["patience"])] = None,
    max_interventions: Annotated[int | None, typer.Option(metavar="N", help=TEXTS["max_interventions"])] = None,
    max_hint_share: Annotated[float | None, typer.Option(metavar="SHARE", help=TEXTS["max_hint_share"])] = None,
    minimum_isolation: Annotated[str | None, typer.Option(metavar="ISOLATION", help=TEXTS["minimum_isolation"])] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help=TEXTS["workers"])] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings in TOML, such as another run's config.toml.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the results go; a new folder under runs/ by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", metavar="", help="Go on with the run in --out, with the settings that it has.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Check the input and say what would be done.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print the summary as one JSON object.")] = False,
    display: Annotated[
        Literal["rich", "plain", "none"] | None,
        typer.Option(
            metavar="rich|plain|none", help="What to show meanwhile: a live bar, lines now and then, nothing."
        ),
    ] = None,
) -> None:
    """Turn word problems into golden trajectories: run each one, mend it at its first flaw, keep the flawless."""
    flags = {
        "problems": problems and str(problems),
        "families": names(families),
        "split": split,
        "limit": limit,
        "seed": seed,
        "reasoner": reasoner,
        "model": model,
        "tokenizer": tokenizer and str(tokenizer),
        "temperature": temperature,
        "intervener": intervener,
        "intervener_url": intervener_url,
        "intervener_model": intervener_model,
        "intervener_price": intervener_price,
        "confidence_floor": confidence_floor,
        "patience": patience,
        "max_interventions": max_interventions,
        "max_hint_share": max_hint_share,
        "minimum_isolation": minimum_isolation,
        "workers": workers,
    }
    with told():
        if resume and out is None:
            raise ValueError("--resume needs --out, the folder of the run to go on with")
        folder = out or Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}"
        resumed = folder if resume else None
        chosen = from_json(CurateConfig, layered(flags, config, resumed, sources=("problems", "families")))
        if dry_run:
            _print_plan(chosen, folder, as_json=as_json)
        else:
            _run(chosen, folder, resume=resume, as_json=as_json, display=display)


def _print_plan(config: CurateConfig, out: Path, *, as_json: bool) -> None:
    from collections import Counter

    problems = load_problems(config)
    counts = Counter(problem.family or "other" for problem in problems)
    if as_json:
        plan = {"out": str(out), "problems": len(problems), "by_family": dict(counts), "config": to_toml(config)}
        typer.echo(json.dumps(plan, indent=2))
        return
    import tomli_w

    typer.echo(f"{len(problems)} problems would go to {out}: {', '.join(f'{n} {c}' for n, c in counts.items())}\n")
    typer.echo(tomli_w.dumps(to_toml(config)), nl=False)


def _run(config: CurateConfig, out: Path, *, resume: bool, as_json: bool, display: Any) -> None:
    from storm_calm.agents.curation import run_curation
    from storm_calm.agents.runs.worker_pool import TooManyFailuresError
    from storm_calm.cli.curate_display import print_summary
    from storm_calm.cli.display import progress_display

    again = f"storm curate --out {out} --resume"
    try:
        with progress_display(display) as on_progress:
            summary = run_curation.curate(config, out, resume=resume, on_progress=on_progress)
    except KeyboardInterrupt:
        fail(f"stopped; everything done so far is kept. Go on with: {again}", code=130)
    except TooManyFailuresError as error:
        fail(f"{error}. What was done is kept. Go on with: {again}", code=1)
    if as_json:
        typer.echo(json.dumps(to_json(summary), indent=2))
    else:
        print_summary(summary)
        typer.echo(f"\n{out}: golden.jsonl has the golden runs, episodes.jsonl all of them")
    if summary.errors:
        undone = f"{summary.errors} problems are not done, the reasoner or the intervener failed"
        fail(f"{undone}. Try them again with: {again}", code=1)
