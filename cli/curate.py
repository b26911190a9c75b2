"""`storm curate`: turn problems into golden trajectories."""

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.runs.options import to_toml
from storm_calm.cli.errors import fail, report_errors, warn
from storm_calm.cli.options import AsJson, ConfigFile, Display, DryRun, Given, Out, Resume, options_of, read_config
from storm_calm.cli.run_folder import choose_folder, resumable
from storm_calm.env.serialize import to_json

EXAMPLES = (
    "Examples:\n\nstorm curate --families all --limit 20 --seed 7 --out runs/first\n\n"
    "storm curate --out runs/first --resume"
)


@options_of(CurateConfig)
def curate(
    given: Given,
    *,
    config: ConfigFile = None,
    out: Out = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    display: Display = None,
) -> None:
    """Turn problems into golden trajectories: solve each one, correct its first flaws with hints, keep the flawless."""
    with report_errors():
        folder = choose_folder(out, resume=resume)
        resumed = folder if resume else None
        chosen = read_config(CurateConfig, given, config, resumed, sources=("problems", "families"))
        if dry_run:
            _print_plan(chosen, folder, as_json=as_json)
        else:
            _run(chosen, folder, resume=resume, as_json=as_json, display=display)


def _print_plan(config: CurateConfig, out: Path, *, as_json: bool) -> None:
    with TemporaryDirectory() as workspaces:
        problems = config.in_shard(config.read_problems(Path(workspaces)))
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
    from storm_calm.cli.curate_display import print_summary
    from storm_calm.cli.display import LastError, progress_display, usage_words

    command = f"storm curate --out {out} --resume"
    with resumable(command), progress_display(display) as on_progress:
        last_error = LastError(on_progress)
        summary = run_curation.curate(config, out, resume=resume, on_progress=last_error, on_warning=warn)
    if as_json:
        typer.echo(json.dumps(to_json(summary), indent=2))
    else:
        print_summary(summary)
        if last_error.usage is not None and last_error.usage.price is not None:
            typer.echo(usage_words(last_error.usage))
        typer.echo(f"\n{out}: golden.jsonl has the golden trajectories, episodes.jsonl has all")
    if summary.errors:
        fail(
            f"{summary.errors} problems are not done because the reasoner or the intervener failed: "
            f"{last_error.message}. Retry them with: {command}",
            code=1,
        )
