"""`storm eval`: measure how often a reasoner is right, under which rule, and how it gets there."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from storm_calm.agents.evaluation.by_release import release_files
from storm_calm.agents.evaluation.config import EvalConfig, load_problems
from storm_calm.agents.evaluation.results import results_to_json
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.resume import ClusterPool
from storm_calm.agents.runs.run_cost import CostLimitError
from storm_calm.cli.cluster import Address, On, cluster_pool
from storm_calm.cli.errors import fail, report_errors
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
    "Examples:\n\nstorm eval --families all --limit 20 --samples 4 --seed 7 --out runs/eval\n\n"
    "storm eval --out runs/eval --resume --rule paper,orlm"
)
SOURCES = ("problems", "families", "benchmark", "stress", "data_dir")
"""Settings that select where problems come from."""


@options_of(EvalConfig)
def evaluate(
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
    """Measure how often a reasoner is right without hints, with confidence intervals, and how it gets there."""
    with report_errors():
        folder = choose_folder(out, resume=resume)
        chosen = read_config(EvalConfig, given, config, folder if resume else None, sources=SOURCES)
        if dry_run:
            _print_plan(chosen, folder, as_json=as_json)
        else:
            pool = cluster_pool(on, address)
            wanted = wanted_estimate(estimate, gpus, gpu_price)
            _run(chosen, folder, resume=resume, pool=pool, wanted=wanted, as_json=as_json, display=display)


def _print_plan(config: EvalConfig, out: Path, *, as_json: bool) -> None:
    with TemporaryDirectory() as workspaces:
        loaded = load_problems(config, Path(workspaces))
    problems = config.in_shard(loaded.problems)
    count = len(problems)
    if as_json:
        plan = {
            "out": str(out),
            "problems": count,
            "samples": config.samples,
            "seeds": config.seeds,
            "unread_labels": len(loaded.unread),
            "releases": [asdict(one) for one in release_files(loaded.releases)],
            "config": to_toml(config),
        }
        typer.echo(json.dumps(plan, indent=2))
        return
    import tomli_w

    from storm_calm.cli.eval_display import runs_at

    typer.echo(f"{runs_at(count, config.samples, config.seeds)} would go to {out}")
    if config.stress:
        kinds = Counter(problem.family for problem in problems)
        typer.echo(f"Kinds: {', '.join(f'{kind} {number}' for kind, number in kinds.items())}")
    for one in loaded.releases:
        typer.echo(f"{one.benchmark}: release {one.release}, {one.file}{_origin(one.published)}")
    if loaded.unread:
        typer.echo(f"Left out because their label cannot be read: {', '.join(loaded.unread)}")
    typer.echo(f"\n{tomli_w.dumps(to_toml(config))}", nl=False)


def _origin(published: bool | None) -> str:
    return "" if published is None else " (as published)" if published else " (not a known published file)"


def _run(
    config: EvalConfig,
    out: Path,
    *,
    resume: bool,
    pool: ClusterPool | None,
    wanted: WantedEstimate | None,
    as_json: bool,
    display: Any,
) -> None:
    from storm_calm.agents.evaluation import job_costs, run_evaluation
    from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
    from storm_calm.cli.display import LastError, progress_display, usage_words
    from storm_calm.cli.eval_display import print_results

    command = f"storm eval --out {out} --resume{'' if pool is None else pool.options}"
    with resumable(command), progress_display(display) as on_progress:
        last_error = LastError(on_progress)
        stopped: CostLimitError | None = None
        try:
            results = run_evaluation.evaluate(
                config,
                out,
                resume=resume,
                pool=pool,
                sample=wanted.sample if wanted else None,
                on_sample=wanted.on_sample if wanted else None,
                on_progress=last_error,
            )
        except CostLimitError as limit:
            if limit.result is None:
                raise
            stopped, results = limit, limit.result
    found = None
    if wanted is not None and stopped is None:
        costs = job_costs.read_job_costs(config, out, wanted.keys)
        found = wanted.estimate(costs, workers=config.workers, priced=config.has_prices)
    if as_json:
        typer.echo(json.dumps(results_to_json(results) if found is None else to_json(found), indent=2))
    elif found is not None:
        print_estimate(found, noun="trajectories")
        typer.echo(f"\nTheir records are in {out}. Run the rest with: {command}")
    else:
        print_results(results)
        if last_error.usage is not None and last_error.usage.price is not None:
            typer.echo(usage_words(last_error.usage))
        typer.echo(f"\n{out}: figures in results.json, trajectories in {EVALUATION_SAMPLES.stored_name(out)}")
    if stopped is not None:
        fail_at_limit(stopped, command)
    if missing := results.errors + results.infrastructure + results.checker_failures:
        causes = {
            "the reasoner": results.errors,
            "the sandbox": results.infrastructure,
            "the checker of the problem": results.checker_failures,
        }
        failed = " and ".join(name for name, count in causes.items() if count)
        reason = f": {last_error.message}" if last_error.message else ""
        fail(f"{missing} trajectories are not done because {failed} failed{reason}. Retry them with: {command}", code=1)
