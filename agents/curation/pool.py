"""Many problems at once: threads that work, and one loop that keeps what they bring.

    summary = curate(CurateConfig(families=("all",), limit=20), Path("runs/first"), report=print)

Each problem depends on the seed and on itself alone, so the results are the same with any number of workers, and after
any number of kills: what is done has its line, what was under way goes on from its checkpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from agents.curation.bench import Bench, open_bench
from agents.curation.config import CurateConfig, digest, load_problems
from agents.curation.folder import Folder, claim
from agents.curation.records import Record, read_records
from agents.curation.summary import Summary, summarize
from env import Problem, Reasoner, ReasonerError

PATIENCE = 5
"""Problems that may fail one after another, through no fault of theirs, before a curation stops."""
TICK = 0.2
"""Seconds between two reports while nothing happens."""


class CurationStoppedError(RuntimeError):
    """Too many problems failed one after another for it to make sense to go on."""


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
    """Those that the reasoner failed, in this session."""
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
    report: Report | None = None,
) -> Summary:
    """Curate into the folder `out`. A run that is finished already gives its summary and does nothing.

    reasoner: instead of the one that the settings name; it is not closed.
    Raises ValueError and OSError for bad input, ReasonerError and SandboxUnavailableError where the parts cannot be
    opened, CurationStoppedError where problem after problem fails. Whatever is raised, what was done can be resumed.
    """
    problems = load_problems(config)
    with claim(out, config, digest(problems), resume=resume) as folder:
        session = _Session(config, folder, problems)
        if session.left:
            with open_bench(config, folder.checkpoints, reasoner=reasoner) as bench:
                session.run(bench, report)
        return session.finish()


class _Session:
    """What one process knows of a curation."""

    def __init__(self, config: CurateConfig, folder: Folder, problems: Sequence[Problem]) -> None:
        self.config, self.folder, self.problems = config, folder, problems
        self.done = {record.id: record for record in read_records(folder.episodes)}
        self.left = [problem for problem in problems if problem.id not in self.done or self.done[problem.id].failed]
        self.errors: dict[str, str] = {}
        self.row = 0  # Problems that failed since the last one that did not.
        self.counts: Counter[str] = Counter()
        for record in self.done.values():
            self._count(record, 1)
        self.earlier = max((record.at_seconds for record in self.done.values()), default=0.0)
        self.started = monotonic()

    def run(self, bench: Bench, report: Report | None) -> None:
        """Work on what is left, keep each record as it comes, and stop where nothing comes any more."""
        # They have a line: a kill came before they were forgotten, or the sandbox failed them and they start anew.
        for id in self.done:
            bench.forget(id)
        pool = ThreadPoolExecutor(self.config.workers, thread_name_prefix="curate")
        try:
            waiting = {pool.submit(bench.work, problem): problem for problem in self.left}
            while waiting:
                finished, _ = wait(waiting, timeout=TICK, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._keep(waiting.pop(future), future, bench)
                if report:
                    report(self._progress(len(waiting), bench.reasoner.tokens))
        finally:
            bench.reasoner.halt()
            pool.shutdown(cancel_futures=True)

    def finish(self) -> Summary:
        """Put the files in order."""
        records = [self.done[problem.id] for problem in self.problems if problem.id in self.done]
        summary = summarize(self.config, records, errors=len(self.errors))
        self.folder.finish(records, summary)
        return summary

    def _keep(self, problem: Problem, future: Future[Record], bench: Bench) -> None:
        try:
            record = replace(future.result(), at_seconds=round(self.earlier + monotonic() - self.started, 3))
        except ReasonerError as error:
            self.errors[problem.id] = str(error)
            self._count_failure(str(error))
            return
        self.folder.add(record)
        bench.forget(problem.id)
        if problem.id in self.done:
            self._count(self.done[problem.id], -1)
        self.done[problem.id] = record
        self._count(record, 1)
        if record.failed:
            self._count_failure("the sandbox failed")
        else:
            self.row = 0

    def _count(self, record: Record, step: int) -> None:
        self.counts["golden"] += step * (record.outcome == "golden")
        self.counts["corrected"] += step * record.corrected

    def _count_failure(self, reason: str) -> None:
        self.row += 1
        if self.row == PATIENCE:
            raise CurationStoppedError(f"{self.row} problems failed one after another, the last one because: {reason}")

    def _progress(self, waiting: int, tokens: int) -> Progress:
        return Progress(
            total=len(self.problems),
            done=len(self.done),
            golden=self.counts["golden"],
            corrected=self.counts["corrected"],
            discarded=len(self.done) - self.counts["golden"],
            in_flight=min(waiting, self.config.workers),
            errors=len(self.errors),
            tokens_per_second=tokens / max(monotonic() - self.started, 1e-9),
            error=next(reversed(self.errors.values()), ""),
        )
