"""Run stages one after another: skip finished ones, record each, and report progress with the time left.

`reproduce` and `storm sweep` make their jobs from their own stages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from time import monotonic

from storm_calm.rl.reproduce.stage_records import StageRecord, log_file, read_record, write_record
from storm_calm.rl.reproduce.train_subprocess import TrainingFailedError

SAVE_INTERVAL = 20.0
"""Seconds between two writes of a running stage's time, which survive a kill."""
REPORT_INTERVAL = 0.5
"""Least seconds between two progress reports."""

OnMessage = Callable[[str], None]
"""Called with a line on the progress of a stage."""


class StageFailedError(RuntimeError):
    """A stage failed; the message names it, its log and the cause."""


class UnfinishedError(RuntimeError):
    """A stage ended without completing its work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A stage of a seed, ready to run."""

    seed: int
    name: str
    kind: str
    """Stages of a kind are expected to take equally long."""
    folder: Path
    """The seed's folder, absolute."""
    settings: Mapping[str, int | str]
    """The settings that the result depends on."""
    result: str
    """The file in the seed's folder that exists once the stage is finished."""
    typical_seconds: float
    """Estimated seconds on two cores."""
    run: Callable[[OnMessage], None]
    """Starts or resumes the stage."""

    @property
    def done(self) -> bool:
        record = read_record(self.folder, self.name)
        return record is not None and record.finished and (self.folder / self.result).is_file()


@dataclass(frozen=True, kw_only=True, slots=True)
class StageProgress:
    seed: int
    stage: str
    number: int
    """The position of the stage among all stages of all seeds, from 1."""
    total: int
    message: str
    """The stage's own progress message; "" before the first one."""
    elapsed: float
    """Seconds of this stage, earlier sessions included."""
    seconds_left: float
    """Estimated seconds of the rest of this stage and of all later ones."""
    next: str
    """The next stage; "" after the last one."""
    finished: bool
    """Whether the stage has just finished."""


OnProgress = Callable[[StageProgress], None]
"""Called with the progress of the stages, in the thread that started them."""


def seed_folder(out: Path, seed: int) -> Path:
    return out.resolve() / f"seed-{seed}"


def seeds_in(out: Path) -> tuple[int, ...]:
    """Return the seeds that have a folder in `out`, in order."""
    names = (folder.name.removeprefix("seed-") for folder in out.glob("seed-*") if folder.is_dir())
    return tuple(sorted(int(name) for name in names if name.isdigit()))


def run_job(jobs: Sequence[Job], number: int, *, started: Sequence[Job], on_progress: OnProgress | None = None) -> None:
    """Run the job at position `number`, from 1, unless it is done.

    started: jobs whose records show how long stages take, those of earlier sessions included.
    Raises StageFailedError if it fails.
    """
    if not jobs[number - 1].done:
        _JobRun(jobs, number, started, on_progress).run()


def expected_seconds(started: Sequence[Job]) -> Callable[[Job], float]:
    """Return a function that estimates the seconds of a job, from the measured times of finished ones.

    A kind that was never measured takes its typical time at the pace of the measured ones.
    """
    measured: dict[str, list[float]] = {}
    typical = 0.0
    for job in started:
        record = read_record(job.folder, job.name)
        if record is not None and record.finished:
            measured.setdefault(job.kind, []).append(record.seconds)
            typical += job.typical_seconds
    pace = sum(map(sum, measured.values())) / typical if typical else 1.0

    def expected(job: Job) -> float:
        known = measured.get(job.kind)
        return fmean(known) if known else pace * job.typical_seconds

    return expected


class _JobRun:
    def __init__(
        self, jobs: Sequence[Job], number: int, started: Sequence[Job], on_progress: OnProgress | None
    ) -> None:
        self.jobs, self.number, self.known, self.on_progress = jobs, number, started, on_progress
        self.job = jobs[number - 1]
        earlier = read_record(self.job.folder, self.job.name)
        # A finished stage whose result is missing starts from zero.
        fresh = StageRecord(settings=self.job.settings)
        self.before = earlier if earlier and not earlier.finished else fresh
        self.started = self.saved = self.reported = monotonic()

    def run(self) -> None:
        job = self.job
        self._save(finished=False)
        self._report_progress("")
        try:
            job.run(self._report_progress)
            if not (job.folder / job.result).is_file():
                raise UnfinishedError(f"it did not write {job.folder / job.result}")
        except Exception as error:
            if not _is_expected(error):
                raise
            raise StageFailedError(self._failure(error)) from error
        finally:
            self._save(finished=False)
        self._save(finished=True)
        self._report_progress("", finished=True)

    @property
    def _seconds(self) -> float:
        return self.before.seconds + monotonic() - self.started

    def _save(self, *, finished: bool) -> None:
        self.saved = monotonic()
        seconds, sessions = round(self._seconds, 3), self.before.sessions + 1
        record = replace(self.before, seconds=seconds, sessions=sessions, finished=finished)
        write_record(self.job.folder, self.job.name, record)

    def _report_progress(self, message: str, *, finished: bool = False) -> None:
        if monotonic() - self.saved >= SAVE_INTERVAL:
            self._save(finished=False)
        # Some stages report many times a second, and the estimate of the time left reads many files.
        due = finished or not message or monotonic() - self.reported >= REPORT_INTERVAL
        if self.on_progress is None or not due:
            return
        self.reported = monotonic()
        rest = [job for job in self.jobs[self.number :] if not job.done]
        expected = expected_seconds(self.known)
        own = 0.0 if finished else max(0.0, expected(self.job) - self._seconds)
        self.on_progress(
            StageProgress(
                seed=self.job.seed,
                stage=self.job.name,
                number=self.number,
                total=len(self.jobs),
                message=message,
                elapsed=self._seconds,
                seconds_left=own + sum(map(expected, rest)),
                next="" if not rest else rest[0].name if rest[0].seed == self.job.seed else f"seed {rest[0].seed}",
                finished=finished,
            )
        )

    def _failure(self, error: Exception) -> str:
        job = self.job
        logs = [log_file(job.folder, job.name).with_suffix(".err"), job.folder / job.name / "log.txt"]
        existing = [str(log) for log in logs if log.is_file()]
        see = f"; see {' and '.join(existing)}" if existing else ""
        return f"stage {job.name} of seed {job.seed} failed: {error}{see}"


def _is_expected(error: Exception) -> bool:
    """Return whether the message of an error explains it. Other errors are bugs and keep their traceback."""
    from storm_calm.agents.runs.worker_pool import TooManyFailuresError
    from storm_calm.env import ReasonerError
    from storm_calm.sandbox import SandboxUnavailableError

    expected = (TrainingFailedError, UnfinishedError, TooManyFailuresError, ReasonerError, SandboxUnavailableError)
    return isinstance(error, (*expected, ValueError, OSError))
