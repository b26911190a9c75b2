"""Many problems at once: threads that work, and one loop that keeps what they bring.

    summary = curate(CurateConfig(families=("all",), limit=20), Path("runs/first"), on_progress=print)

Each problem depends on the seed and on itself alone, so the results are the same with any number of workers, and after
any number of kills: what is done has its line, what was under way goes on from its checkpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from storm_calm.agents.curation.config import CurateConfig, load_problems
from storm_calm.agents.curation.files import Folder, claim
from storm_calm.agents.curation.problem_runner import ProblemRunner, open_problem_runner
from storm_calm.agents.curation.records import Record, read_records
from storm_calm.agents.curation.summary import Summary, summarize
from storm_calm.agents.interveners import Intervener
from storm_calm.agents.runs.settings import digest
from storm_calm.agents.runs.worker_pool import run_jobs
from storm_calm.env import Problem, Reasoner


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a curation is. Counts of problems include those of earlier sessions."""

    total: int
    """Problems in all."""
    done: int
    """Those that have their line."""
    golden: int
    """Golden ones."""
    corrected: int
    """Right in the end, and not without interventions."""
    discarded: int
    """Done and not golden."""
    in_flight: int
    """Those under way."""
    errors: int
    """Those that the reasoner or the intervener failed, in this session."""
    tokens_per_second: float
    """Tokens that were written in this session, for each second of it."""
    error: str
    """What the last error was; "" without one."""


Report = Callable[[Progress], None]
"""Gets to hear how far a curation is, now and then, in the thread that started it."""


def curate(
    config: CurateConfig,
    out: Path,
    *,
    resume: bool = False,
    reasoner: Reasoner | None = None,
    intervener: Intervener | None = None,
    on_progress: Report | None = None,
) -> Summary:
    """Curate into the folder `out`. A run that is finished already gives its summary and does nothing.

    reasoner, intervener: instead of those that the settings name; they are not closed.
    Raises ValueError and OSError for bad input, ReasonerError and SandboxUnavailableError where the parts cannot be
    opened, TooManyFailuresError where problem after problem fails. Whatever is raised, what was done can be resumed.
    """
    problems = load_problems(config)
    with claim(out, config, digest(problems), resume=resume) as folder:
        session = _Session(config, folder, problems)
        if session.left:
            with open_problem_runner(config, folder, reasoner=reasoner, intervener=intervener) as runner:
                session.run(runner, on_progress)
        return session.finish()


class _Session:
    """What one process knows of a curation."""

    def __init__(self, config: CurateConfig, folder: Folder, problems: Sequence[Problem]) -> None:
        self.config, self.folder, self.problems = config, folder, problems
        self.done = {record.id: record for record in read_records(folder.episodes)}
        self.left = [problem for problem in problems if problem.id not in self.done or self.done[problem.id].failed]
        self.errors: list[str] = []
        self.counts: Counter[str] = Counter()
        for record in self.done.values():
            self._count(record, 1)
        self.earlier = max((record.at_seconds for record in self.done.values()), default=0.0)
        self.started = monotonic()

    def run(self, runner: ProblemRunner, on_progress: Report | None) -> None:
        """Work on what is left, keep each record as it comes, and stop where nothing comes any more."""
        # They have a line: a kill came before they were forgotten, or the sandbox failed them and they start anew.
        for id in self.done:
            runner.forget(id)

        def tick(waiting: int, errors: list[str]) -> None:
            if on_progress:
                on_progress(self._progress(waiting, errors, runner.reasoner.tokens))

        self.errors = run_jobs(
            self.left,
            runner.run,
            lambda problem, record: self._keep(problem, record, runner),
            workers=self.config.workers,
            cancel=runner.cancel,
            tick=tick,
            name="curate",
        )

    def finish(self) -> Summary:
        """Put the files in order."""
        records = [self.done[problem.id] for problem in self.problems if problem.id in self.done]
        summary = summarize(self.config, records, errors=len(self.errors))
        self.folder.finish(records, summary)
        return summary

    def _keep(self, problem: Problem, record: Record, runner: ProblemRunner) -> bool:
        record = replace(record, at_seconds=round(self.earlier + monotonic() - self.started, 3))
        self.folder.add(record)
        runner.forget(problem.id)
        if problem.id in self.done:
            self._count(self.done[problem.id], -1)
        self.done[problem.id] = record
        self._count(record, 1)
        return record.failed

    def _count(self, record: Record, step: int) -> None:
        self.counts["golden"] += step * (record.outcome == "golden")
        self.counts["corrected"] += step * record.corrected

    def _progress(self, waiting: int, errors: list[str], tokens: int) -> Progress:
        return Progress(
            total=len(self.problems),
            done=len(self.done),
            golden=self.counts["golden"],
            corrected=self.counts["corrected"],
            discarded=len(self.done) - self.counts["golden"],
            in_flight=min(waiting, self.config.workers),
            errors=len(errors),
            tokens_per_second=tokens / max(monotonic() - self.started, 1e-9),
            error=errors[-1] if errors else "",
        )
