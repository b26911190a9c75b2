"""Jobs whose results are kept one by one, so that a run resumes after a kill with what is missing.

    work = ResumableWork(jobs, kept, labels=labels)
    work.run(solve, keep=keep, workers=4, tokens=lambda: reasoner.tokens, cancel=reasoner.cancel, name="eval")
    work.in_order()

Each job depends on the seed and on itself alone, so the results are the same with any number of workers, and after any
number of kills. What may change between two sessions is up to the run folder (`agents.runs.run_folder`).
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from storm_calm.agents.runs.progress import OnProgress, ProgressMeter
from storm_calm.agents.runs.worker_pool import run_jobs


class JobResult(typing.Protocol):
    """What is kept of a job."""

    @property
    def key(self) -> Hashable:
        """The key of its job."""

    @property
    def failed(self) -> bool:
        """Whether the sandbox failed it, so that it says nothing about the model and is run again."""

    @property
    def at_seconds(self) -> float:
        """Wall seconds after which it was done, counted over all sessions."""


Job = TypeVar("Job")
Result = TypeVar("Result", bound=JobResult)


class ResumableWork(Generic[Job, Result]):
    """What one process knows of the jobs of a run and of their results."""

    def __init__(
        self, jobs: Mapping[Any, Job], kept: Iterable[Result], *, labels: Callable[[Result], Mapping[str, int]]
    ) -> None:
        """jobs: all of them, by key. kept: results of earlier sessions. labels: what a result adds to the counts."""
        self.results = {result.key: result for result in kept}
        self.left = [job for key, job in jobs.items() if key not in self.results or self.results[key].failed]
        """Jobs without a result that counts."""
        self.errors: list[str] = []
        """Messages of the jobs that failed in this session."""
        self._order, self._labels = tuple(jobs), labels
        self._counts: Counter[str] = Counter()
        for result in self.results.values():
            self._counts.update(self._labelled(result))
        self._earlier = max((result.at_seconds for result in self.results.values()), default=0.0)
        self._meter = ProgressMeter(len(jobs), done=self._done)

    def run(
        self,
        work: Callable[[Job], Result],
        *,
        keep: Callable[[Result, float], Result],
        workers: int,
        tokens: Callable[[], int],
        cancel: Callable[[], None],
        on_progress: OnProgress | None = None,
        name: str,
    ) -> None:
        """Work on what is left.

        keep: stores a result, with the wall seconds after which it was done, and returns what it stored.
        tokens: how many were written so far. Raises TooManyFailuresError as `run_jobs` does.
        """

        def keep_one(job: Job, result: Result) -> bool:
            result = keep(result, round(self._earlier + self._meter.elapsed_seconds, 3))
            if result.key in self.results:
                self._counts.subtract(self._labelled(self.results[result.key]))
            self.results[result.key] = result
            self._counts.update(self._labelled(result))
            return result.failed

        def tell(unfinished: int, errors: list[str]) -> None:
            if on_progress:
                counts = {name: count for name, count in self._counts.items() if count or name != SANDBOX_FAILED}
                on_progress(
                    self._meter.read(
                        done=self._done,
                        in_flight=min(unfinished, workers),
                        counts=counts,
                        errors=errors,
                        tokens=tokens(),
                    )
                )

        self.errors = run_jobs(self.left, work, keep_one, workers=workers, cancel=cancel, on_progress=tell, name=name)

    def in_order(self) -> list[Result]:
        """Return the results in the order of the jobs."""
        return [self.results[key] for key in self._order if key in self.results]

    @property
    def _done(self) -> int:
        return len(self.results) - self._counts[SANDBOX_FAILED]

    def _labelled(self, result: Result) -> Mapping[str, int]:
        return {**self._labels(result), SANDBOX_FAILED: int(result.failed)}


SANDBOX_FAILED = "sandbox failed"
"""What results that say nothing about the model are counted as."""
