"""Curate many problems at once: run them on a worker pool, and keep each record as it comes.

    summary = curate(CurateConfig(families=("all",), limit=20), Path("runs/first"), on_progress=print)

Each problem depends on the seed and on itself alone, so the results are the same with any number of workers, and after
any number of kills: what is done has its line, what was under way goes on from its checkpoint.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.files import Folder, claim
from storm_calm.agents.curation.problem_runner import ProblemRunner, open_problem_runner
from storm_calm.agents.curation.records import Record, read_records
from storm_calm.agents.curation.summary import Summary, summarize
from storm_calm.agents.interveners import Intervener
from storm_calm.agents.runs.problem_options import digest
from storm_calm.agents.runs.progress import OnProgress
from storm_calm.agents.runs.resume import ResumableWork
from storm_calm.env import Problem, Reasoner


def curate(
    config: CurateConfig,
    out: Path,
    *,
    resume: bool = False,
    reasoner: Reasoner | None = None,
    intervener: Intervener | None = None,
    on_progress: OnProgress | None = None,
) -> Summary:
    """Curate into the folder `out`. A run that is finished already gives its summary and does nothing.

    reasoner, intervener: instead of those that the settings name; they are not closed.
    Raises ValueError and OSError for bad input, ReasonerError and SandboxUnavailableError where the parts cannot be
    opened, TooManyFailuresError where problem after problem fails. Whatever is raised, what was done can be resumed.
    """
    problems = config.read_problems()
    with claim(out, config, digest(problems), resume=resume) as folder:
        jobs = {problem.id: problem for problem in problems}
        work = ResumableWork(jobs, read_records(folder.episodes), labels=_labels)
        if work.left:
            with open_problem_runner(config, folder, reasoner=reasoner, intervener=intervener) as runner:
                _run(work, runner, folder, config.workers, on_progress)
        records = work.in_order()
        summary = summarize(config, records, errors=len(work.errors))
        folder.finish(records, summary)
        return summary


def _run(
    work: ResumableWork[Problem, Record],
    runner: ProblemRunner,
    folder: Folder,
    workers: int,
    on_progress: OnProgress | None,
) -> None:
    # They have a line: a kill came before they were forgotten, or the sandbox failed them and they start anew.
    for record in work.results.values():
        runner.forget(record.id)

    def keep(record: Record, at_seconds: float) -> Record:
        record = replace(record, at_seconds=at_seconds)
        folder.add(record)
        runner.forget(record.id)
        return record

    work.run(
        runner.run,
        keep=keep,
        workers=workers,
        tokens=lambda: runner.reasoner.tokens,
        cancel=runner.cancel,
        on_progress=on_progress,
        name="curate",
    )


def _labels(record: Record) -> dict[str, int]:
    golden = record.outcome == "golden"
    return {"golden": golden, "corrected": record.corrected, "discarded": not golden}
