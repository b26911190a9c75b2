"""Curate many problems on a worker pool, and store each record when it is done.

Finished problems are in `episodes.jsonl`; unfinished ones resume from their checkpoints.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.files import KIND, Folder, labels
from storm_calm.agents.curation.problem_runner import open_problem_runner
from storm_calm.agents.curation.records import Record, record_from_json
from storm_calm.agents.curation.summary import Summary, summarize
from storm_calm.agents.curation.training_warnings import count_held_out, returns_ids, training_warnings
from storm_calm.agents.interveners import Intervener
from storm_calm.agents.ray.rows import add_left_rows
from storm_calm.agents.runs.estimate import OnSample, sample_of
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.problem_options import digest
from storm_calm.agents.runs.progress import OnProgress
from storm_calm.agents.runs.prompt_format_record import record_prompt_format
from storm_calm.agents.runs.resume import ClusterPool, ResumableWork
from storm_calm.agents.runs.run_cost import RunCost
from storm_calm.agents.runs.run_folder import WORKSPACES, check_run_folder, claim_run_folder
from storm_calm.agents.runs.shard import write_shard_problems
from storm_calm.agents.runs.stored_problems import ProblemJobs
from storm_calm.env import Problem, Reasoner


def curate(
    config: CurateConfig,
    out: Path,
    *,
    resume: bool = False,
    reasoner: Reasoner | None = None,
    intervener: Intervener | None = None,
    pool: ClusterPool | None = None,
    sample: int | None = None,
    on_sample: OnSample | None = None,
    on_progress: OnProgress | None = None,
    on_warning: Callable[[str], object] | None = None,
) -> Summary:
    """Curate into the folder `out`, or return the summary of a finished run.

    reasoner, intervener: replace the configured ones; they are not closed. pool: solves the problems on a cluster
    instead. sample: solve only that many problems, drawn at random by the seed; the others are left for a resume.
    on_sample: called at the end with the keys of the sample.
    on_warning: called before the first problem if the trajectories cannot be trained on, with the reason and the fix.
    Raises ValueError and OSError for invalid input, ReasonerError and SandboxUnavailableError if the components cannot
    be opened, TooManyFailuresError if problem after problem fails, and CostLimitError at `max_cost`. After any error
    the run can be resumed.
    """
    if config.size is not None:
        check_run_folder(out, KIND, to_toml(config))
    every = config.read_problems(out / WORKSPACES)
    problems = config.in_shard(every)
    folder = Folder(out, expected=len(problems))
    settings = {**to_toml(config), "problems_digest": digest(every)}
    # Closed before the folder is unlocked, and also if it cannot be claimed.
    with closing(folder), claim_run_folder(out, KIND, settings, done=folder.done, resume=resume), closing(folder):
        if config.chosen_shard is not None:
            write_shard_problems(out, config.chosen_shard, every)
        add_left_rows(out, lambda data: folder.add(record_from_json(data)), resumed=pool is not None)
        jobs = ProblemJobs(problems)
        work: ResumableWork[Problem, Record] = ResumableWork(
            jobs, folder.kept(), labels=lambda record: labels(record.outcome, record.corrected)
        )
        if sample is not None:
            work.keep_only(sample_of(jobs, sample, seed=config.seed))

        def begin(opened: Reasoner) -> None:
            record_prompt_format(out, opened)
            if on_warning is not None:
                held_out, ids = count_held_out(problems), returns_ids(opened)
                for warning in training_warnings(config.reasoner, problems=len(problems), held_out=held_out, ids=ids):
                    on_warning(warning)

        if pool is not None and work.any_left:
            with closing(config.open_reasoner()) as opened:
                begin(opened)
            counted = 0.0
            with RunCost(out, limit=config.max_cost, price=lambda: counted if config.has_prices else None) as cost:

                def keep_row(record: Record) -> None:
                    nonlocal counted
                    folder.add(record)
                    counted += config.price_of(record.reasoner_usage) + record.cost.price
                    cost.save()
                    cost.check("more problems")

                pool.run(work, config, out, keep=keep_row, on_progress=on_progress)
        elif pool is None and work.any_left:
            with (
                open_problem_runner(config, folder, reasoner=reasoner, intervener=intervener) as runner,
                RunCost(out, limit=config.max_cost, price=runner.price) as cost,
            ):
                begin(runner.reasoner)
                # A crash may have left checkpoints of stored problems, and problems the sandbox failed start anew.
                for id in runner.unfinished():
                    if id in folder.episodes:
                        runner.forget(id)

                def keep(record: Record) -> None:
                    folder.add(record)
                    runner.forget(record.id)
                    cost.save()

                work.run(
                    runner.run,
                    keep=keep,
                    workers=config.workers,
                    usage=lambda: runner.reasoner.usage,
                    parts_done=runner.parts_done,
                    cancel=runner.cancel,
                    is_over=lambda: cost.limit_reached,
                    on_progress=on_progress,
                    name="curate",
                )
        folder.set_order(problem.id for problem in problems)
        summary = summarize(config, folder.records(), errors=len(work.errors))
        folder.finish(summary)
        if sample is not None and on_sample is not None:
            on_sample(sample_of(jobs, sample, seed=config.seed), len(jobs))
        if work.not_started:
            cost.check(f"{work.not_started} problems", result=summary)
        return summary
