"""Curate many problems on a worker pool, and store each record when it is done.

Finished problems are in `episodes.jsonl`; unfinished ones resume from their checkpoints.
"""

from collections.abc import Callable
from pathlib import Path

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.files import KIND, Folder
from storm_calm.agents.curation.problem_runner import open_problem_runner
from storm_calm.agents.curation.records import Record, read_records
from storm_calm.agents.curation.summary import Summary, summarize
from storm_calm.agents.curation.training_warnings import returns_ids, training_warnings
from storm_calm.agents.interveners import Intervener
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.problem_options import digest
from storm_calm.agents.runs.progress import OnProgress
from storm_calm.agents.runs.prompt_format_record import record_prompt_format
from storm_calm.agents.runs.resume import ResumableWork
from storm_calm.agents.runs.run_folder import WORKSPACES, check_run_folder, claim_run_folder
from storm_calm.agents.runs.shard import write_shard_problems
from storm_calm.env import Reasoner


def curate(
    config: CurateConfig,
    out: Path,
    *,
    resume: bool = False,
    reasoner: Reasoner | None = None,
    intervener: Intervener | None = None,
    on_progress: OnProgress | None = None,
    on_warning: Callable[[str], object] | None = None,
) -> Summary:
    """Curate into the folder `out`, or return the summary of a finished run.

    reasoner, intervener: replace the configured ones; they are not closed.
    on_warning: called before the first problem if the trajectories cannot be trained on, with the reason and the fix.
    Raises ValueError and OSError for invalid input, ReasonerError and SandboxUnavailableError if the components cannot
    be opened, and TooManyFailuresError if problem after problem fails. After any error the run can be resumed.
    """
    if config.size is not None:
        check_run_folder(out, KIND, to_toml(config))
    every = config.read_problems(out / WORKSPACES)
    problems = config.in_shard(every)
    folder = Folder(out)
    settings = {**to_toml(config), "problems_digest": digest(every)}
    with claim_run_folder(out, KIND, settings, done=folder.done, resume=resume):
        if config.chosen_shard is not None:
            write_shard_problems(out, config.chosen_shard, every)
        jobs = {problem.id: problem for problem in problems}
        work = ResumableWork(jobs, read_records(folder.episodes), labels=_labels)
        if work.left:
            with open_problem_runner(config, folder, reasoner=reasoner, intervener=intervener) as runner:
                record_prompt_format(out, runner.reasoner)
                if on_warning is not None:
                    ids = returns_ids(runner.reasoner)
                    for warning in training_warnings(config.reasoner, problems, ids=ids):
                        on_warning(warning)
                # A crash may have left checkpoints of stored problems, and problems the sandbox failed start anew.
                for record in work.results.values():
                    runner.forget(record.id)

                def keep(record: Record) -> None:
                    folder.add(record)
                    runner.forget(record.id)

                work.run(
                    runner.run,
                    keep=keep,
                    workers=config.workers,
                    usage=lambda: runner.reasoner.usage,
                    parts_done=runner.parts_done,
                    cancel=runner.cancel,
                    on_progress=on_progress,
                    name="curate",
                )
        records = work.in_order()
        summary = summarize(config, records, errors=len(work.errors))
        folder.finish(records, summary)
        return summary


def _labels(record: Record) -> dict[str, int]:
    golden = record.outcome == "golden"
    return {"golden": golden, "corrected": record.corrected, "discarded": not golden}
