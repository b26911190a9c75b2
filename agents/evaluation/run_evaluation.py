"""Run an evaluation on a worker pool: store each sample when it is done, then compute the results."""

from contextlib import closing
from functools import partial
from pathlib import Path

from storm_calm.agents.evaluation.config import EvalConfig, load_problems
from storm_calm.agents.evaluation.results import Results, results_to_json, work_out
from storm_calm.agents.evaluation.sample_file import SampleFile, SampleJobs, sample_labels
from storm_calm.agents.evaluation.sample_runner import Job, open_sample_runner
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES, Sample, sample_from_json, sample_key
from storm_calm.agents.evaluation.shard_test_sets import write_test_sets
from storm_calm.agents.ray.rows import add_left_rows, is_left
from storm_calm.agents.runs.estimate import OnSample, sample_of
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.price_options import COST_SETTINGS
from storm_calm.agents.runs.problem_options import digest
from storm_calm.agents.runs.progress import OnProgress
from storm_calm.agents.runs.prompt_format_record import record_prompt_format
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.agents.runs.resume import ClusterPool, ResumableWork
from storm_calm.agents.runs.run_cost import RunCost
from storm_calm.agents.runs.run_folder import WORKSPACES, RunKind, check_run_folder, claim_run_folder, stored_settings
from storm_calm.agents.runs.shard import write_shard_problems
from storm_calm.env import Reasoner
from storm_calm.env.atomic_write import write_json

SAMPLES, RESULTS = "samples.jsonl", "results.json"

KIND = RunKind(
    noun="an evaluation",
    verb="evaluates",
    may_change=frozenset({"workers", "rule", "release", "samples", "seeds"}) | COST_SETTINGS,
)


def evaluate(
    config: EvalConfig,
    out: Path,
    *,
    resume: bool = False,
    reasoner: Reasoner | None = None,
    pool: ClusterPool | None = None,
    sample: int | None = None,
    on_sample: OnSample | None = None,
    on_progress: OnProgress | None = None,
) -> Results:
    """Evaluate into the folder `out`, or score a finished run anew.

    reasoner: replaces the configured one; it is not closed. pool: solves the problems on a cluster instead.
    sample: run only that many trajectories, drawn at random by the seed; the others are left for a resume.
    on_sample: called at the end with the keys of the sample.
    Raises ValueError and OSError for invalid input, ReasonerError and SandboxUnavailableError if the components cannot
    be opened, TooManyFailuresError if sample after sample fails, and CostLimitError at `max_cost`. After any error the
    run can be resumed.
    """
    if config.size is not None:
        check_run_folder(out, KIND, to_toml(config))
    loaded = load_problems(config, out / WORKSPACES)
    problems = config.in_shard(loaded.problems)
    jobs = SampleJobs(problems, repetitions=config.seeds, samples=config.samples)
    samples = SampleFile(out, expected=len(jobs))

    def done() -> int | None:
        begun = EVALUATION_SAMPLES.exists(out) or is_left(out)
        add_left_rows(out, lambda data: samples.add(sample_from_json(data)), resumed=pool is not None)
        if resume:
            _check_release(config, out, settings["problems_digest"])
            _check_numbers(config, out, samples.store if begun else None)
        return next(samples.store.rows(("count(DISTINCT id)",), order=""))[0] if begun else None

    settings = {**to_toml(config), "problems_digest": digest(loaded.problems)}
    # Closed before the folder is unlocked, and also if it cannot be claimed.
    with closing(samples), claim_run_folder(out, KIND, settings, done=done, resume=resume), closing(samples):
        if config.chosen_shard is not None:
            write_shard_problems(out, config.chosen_shard, loaded.problems)
            write_test_sets(out, loaded)
        work: ResumableWork[Job, Sample] = ResumableWork(
            jobs, samples.kept(config.rule[0]), labels=partial(sample_labels, config.rule[0])
        )
        if sample is not None:
            work.keep_only(sample_of(jobs, sample, seed=config.seed))
        if work.any_left:
            # The old results would not match the new samples.
            (out / RESULTS).unlink(missing_ok=True)
            if pool is not None:
                with closing(config.open_reasoner()) as opened:
                    record_prompt_format(out, opened)
                counted = 0.0
                with RunCost(out, limit=config.max_cost, price=lambda: counted if config.has_prices else None) as cost:

                    def keep_row(sample: Sample) -> None:
                        nonlocal counted
                        samples.add(sample)
                        counted += config.price_of(sample.reasoner_usage)
                        cost.save()
                        cost.check("more trajectories")

                    pool.run(work, config, out, keep=keep_row, on_progress=on_progress)
            else:
                with (
                    open_sample_runner(config, reasoner=reasoner) as runner,
                    RunCost(out, limit=config.max_cost, price=lambda: runner.reasoner.usage.price) as cost,
                ):
                    record_prompt_format(out, runner.reasoner)

                    def keep_and_count(sample: Sample) -> None:
                        samples.add(sample)
                        cost.save()

                    work.run(
                        runner.run,
                        keep=keep_and_count,
                        workers=config.workers,
                        usage=lambda: runner.reasoner.usage,
                        cancel=runner.reasoner.cancel,
                        is_over=lambda: cost.limit_reached,
                        on_progress=on_progress,
                        name="eval",
                    )
        samples.store.set_order(sample_key(*key) for key in jobs.in_order())
        results = work_out(
            config,
            problems,
            samples.read(),
            errors=len(work.errors),
            unread=len(loaded.unread),
            releases=loaded.releases,
        )
        # A crash may have left all samples in the order in which they were done.
        samples.store.finish()
        write_json(out / RESULTS, results_to_json(results))
        if sample is not None and on_sample is not None:
            on_sample(sample_of(jobs, sample, seed=config.seed), len(jobs))
        if work.not_started:
            cost.check(f"{work.not_started} trajectories", result=results)
        return results


def _check_release(config: EvalConfig, out: Path, problems_digest: str) -> None:
    """Raise ValueError if the questions are now those of another release."""
    before = stored_settings(out) or {}
    other = before.get("problems_digest") != problems_digest
    if other and config.release and list(config.release) != before.get("release"):
        raise ValueError(
            f"{out}: its samples are on other questions than those of the release {config.release[0]}; "
            "give their release first, such as --release original,optimind, or another --out"
        )


def _check_numbers(config: EvalConfig, out: Path, store: RecordStore | None) -> None:
    """Raise ValueError if there are more samples or repetitions than the settings ask for."""
    most = (None, None) if store is None else next(store.rows(("max(sample)", "max(repetition)"), order=""))
    samples, seeds = (1 + (number or 0) for number in most)
    if samples > config.samples:
        raise ValueError(
            f"{out}: has {samples} samples of a problem; give --samples {samples} or more, or another --out"
        )
    if seeds > config.seeds:
        raise ValueError(f"{out}: has samples with {seeds} seeds; give --seeds {seeds} or more, or another --out")
