"""Run jobs whose results are stored one by one, so that a run can resume after a crash with the missing jobs.

    work = ResumableWork(jobs, kept, labels=labels)
    work.run(solve, keep=keep, workers=4, usage=lambda: reasoner.usage, cancel=reasoner.cancel, name="eval")

A job must depend only on the seed and on itself. The results are then the same with any number of workers and restarts.
Only the keys of results are in memory: about 0.2 KB for each job.
"""

import typing
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from storm_calm.agents.runs.progress import OnProgress, ProgressMeter, SessionUsage
from storm_calm.agents.runs.worker_pool import RunJobs, run_jobs


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
JobOut = TypeVar("JobOut", covariant=True)
Result = TypeVar("Result", bound=JobResult)


class Jobs(typing.Protocol[JobOut]):
    """All jobs of a run by key, such as a dict."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __contains__(self, key: object, /) -> bool: ...
    def items(self) -> Iterable[tuple[Any, JobOut]]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptResult:
    """What counts of a result that an earlier session stored."""

    key: Hashable
    failed: bool
    at_seconds: float
    counts: Mapping[str, int]
    """What it adds to `Progress.counts`."""


class ResumableWork(Generic[Job, Result]):
    """The jobs of a run and their results."""

    def __init__(
        self, jobs: Jobs[Job], kept: Iterable[KeptResult], *, labels: Callable[[Result], Mapping[str, int]]
    ) -> None:
        """jobs: all jobs. kept: results of earlier sessions. labels: what a result adds to `Progress.counts`."""
        self.errors: list[str] = []
        """Error messages of this session."""
        self.not_started = 0
        """Jobs that were left when `is_over` returned True."""
        self._jobs, self._labels = jobs, labels
        self._only: Collection[Hashable] | None = None
        self._done: set[Hashable] = set()
        self._failed: dict[Hashable, Mapping[str, int]] = {}
        self._counts: Counter[str] = Counter()
        self._earlier = 0.0
        for result in kept:
            self._count(result.key, result.failed, result.counts)
            self._earlier = max(self._earlier, result.at_seconds)
        self._meter = ProgressMeter(len(jobs), done=len(self._done), earlier_seconds=self._earlier)

    @property
    def left(self) -> Iterator[Job]:
        """The jobs without a result that counts, one at a time."""
        return (job for _, job in self._left())

    @property
    def any_left(self) -> bool:
        """Whether there is such a job."""
        return next(self._left(), None) is not None

    def _left(self) -> Iterator[tuple[Hashable, Job]]:
        for key, job in self._jobs.items():
            if key not in self._done and (self._only is None or key in self._only):
                yield key, job

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
        is_over: Callable[[], bool] = lambda: False,
        run_jobs: RunJobs = run_jobs,
    ) -> None:
        """Run the jobs that are left.

        keep: stores a result, in this thread. usage: returns the tokens so far. parts_done: returns the work that is
        done on jobs in flight, in jobs. is_over: returns True if no more jobs should start. run_jobs: the pool; by
        default threads of this process.
        For the others see `run_jobs`. Raises TooManyFailuresError as `run_jobs` does.
        """

        def start(job: Job) -> Result | None:
            return None if is_over() else work(job)

        def keep_and_count(result: Result | None) -> bool:
            if result is None:
                self.not_started += 1
                return False
            seconds = round(self._earlier + self._meter.elapsed_seconds, 3)
            result = cast(Result, replace(cast(Any, result), at_seconds=seconds))
            keep(result)
            self._count(result.key, result.failed, self._labels(result))
            return result.failed

        def report(unfinished: int, errors: list[str]) -> None:
            if on_progress is None:
                return
            counts = {name: count for name, count in self._counts.items() if count or name != FAILED}
            in_flight = min(unfinished, workers)
            on_progress(
                self._meter.read(
                    done=len(self._done),
                    in_flight=in_flight,
                    counts=counts,
                    errors=errors,
                    usage=usage(),
                    parts_done=parts_done(),
                )
            )

        self.errors = run_jobs(
            self.left, start, keep_and_count, workers=workers, cancel=cancel, on_progress=report, name=name
        )

    def keep_only(self, keys: Collection[Hashable]) -> None:
        """Run only the jobs with these keys. The others are left for a later session."""
        self._only = keys

    def _count(self, key: Hashable, failed: bool, counts: Mapping[str, int]) -> None:
        """Count a result, in place of one that failed before."""
        if key in self._failed:
            self._counts.subtract(self._failed.pop(key))
        labelled = {**counts, FAILED: int(failed)}
        if failed:
            self._failed[key] = labelled
        else:
            self._done.add(key)
        self._counts.update(labelled)


class ClusterPool(typing.Protocol):
    """A pool that runs the jobs of a run on other machines, such as `agents.ray.pool.RayPool`."""

    options: str
    """The options of a command that select it, such as " --on ray"."""

    def run(
        self,
        work: ResumableWork[Any, Any],
        config: Any,
        out: Path,
        *,
        keep: Callable[[Any], object],
        on_progress: OnProgress | None,
    ) -> None:
        """Run the jobs of `work` that are left, as `ResumableWork.run` does. out: the run folder."""
        ...
