"""The worker pool: run jobs on threads, and store each result when it is ready."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from storm_calm.env import ReasonerError

MAX_CONSECUTIVE_FAILURES = 5
"""Infrastructure failures in a row after which a run stops."""
PROGRESS_INTERVAL_SECONDS = 0.2
"""The longest time between two calls of `on_progress`."""

QUEUED_PER_WORKER = 4
"""Jobs that are submitted at once, for each thread."""

Job = TypeVar("Job")
Result = TypeVar("Result")
RunJobs = Callable[..., list[str]]
"""A pool: `run_jobs`, or a function that is called in the same way."""


class RunStoppedError(RuntimeError):
    """A pool stopped before its jobs were done. The run can be resumed."""


class TooManyFailuresError(RunStoppedError):
    """Several problems in a row failed, so the run stopped."""


def run_jobs(
    jobs: Iterable[Job],
    work: Callable[[Job], Result],
    keep: Callable[[Result], bool],
    *,
    workers: int,
    cancel: Callable[[], None],
    on_progress: Callable[[int, list[str]], None],
    name: str,
) -> list[str]:
    """Run all jobs on `workers` threads. Return the messages of ReasonerErrors.

    keep: stores a result, in this thread. Returns True if the sandbox or a checker failed, so that it does not count.
    cancel: cancels the jobs in flight; always called at the end.
    on_progress: called in this thread, with the number of submitted, unfinished jobs, and the errors so far.
    Raises TooManyFailuresError after `MAX_CONSECUTIVE_FAILURES` failures in a row.
    """
    errors: list[str] = []
    failures = 0  # In a row.
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    left = iter(jobs)
    try:
        # A few more than there are threads, so that none waits for this one, and not all of a million jobs.
        waiting = {pool.submit(work, job) for job in islice(left, QUEUED_PER_WORKER * workers)}
        while waiting:
            finished, waiting = wait(waiting, timeout=PROGRESS_INTERVAL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                reason = ""
                try:
                    if keep(future.result()):
                        reason = "the sandbox or a checker failed"
                except ReasonerError as error:
                    reason = str(error)
                    errors.append(reason)
                failures = failures + 1 if reason else 0
                if failures == MAX_CONSECUTIVE_FAILURES:
                    raise TooManyFailuresError(
                        f"{failures} problems failed one after another, the last one because: {reason}"
                    )
            waiting |= {pool.submit(work, job) for job in islice(left, len(finished))}
            on_progress(len(waiting), errors)
    finally:
        cancel()
        pool.shutdown(cancel_futures=True)
    return errors
