"""Threads that work, and one loop that keeps what they bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from storm_calm.env import ReasonerError

PATIENCE = 5
"""Problems that may fail one after another, through no fault of theirs, before a run stops."""
TICK = 0.2
"""Seconds between two reports while nothing happens."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class RunStoppedError(RuntimeError):
    """Too many problems failed one after another for it to make sense to go on."""


def work_off(
    jobs: Iterable[Job],
    work: Callable[[Job], Result],
    keep: Callable[[Job, Result], bool],
    *,
    workers: int,
    halt: Callable[[], None],
    tick: Callable[[int, list[str]], None],
    name: str,
) -> list[str]:
    """Have every job worked on by one of `workers` threads; what the reasoner said where it failed one.

    keep: called in this thread with each result as it comes; whether the sandbox failed, so that the result says
    nothing about the model.
    halt: calls off what is under way; called at the end, whatever the end is.
    tick: called in this thread now and then, with the number of jobs that are left and the failures so far.
    name: of the threads.
    Raises RunStoppedError where job after job fails.
    """
    errors: list[str] = []
    row = 0  # Jobs that failed since the last one that did not.
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    try:
        waiting = {pool.submit(work, job): job for job in jobs}
        while waiting:
            finished, _ = wait(waiting, timeout=TICK, return_when=FIRST_COMPLETED)
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
                if row == PATIENCE:
                    raise RunStoppedError(f"{row} problems failed one after another, the last one because: {reason}")
            tick(len(waiting), errors)
    finally:
        halt()
        pool.shutdown(cancel_futures=True)
    return errors
