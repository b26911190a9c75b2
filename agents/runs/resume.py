"""Run jobs whose results are stored one by one, so that a run can resume after a crash with the missing jobs.

    work = ResumableWork(jobs, kept, labels=labels)
    work.run(solve, keep=keep, workers=4, usage=lambda: reasoner.usage, cancel=reasoner.cancel, name="eval")
    work.in_order()

A job must depend only on the seed and on itself. The results are then the same with any number of workers and restarts.
"""

import typing
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from storm_calm.agents.runs.progress import OnProgress, ProgressMeter, SessionUsage
from storm_calm.agents.runs.worker_pool import run_jobs


class JobResult(typing.Protocol):
    """A stored result of a job, which must be a dataclass.

    failed: whether the sandbox or a checker failed, so that the result does not count and the job runs again.
    at_seconds: wall seconds from the start of the run to the result, over all sessions.
    """

    @property
    def key(self) -> Hashable: ...
    @property
    def failed(self) -> bool: ...
    @property
    def at_seconds(self) -> float: ...


FAILED = "not scored"
"""The label of results that do not count."""

Job = TypeVar("Job")
Result = TypeVar("Result", bound=JobResult)


class ResumableWork(Generic[Job, Result]):
    """The jobs of a run and their results."""

    def __init__(
        self, jobs: Mapping[Any, Job], kept: Iterable[Result], *, labels: Callable[[Result], Mapping[str, int]]
    ) -> None:
        """jobs: all jobs by key. kept: results of earlier sessions. labels: what a result adds to `Progress.counts`."""
        self.results = {result.key: result for result in kept}
        self.left = [job for key, job in jobs.items() if key not in self.results or self.results[key].failed]
        """Jobs without a result that counts."""
        self.errors: list[str] = []
        """Error messages of this session."""
        self._order, self._labels = tuple(jobs), labels
        self._counts: Counter[str] = Counter()
        for result in self.results.values():
            self._counts.update(self._labelled(result))
        self._earlier = max((result.at_seconds for result in self.results.values()), default=0.0)
        self._meter = ProgressMeter(len(jobs), done=self._done, earlier_seconds=self._earlier)

    def run(
        self,
        work: Callable[[Job], Result],
        *,
        keep: Callable[[Result], object],
        workers: int,
        usage: Callable[[], SessionUsage],
        cancel: Callable[[], None],
        on_progress: OnProgress | None = None,
        parts_done: Callable[[], float] = lambda: 0.0,
        name: str,
    ) -> None:
        """Run the jobs that are left.

        keep: stores a result, in this thread. usage: returns the tokens so far. parts_done: returns the work that is
        done on jobs in flight, in jobs.
        For the others see `run_jobs`. Raises TooManyFailuresError as `run_jobs` does.
        """

        def keep_and_count(result: Result) -> bool:
            seconds = round(self._earlier + self._meter.elapsed_seconds, 3)
            result = cast(Result, replace(cast(Any, result), at_seconds=seconds))
            keep(result)
            if result.key in self.results:
                self._counts.subtract(self._labelled(self.results[result.key]))
            self.results[result.key] = result
            self._counts.update(self._labelled(result))
            return result.failed

        def report(unfinished: int, errors: list[str]) -> None:
            if on_progress is None:
                return
            counts = {name: count for name, count in self._counts.items() if count or name != FAILED}
            in_flight = min(unfinished, workers)
            on_progress(
                self._meter.read(
                    done=self._done,
                    in_flight=in_flight,
                    counts=counts,
                    errors=errors,
                    usage=usage(),
                    parts_done=parts_done(),
                )
            )

        self.errors = run_jobs(
            self.left, work, keep_and_count, workers=workers, cancel=cancel, on_progress=report, name=name
        )

    def in_order(self) -> list[Result]:
        """Return the results in the order of the jobs."""
        return [self.results[key] for key in self._order if key in self.results]

    @property
    def _done(self) -> int:
        return len(self.results) - self._counts[FAILED]

    def _labelled(self, result: Result) -> Mapping[str, int]:
        return {**self._labels(result), FAILED: int(result.failed)}
