"""`storm curate`: turn problems into golden trajectories."""

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.resume import ClusterPool
from storm_calm.agents.runs.run_cost import CostLimitError
from storm_calm.cli.cluster import Address, On, cluster_pool
from storm_calm.cli.errors import fail, report_errors, warn
from storm_calm.cli.estimate_display import (
    EstimateFrom,
    GpuPrice,
    Gpus,
    WantedEstimate,
    print_estimate,
    wanted_estimate,
)
from storm_calm.cli.options import AsJson, ConfigFile, Display, DryRun, Given, Out, Resume, options_of, read_config
from storm_calm.cli.run_folder import choose_folder, fail_at_limit, resumable
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
    on: On = None,
    address: Address = None,
    estimate: EstimateFrom = None,
    gpus: Gpus = None,
    gpu_price: GpuPrice = None,
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
            pool = cluster_pool(on, address)
            wanted = wanted_estimate(estimate, gpus, gpu_price)
            _run(chosen, folder, resume=resume, pool=pool, wanted=wanted, as_json=as_json, display=display)


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


def _run(
    config: CurateConfig,
    out: Path,
    *,
    resume: bool,
    pool: ClusterPool | None,
    wanted: WantedEstimate | None,
    as_json: bool,
    display: Any,
) -> None:
    from storm_calm.agents.curation import job_costs, run_curation
    from storm_calm.agents.curation.records import CURATION_RECORDS, GOLDEN_EPISODES
    from storm_calm.cli.curate_display import print_summary
    from storm_calm.cli.display import LastError, progress_display, usage_words

    command = f"storm curate --out {out} --resume{'' if pool is None else pool.options}"
    with resumable(command), progress_display(display) as on_progress:
        last_error = LastError(on_progress)
        stopped: CostLimitError | None = None
        try:
            summary = run_curation.curate(
                config,
                out,
                resume=resume,
                pool=pool,
                sample=wanted.sample if wanted else None,
                on_sample=wanted.on_sample if wanted else None,
                on_progress=last_error,
                on_warning=warn,
            )
        except CostLimitError as limit:
            if limit.result is None:
                raise
            stopped, summary = limit, limit.result
    found = None
    if wanted is not None and stopped is None:
        costs = job_costs.read_job_costs(config, out, wanted.keys)
        found = wanted.estimate(costs, workers=config.workers, priced=config.has_prices)
    if as_json:
        typer.echo(json.dumps(to_json(summary if found is None else found), indent=2))
    elif found is not None:
        print_estimate(found, noun="problems")
        typer.echo(f"\nTheir records are in {out}. Run the rest with: {command}")
    else:
        print_summary(summary)
        if last_error.usage is not None and last_error.usage.price is not None:
            typer.echo(usage_words(last_error.usage))
        golden, every = GOLDEN_EPISODES.stored_name(out), CURATION_RECORDS.stored_name(out)
        typer.echo(f"\n{out}: {golden} has the golden trajectories, {every} has all")
    if stopped is not None:
        fail_at_limit(stopped, command)
    if summary.errors:
        fail(
            f"{summary.errors} problems are not done because the reasoner or the intervener failed: "
            f"{last_error.message}. Retry them with: {command}",
            code=1,
        )
