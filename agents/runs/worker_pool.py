"""The worker pool: run jobs on threads, and keep each result as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from storm_calm.env import ReasonerError

MAX_CONSECUTIVE_FAILURES = 5
"""Problems that may fail one after another, through no fault of theirs, before a run stops."""
PROGRESS_INTERVAL_SECONDS = 0.2
"""Seconds between two calls of `on_progress` while nothing happens."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class TooManyFailuresError(RuntimeError):
    """Too many problems failed one after another for it to make sense to go on."""


def run_jobs(
    jobs: Iterable[Job],
    work: Callable[[Job], Result],
    keep: Callable[[Job, Result], bool],
    *,
    workers: int,
    cancel: Callable[[], None],
    on_progress: Callable[[int, list[str]], None],
    name: str,
) -> list[str]:
    """Run all jobs on `workers` threads; return the errors of the reasoner.

    keep: called in this thread with each result as it comes; whether the sandbox failed, so that the result says
    nothing about the model.
    cancel: cancels what is under way; called at the end, whatever the end is.
    on_progress: called in this thread now and then, with the number of jobs that are left and the errors so far.
    name: of the threads.
    Raises TooManyFailuresError where job after job fails.
    """
    errors: list[str] = []
    row = 0  # Jobs that failed since the last one that did not.
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    try:
        waiting = {pool.submit(work, job): job for job in jobs}
        while waiting:
            finished, _ = wait(waiting, timeout=PROGRESS_INTERVAL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                job = waiting.pop(future)
                reason = ""
                try:
                    if keep(job, future.result()):
                        reason = "the sandbox failed"
                except ReasonerError as error:
                    reason = str(error)
                    errors.append(reason)
                row = row + 1 if reason else 0
                if row == MAX_CONSECUTIVE_FAILURES:
                    raise TooManyFailuresError(
                        f"{row} problems failed one after another, the last one because: {reason}"
                    )
            on_progress(len(waiting), errors)
    finally:
        cancel()
        pool.shutdown(cancel_futures=True)
    return errors
