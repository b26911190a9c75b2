"""Run all stages of all seeds in order. Finished stages are skipped."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from time import monotonic

from storm_calm.rl.reproduce.reproduce_config import ReproduceConfig
from storm_calm.rl.reproduce.stage_records import StageRecord, check_record, log_file, read_record, write_record
from storm_calm.rl.reproduce.stages import BY_NAME, STAGES, Stage, StageContext, UnfinishedError, settings_of
from storm_calm.rl.reproduce.train_subprocess import TrainingFailedError

SAVE_INTERVAL = 20.0
"""Seconds between two writes of a running stage's time, which survive a kill."""
REPORT_INTERVAL = 0.5
"""Least seconds between two progress reports."""


class StageFailedError(RuntimeError):
    """A stage failed; the message names it, its log and the cause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproduceProgress:
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


OnProgress = Callable[[ReproduceProgress], None]
"""Called with the progress of a reproduction, in the thread that started it."""

Job = tuple[int, Stage]
"""A seed and a stage."""


def seed_folder(out: Path, seed: int) -> Path:
    return out.resolve() / f"seed-{seed}"


def seeds_in(out: Path) -> tuple[int, ...]:
    """Return the seeds that have a folder in `out`, in order."""
    names = (folder.name.removeprefix("seed-") for folder in out.glob("seed-*") if folder.is_dir())
    return tuple(sorted(int(name) for name in names if name.isdigit()))


def reproduce(
    config: ReproduceConfig,
    out: Path,
    *,
    seeds: Sequence[int],
    stages: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> None:
    """Run the unfinished ones of these stages (default: all) for each seed. The same call resumes after any error.

    Raises ValueError for settings that differ from those in `out`, for unknown stages, for missing earlier stages and
    missing packages; StageFailedError if a stage fails.
    """
    for name in stages:
        if name not in BY_NAME:
            raise ValueError(f"unknown stage {name!r}; known: {', '.join(BY_NAME)}")
    chosen = [stage for stage in STAGES if not stages or stage.name in stages]
    _check_folder(out)
    for seed in sorted({*seeds, *seeds_in(out)}):
        _check_seed(config, seed_folder(out, seed), seed, chosen if seed in seeds else ())
    _check_packages(chosen)
    jobs = [(seed, stage) for seed in dict.fromkeys(seeds) for stage in chosen]
    for number in range(1, len(jobs) + 1):
        _StageRun(config, out, jobs, number, on_progress).run()


class _StageRun:
    def __init__(
        self, config: ReproduceConfig, out: Path, jobs: Sequence[Job], number: int, on_progress: OnProgress | None
    ) -> None:
        self.config, self.out, self.jobs, self.number, self.on_progress = config, out, jobs, number, on_progress
        self.seed, self.stage = jobs[number - 1]
        self.folder = seed_folder(out, self.seed)
        self.done = _is_done(self.folder, self.stage)
        earlier = read_record(self.folder, self.stage.name)
        # A finished stage whose result is missing starts from zero.
        fresh = StageRecord(settings=settings_of(self.stage, config, self.seed))
        self.before = earlier if earlier and earlier.finished == self.done else fresh
        self.started = self.saved = self.reported = monotonic()

    def run(self) -> None:
        if self.done:
            return
        self._save(finished=False)
        self._report_progress("")
        try:
            self.stage.run(StageContext(folder=self.folder, seed=self.seed, config=self.config), self._report_progress)
            if not (self.folder / self.stage.result).is_file():
                raise UnfinishedError(f"it did not write {self.folder / self.stage.result}")
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
        write_record(self.folder, self.stage.name, record)

    def _report_progress(self, message: str, *, finished: bool = False) -> None:
        if monotonic() - self.saved >= SAVE_INTERVAL:
            self._save(finished=False)
        # Some stages report many times a second, and the estimate of the time left reads many files.
        due = finished or not message or monotonic() - self.reported >= REPORT_INTERVAL
        if self.on_progress is None or not due:
            return
        self.reported = monotonic()
        later = self.jobs[self.number :]
        rest = [(seed, stage) for seed, stage in later if not _is_done(seed_folder(self.out, seed), stage)]
        self.on_progress(
            ReproduceProgress(
                seed=self.seed,
                stage=self.stage.name,
                number=self.number,
                total=len(self.jobs),
                message=message,
                elapsed=self._seconds,
                seconds_left=self._seconds_left([stage for _, stage in rest], finished=finished),
                next="" if not rest else rest[0][1].name if rest[0][0] == self.seed else f"seed {rest[0][0]}",
                finished=finished,
            )
        )

    def _seconds_left(self, rest: Sequence[Stage], *, finished: bool) -> float:
        """Estimate the seconds left from the measured times, relative to the typical ones."""
        measured: dict[str, list[float]] = {}
        typical = 0.0
        for seed in seeds_in(self.out):
            for stage in STAGES:
                record = read_record(seed_folder(self.out, seed), stage.name)
                if record is not None and record.finished:
                    measured.setdefault(stage.kind, []).append(record.seconds)
                    typical += stage.typical_seconds(self.config)
        pace = sum(map(sum, measured.values())) / typical if typical else 1.0

        def expected(stage: Stage) -> float:
            known = measured.get(stage.kind)
            return fmean(known) if known else pace * stage.typical_seconds(self.config)

        own = 0.0 if finished else max(0.0, expected(self.stage) - self._seconds)
        return own + sum(map(expected, rest))

    def _failure(self, error: Exception) -> str:
        logs = [log_file(self.folder, self.stage.name).with_suffix(".err"), self.folder / self.stage.name / "log.txt"]
        existing = [str(log) for log in logs if log.is_file()]
        see = f"; see {' and '.join(existing)}" if existing else ""
        return f"stage {self.stage.name} of seed {self.seed} failed: {error}{see}"


def _is_done(folder: Path, stage: Stage) -> bool:
    record = read_record(folder, stage.name)
    return record is not None and record.finished and (folder / stage.result).is_file()


def _is_expected(error: Exception) -> bool:
    """Return whether the message of an error explains it. Other errors are bugs and keep their traceback."""
    from storm_calm.agents.runs.worker_pool import TooManyFailuresError
    from storm_calm.env import ReasonerError
    from storm_calm.sandbox import SandboxUnavailableError

    expected = (TrainingFailedError, UnfinishedError, TooManyFailuresError, ReasonerError, SandboxUnavailableError)
    return isinstance(error, (*expected, ValueError, OSError))


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: not a folder; choose another --out")
    known = {"report.html", "report.md", "report.json"}
    others = sorted(f.name for f in out.iterdir() if f.name not in known) if out.exists() else []
    if others and not seeds_in(out):
        raise ValueError(f"{out}: contains something other than a reproduction ({others[0]}); choose another --out")


def _check_seed(config: ReproduceConfig, folder: Path, seed: int, chosen: Sequence[Stage]) -> None:
    """Raise ValueError if a started stage has other settings, or if a chosen one needs an unfinished stage."""
    for stage in STAGES:
        check_record(folder, stage.name, settings_of(stage, config, seed))
    for stage in chosen:
        for name in () if _is_done(folder, stage) else stage.needs:
            needed = BY_NAME[name]
            if needed not in chosen and not _is_done(folder, needed):
                raise ValueError(
                    f"{folder}: stage {stage.name} needs {name}, which is not finished; add {name} to --stages"
                )


def _check_packages(stages: Sequence[Stage]) -> None:
    """Raise ValueError for a missing package now, instead of an hour later."""
    if any(stage.kind in ("sft", "grpo", "export") for stage in stages):
        for package in ("pyarrow", "verl"):
            if importlib.util.find_spec(package) is None:
                raise ValueError(f"the package {package} is missing; pip install 'storm-calm[train]'")
