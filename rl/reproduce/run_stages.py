"""All stages of all seeds, one after another, each of them once: what is finished is not run again."""

from __future__ import annotations

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
"""Seconds after which a stage's time is noted again, in case of a kill."""
REPORT_INTERVAL = 0.5
"""Seconds between two reports."""


class StageFailedError(RuntimeError):
    """A stage failed; the message names it, its log, and what it said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproduceProgress:
    """How far a reproduction is."""

    seed: int
    """The seed at work."""
    stage: str
    """Its stage at work."""
    number: int
    """Which of all stages of all seeds it is, from 1."""
    total: int
    """How many there are."""
    message: str
    """How far the stage is, in its own words; "" before its first message."""
    elapsed: float
    """Seconds of this stage, earlier sessions included."""
    seconds_left: float
    """Seconds that it and all that come after it will still take, going by what stages took so far."""
    next: str
    """The stage that comes after it; "" after the last one."""
    finished: bool
    """Whether the stage has just been finished."""


OnProgress = Callable[[ReproduceProgress], None]
"""Called with the progress of a reproduction now and then, in the thread that started it."""


def seed_folder(out: Path, seed: int) -> Path:
    """Where everything of a seed goes."""
    return out.resolve() / f"seed-{seed}"


def seeds_in(out: Path) -> tuple[int, ...]:
    """The seeds that have a folder in `out`, in order."""
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
    """Run what is not finished yet of these stages, of all of them by default, for each seed.

    Raises ValueError for settings that do not fit what is in `out`, for stages that are none or lack what they build
    on, and for missing packages; StageFailedError where a stage fails. Whatever is raised, the same call goes on.
    """
    chosen = _chosen(stages)
    _check_folder(out)
    for seed in sorted({*seeds, *seeds_in(out)}):
        _check_seed(config, seed_folder(out, seed), seed, chosen if seed in seeds else None)
    _check_packages(chosen)
    jobs = [(seed, stage) for seed in dict.fromkeys(seeds) for stage in chosen]
    for number in range(1, len(jobs) + 1):
        _StageRun(config, out, jobs, number, on_progress).do()


class _StageRun:
    """One stage of one seed, among all of them."""

    def __init__(
        self,
        config: ReproduceConfig,
        out: Path,
        jobs: Sequence[tuple[int, Stage]],
        number: int,
        on_progress: OnProgress | None,
    ) -> None:
        self.config, self.jobs, self.number, self.on_progress = config, jobs, number, on_progress
        self.seed, self.stage = jobs[number - 1]
        self.out, self.folder = out, seed_folder(out, self.seed)
        settings = settings_of(self.stage, config, self.seed)
        self.done = _is_done(self.folder, self.stage)
        earlier = read_record(self.folder, self.stage.name)
        # One that was finished and whose result is gone begins anew.
        self.before = earlier if earlier and earlier.finished == self.done else StageRecord(settings=settings)
        self.started = self.saved = self.reported = monotonic()

    def do(self) -> None:
        """Run it, unless it is done."""
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
        record = replace(
            self.before, seconds=round(self._seconds, 3), sessions=self.before.sessions + 1, finished=finished
        )
        write_record(self.folder, self.stage.name, record)

    def _report_progress(self, message: str, *, finished: bool = False) -> None:
        if monotonic() - self.saved >= SAVE_INTERVAL:
            self._save(finished=False)
        # Some stages tell many times a second, and what is left is read from many files.
        due = finished or not message or monotonic() - self.reported >= REPORT_INTERVAL
        if self.on_progress is None or not due:
            return
        self.reported = monotonic()
        rest = [
            (seed, stage)
            for seed, stage in self.jobs[self.number :]
            if not _is_done(seed_folder(self.out, seed), stage)
        ]
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
        took: dict[str, list[float]] = {}
        usual = 0.0
        for seed in seeds_in(self.out):
            for stage in STAGES:
                record = read_record(seed_folder(self.out, seed), stage.name)
                if record is not None and record.finished:
                    took.setdefault(stage.kind, []).append(record.seconds)
                    usual += stage.typical(self.config)
        pace = sum(map(sum, took.values())) / usual if usual else 1.0

        def expected(stage: Stage) -> float:
            return fmean(took[stage.kind]) if stage.kind in took else pace * stage.typical(self.config)

        own = 0.0 if finished else max(0.0, expected(self.stage) - self._seconds)
        return own + sum(map(expected, rest))

    def _failure(self, error: Exception) -> str:
        logs = [log_file(self.folder, self.stage.name).with_suffix(".err"), self.folder / self.stage.name / "log.txt"]
        there = [str(log) for log in logs if log.is_file()]
        see = f"; see {' and '.join(there)}" if there else ""
        return f"stage {self.stage.name} of seed {self.seed} failed: {error}{see}"


def _is_done(folder: Path, stage: Stage) -> bool:
    record = read_record(folder, stage.name)
    return record is not None and record.finished and (folder / stage.result).is_file()


def _is_expected(error: Exception) -> bool:
    """Whether it says itself what is wrong; anything else is a mistake of ours and keeps its traceback."""
    from storm_calm.agents.runs.worker_pool import TooManyFailuresError
    from storm_calm.env import ReasonerError
    from storm_calm.sandbox import SandboxUnavailableError

    expected = (TrainingFailedError, UnfinishedError, TooManyFailuresError, ReasonerError, SandboxUnavailableError)
    return isinstance(error, (*expected, ValueError, OSError))


def _chosen(names: Sequence[str]) -> tuple[Stage, ...]:
    for name in names:
        if name not in BY_NAME:
            raise ValueError(f"there is no stage {name!r}; known: {', '.join(BY_NAME)}")
    return tuple(stage for stage in STAGES if not names or stage.name in names)


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: not a folder; choose another --out")
    known = {"report.html", "report.md", "report.json"}
    others = sorted(f.name for f in out.iterdir() if f.name not in known) if out.exists() else []
    if others and not seeds_in(out):
        raise ValueError(f"{out}: holds something else than a reproduction ({others[0]}); choose another --out")


def _check_seed(config: ReproduceConfig, folder: Path, seed: int, chosen: Sequence[Stage] | None) -> None:
    """That what was begun has these settings, and that chosen stages find what they build on."""
    for stage in STAGES:
        check_record(folder, stage.name, settings_of(stage, config, seed))
    for stage in chosen or ():
        for name in () if _is_done(folder, stage) else stage.needs:
            needed = BY_NAME[name]
            if needed not in (chosen or ()) and not _is_done(folder, needed):
                raise ValueError(
                    f"{folder}: stage {stage.name} builds on {name}, which is not done; add {name} to --stages"
                )


def _check_packages(stages: Sequence[Stage]) -> None:
    """An hour into the work would be late to hear of them."""
    wanted = {"matplotlib": "plots"}
    if any(stage.kind in ("sft", "grpo", "export") for stage in stages):
        wanted |= {"pyarrow": "train", "verl": "train"}
    for package, extra in wanted.items():
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"the package {package} is missing; pip install 'storm-calm[{extra}]'")
