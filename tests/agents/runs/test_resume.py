"""Results are stored one by one; the next session runs missing jobs and those the sandbox failed."""

import threading
from dataclasses import dataclass

import pytest

from storm_calm.agents.runs.progress import SessionUsage
from storm_calm.agents.runs.resume import KeptResult, ResumableWork
from storm_calm.agents.runs.worker_pool import QUEUED_PER_WORKER, TooManyFailuresError, run_jobs
from storm_calm.env import ReasonerError


@dataclass(frozen=True)
class Square:
    key: int
    value: int
    failed: bool = False
    at_seconds: float = 0.0


def square(job):
    return Square(job, job * job)


def odd(one):
    return {"odd": one.value % 2}


class Session:
    """One session with its stored results and its progress."""

    def __init__(self, kept=(), jobs=range(6)):
        self.kept, self.seen, self.cancelled = list(kept), [], 0
        before = [
            KeptResult(key=one.key, failed=one.failed, at_seconds=one.at_seconds, counts=odd(one)) for one in kept
        ]
        self.work = ResumableWork({job: job for job in jobs}, before, labels=odd)

    def run(self, work=square):
        self.work.run(
            work,
            keep=self.keep,
            workers=2,
            usage=lambda: SessionUsage(output_tokens=10),
            cancel=self.cancel,
            on_progress=self.seen.append,
            name="square",
        )
        return self

    def keep(self, result):
        assert threading.current_thread() is threading.main_thread()
        self.kept.append(result)

    def cancel(self):
        self.cancelled += 1


def test_each_job_runs_once_and_progress_counts_the_results():
    session = Session().run()
    assert sorted(one.value for one in session.kept) == [0, 1, 4, 9, 16, 25]
    assert not session.work.any_left
    last = session.seen[-1]
    assert (last.total, last.done, last.in_flight, last.errors, last.counts) == (6, 6, 0, 0, {"odd": 3})
    assert session.cancelled == 1


def test_a_second_session_runs_missing_jobs_and_sandbox_failures():
    kept = [Square(0, 0, at_seconds=7.0), Square(1, 1, failed=True, at_seconds=8.0), Square(3, 9, at_seconds=9.0)]
    session = Session(kept)
    assert list(session.work.left) == [1, 2, 4, 5]
    session.run()
    assert sorted(one.key for one in session.kept[3:]) == [1, 2, 4, 5]
    assert all(one.at_seconds >= 9.0 for one in session.kept[3:]), "pauses are left out, earlier sessions are not"
    assert (session.seen[-1].done, session.seen[-1].counts) == (6, {"odd": 3})


def test_sandbox_failures_are_counted_separately():
    session = Session(jobs=range(3)).run(lambda job: Square(job, job, failed=job == 1))
    assert (session.seen[-1].done, session.seen[-1].counts) == (2, {"odd": 1, "not scored": 1})


def test_jobs_with_reasoner_errors_are_left_for_the_next_session():
    def work(job):
        if job == 2:
            raise ReasonerError("it is down")
        return square(job)

    session = Session().run(work)
    assert session.work.errors == ["it is down"]
    assert (session.seen[-1].errors, session.seen[-1].last_error, session.seen[-1].done) == (1, "it is down", 5)
    assert list(Session(session.kept).work.left) == [2]


def test_work_stops_after_several_consecutive_failures():
    def work(job):
        raise ReasonerError("it is down")

    session = Session(jobs=range(50))
    with pytest.raises(TooManyFailuresError, match="5 problems failed one after another, the last one because: it is"):
        session.run(work)
    assert (session.kept, session.cancelled) == ([], 1)


def test_only_a_few_jobs_are_taken_at_once():
    taken = []

    def jobs():
        for job in range(1000):
            taken.append(job)
            yield job

    def work(job):
        assert len(taken) <= job + 1 + 2 * QUEUED_PER_WORKER + 2, "the pool is ahead of the jobs that are done"
        return job

    done = []
    run_jobs(
        jobs(),
        work,
        lambda job: done.append(job) or False,
        workers=2,
        cancel=int,
        on_progress=lambda *_: None,
        name="few",
    )
    assert sorted(done) == list(range(1000))
