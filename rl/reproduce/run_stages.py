"""Run all stages of all seeds in order. Finished stages are skipped."""

import importlib.util
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from storm_calm.rl.reproduce.reproduce_config import ReproduceConfig
from storm_calm.rl.reproduce.stage_jobs import Job, OnProgress, run_job, seed_folder, seeds_in
from storm_calm.rl.reproduce.stage_records import check_record
from storm_calm.rl.reproduce.stages import BY_NAME, STAGES, Stage, StageContext, settings_of


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
    known = {seed: [_job(config, out, seed, stage) for stage in STAGES] for seed in sorted({*seeds, *seeds_in(out)})}
    for seed, jobs in known.items():
        _check_seed(jobs, chosen if seed in seeds else ())
    check_packages(stage.kind for stage in chosen)
    names = [stage.name for stage in chosen]
    jobs = [job for seed in dict.fromkeys(seeds) for job in known[seed] if job.name in names]
    for number in range(1, len(jobs) + 1):
        run_job(jobs, number, started=[job for one in known.values() for job in one], on_progress=on_progress)


def _job(config: ReproduceConfig, out: Path, seed: int, stage: Stage) -> Job:
    folder = seed_folder(out, seed)
    return Job(
        seed=seed,
        name=stage.name,
        kind=stage.kind,
        folder=folder,
        settings=settings_of(stage, config, seed),
        result=stage.result,
        typical_seconds=stage.typical_seconds(config),
        run=partial(stage.run, StageContext(folder=folder, seed=seed, config=config)),
    )


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: not a folder; choose another --out")
    known = {"report.html", "report.md", "report.json"}
    others = sorted(f.name for f in out.iterdir() if f.name not in known) if out.exists() else []
    if others and not seeds_in(out):
        raise ValueError(f"{out}: contains something other than a reproduction ({others[0]}); choose another --out")


def _check_seed(jobs: Sequence[Job], chosen: Sequence[Stage]) -> None:
    """Raise ValueError if a started stage has other settings, or if a chosen one needs an unfinished stage."""
    by_name = {job.name: job for job in jobs}
    for job in jobs:
        check_record(job.folder, job.name, job.settings)
    for stage in chosen:
        for name in () if by_name[stage.name].done else stage.needs:
            if BY_NAME[name] not in chosen and not by_name[name].done:
                raise ValueError(
                    f"{by_name[name].folder}: stage {stage.name} needs {name}, which is not finished; add {name} to "
                    "--stages"
                )


def check_packages(kinds: Iterable[str]) -> None:
    """Raise ValueError for a package missing for stages of these kinds, now instead of an hour later."""
    if {"sft", "grpo", "export", "mix"}.intersection(kinds):
        for package in ("pyarrow", "verl"):
            if importlib.util.find_spec(package) is None:
                raise ValueError(f"the package {package} is missing; pip install 'storm-calm[train]'")
