"""Run a sweep: plan the stages of all points, share equal ones, and run those that are not finished.

A failed stage stops only the models that need it.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from storm_calm.agents.runs.run_folder import RunKind, check_settings, lock_run_folder
from storm_calm.env.atomic_write import write_json
from storm_calm.env.format_version import with_version, without_version
from storm_calm.rl.reproduce.run_stages import check_packages
from storm_calm.rl.reproduce.stage_jobs import (
    Job,
    OnMessage,
    OnProgress,
    StageFailedError,
    expected_seconds,
    run_job,
    seed_folder,
    seeds_in,
)
from storm_calm.rl.reproduce.stage_records import FOLDER, check_record, log_file
from storm_calm.rl.reproduce.train_subprocess import run_command
from storm_calm.rl.sweep.orphans import recorded, stop_orphan
from storm_calm.rl.sweep.studies import Model, make_studies
from storm_calm.rl.sweep.sweep_config import SweepConfig
from storm_calm.rl.sweep.sweep_stages import TYPICAL_SECONDS, SweepStage, model_stages, plan_stages

FILE = "sweep.json"
SWEEP = RunKind(noun="a sweep", verb="sweeps", may_change=frozenset())


class SweepFailedError(RuntimeError):
    """Some stages failed; the message has the error of each, and the others are done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRequest:
    """What a sweep covers."""

    config: SweepConfig
    studies: tuple[str, ...]
    """The names of its studies, in order."""
    seeds: tuple[int, ...]
    quick: bool = False
    """Whether studies have a few points only."""

    def __post_init__(self) -> None:
        known = make_studies(self.config)
        for name in self.studies:
            if name not in known:
                raise ValueError(f"unknown study {name!r}; known: {', '.join(known)}")

    def models(self) -> tuple[Model, ...]:
        """Return the models of all points, each once, the base model first."""
        studies = make_studies(self.config, quick=self.quick)
        found = {Model().name: Model()}
        for name in self.studies:
            found |= {point.model.name: point.model for point in studies[name].points}
        return tuple(found.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPlan:
    """The stages of a sweep, in the order in which they run."""

    jobs: tuple[Job, ...]
    stages: Mapping[tuple[int, str], SweepStage]
    """The stage of each job, by seed and name."""
    unshared: int
    """The number of stages if no two points shared any."""

    @property
    def left(self) -> tuple[Job, ...]:
        """The jobs that are not done."""
        return tuple(job for job in self.jobs if not job.done)

    @property
    def seconds_left(self) -> float:
        """Estimated seconds of the jobs that are not done."""
        return sum(map(expected_seconds(self.jobs), self.left))


def plan_sweep(request: SweepRequest, out: Path) -> SweepPlan:
    """Plan a sweep, without writing anything.

    Raises ValueError if `out` has a sweep with other sizes, or a stage that was started with other settings.
    """
    stored = read_request(out)
    if stored is not None:
        check_settings(out, SWEEP, _sizes(stored), _sizes(request))
    studies = make_studies(request.config, quick=request.quick)
    points = [point for name in request.studies for point in studies[name].points]
    jobs: list[Job] = []
    stages: dict[tuple[int, str], SweepStage] = {}
    unshared = 0
    for seed in request.seeds:
        unshared += 1 + sum(len(model_stages(point.model, request.config, seed)) for point in points)
        for stage in plan_stages(request.models(), request.config, seed):
            stages[seed, stage.name] = stage
            jobs.append(_job(request.config, out, seed, stage))
    for job in jobs:
        check_record(job.folder, job.name, job.settings)
    return SweepPlan(jobs=tuple(jobs), stages=stages, unshared=unshared)


def sweep(
    request: SweepRequest,
    out: Path,
    *,
    on_progress: OnProgress | None = None,
    on_failure: Callable[[str], None] | None = None,
    on_evaluation: Callable[[], None] | None = None,
) -> None:
    """Run the unfinished stages of a sweep. The same call resumes after any error.

    on_failure: called with the message of a failed stage, before the other stages run. on_evaluation: called after each
    finished evaluation.
    Raises ValueError for another sweep in `out` and for missing packages, SweepFailedError if stages failed.
    """
    plan = plan_sweep(request, out)
    check_packages(job.kind for job in plan.jobs)
    with lock_run_folder(out, SWEEP, settings_file=FILE):
        store_request(request, out)
        for seed in seeds_in(out):
            for file in sorted((seed_folder(out, seed) / FOLDER).glob("*.pid")):
                stop_orphan(file)
        failed: dict[tuple[int, str], str] = {}
        for number, job in enumerate(plan.jobs, start=1):
            if any((job.seed, need) in failed for need in plan.stages[job.seed, job.name].needs):
                failed[job.seed, job.name] = ""
                continue
            before = job.done
            try:
                run_job(plan.jobs, number, started=plan.jobs, on_progress=on_progress)
            except StageFailedError as error:
                failed[job.seed, job.name] = str(error)
                if on_failure is not None:
                    on_failure(str(error))
            else:
                if job.kind == "eval" and not before and on_evaluation is not None:
                    on_evaluation()
    if failed:
        causes = [message for message in failed.values() if message]
        without = sum(not message for message in failed.values())
        more = f"; {without} stages that need them did not run" if without else ""
        raise SweepFailedError(f"{'; '.join(causes)}{more}")


def _job(config: SweepConfig, out: Path, seed: int, stage: SweepStage) -> Job:
    folder = seed_folder(out, seed)
    return Job(
        seed=seed,
        name=stage.name,
        kind=stage.kind,
        folder=folder,
        settings=stage.settings,
        result=stage.result,
        typical_seconds=TYPICAL_SECONDS[stage.kind](config),
        run=partial(_run, stage, folder),
    )


def _run(stage: SweepStage, folder: Path, on_message: OnMessage) -> None:
    if stage.restarts and (folder / stage.name).exists():
        shutil.rmtree(folder / stage.name)
    log = log_file(folder, stage.name)
    with recorded(log.with_suffix(".pid")) as on_start:
        run_command(stage.argv, log, on_message, folder=folder.parent, on_start=on_start)


def _sizes(request: SweepRequest) -> dict[str, Any]:
    return {**asdict(request.config), "quick": request.quick}


def read_request(out: Path) -> SweepRequest | None:
    """Return what the sweep in a folder covers, or None without one. Raises ValueError for an invalid file."""
    file = out / FILE
    if not file.is_file():
        return None
    try:
        data = without_version(json.loads(file.read_text(encoding="utf-8")))
        return SweepRequest(
            config=SweepConfig(**data["sizes"]),
            studies=tuple(data["studies"]),
            seeds=tuple(data["seeds"]),
            quick=data["quick"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: not the file of a sweep ({error}); choose another --out") from error


def store_request(request: SweepRequest, out: Path) -> None:
    """Write what the sweep covers, with the studies and seeds of earlier calls."""
    stored = read_request(out)
    studies = {*request.studies, *(stored.studies if stored else ())}
    seeds = {*request.seeds, *(stored.seeds if stored else ())}
    ordered = [name for name in make_studies(request.config) if name in studies]
    data = {"sizes": asdict(request.config), "quick": request.quick, "studies": ordered, "seeds": sorted(seeds)}
    write_json(out / FILE, with_version(data))


def has_results(out: Path) -> bool:
    """Return whether a model of the sweep is evaluated."""
    return any(out.glob("seed-*/eval-*/results.json"))
