"""Collect the figures of a reproduction from the results of its stages, for report.json and the reports."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from storm_calm.agents.evaluation.samples import run_samples
from storm_calm.env import TRIGGERS
from storm_calm.env.jsonl import read_jsonl
from storm_calm.rl.doctor import Diagnosis, examine
from storm_calm.rl.reproduce.paired_differences import DIFFICULTIES, Accuracy, Values, accuracy, values
from storm_calm.rl.reproduce.stage_jobs import seed_folder, seeds_in
from storm_calm.rl.reproduce.stage_records import read_record
from storm_calm.rl.reproduce.stages import STAGES

MODELS = {
    "base": "base",
    "sft": "SFT",
    "grpo": "SFT + GRPO",
    "grpo-base": "GRPO without SFT",
    "plain-sft": "SFT on plain pairs",
}
"""The label of each model, by the name of its evaluation, in the order of the report."""

TRAININGS = {"grpo": "with SFT", "grpo-base": "without SFT"}
"""The label of each GRPO run."""

CURVES = {
    "accuracy": "storm/accuracy",
    "executions": "storm/executions",
    "model_tokens": "storm/model_tokens",
    "zero_variance_groups": "storm/zero_variance_groups",
    "step_seconds": "timing_s/step",
    "generation_seconds": "storm/generation_seconds",
    "environment_seconds": "storm/environment_seconds",
    "update_seconds": "timing_s/update_actor",
}
"""The series of a GRPO run, and their metrics."""

BEHAVIOUR = ("code_blocks", "executions", "model_tokens", "backed_by_report", "flawed", "class_1", "class_2")
"""The figures taken from an evaluation's behaviour, see `agents.evaluation.behaviour`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    label: str
    seeds: tuple[int, ...]
    accuracy: Mapping[str, Accuracy]
    """By difficulty."""
    behaviour: Mapping[str, float]
    """`BEHAVIOUR`, the mean over seeds."""
    first_finding: Mapping[str, float]
    """By trigger: the share of trajectories whose first finding it is, the mean over seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    seed: int
    steps: tuple[int, ...]
    series: Mapping[str, tuple[float | None, ...]]
    """`CURVES`, one value per step; None if a step lacks it."""

    def mean(self, name: str) -> float | None:
        return known_mean(self.series[name])


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    seeds: tuple[int, ...]
    settings: Mapping[str, int]
    """The settings of the started stages."""
    models: Mapping[str, Model]
    """The evaluated models, by name."""
    curves: Mapping[str, tuple[Curve, ...]]
    """The GRPO runs by name, one per seed."""
    curation: Mapping[int, Mapping[str, Any]]
    """The summary of each seed's curation."""
    seconds: Mapping[str, Mapping[int, float]]
    """Wall seconds of the finished stages, by stage and seed."""
    verdicts: Mapping[int, tuple[Diagnosis, ...]]
    """The results of `storm doctor`, by seed."""
    unfinished: tuple[str, ...]
    """Stages that are not finished for every seed."""
    runs: Mapping[str, Values]
    """The measures of each model on each problem; not in report.json."""
    problems: Mapping[str, tuple[str, ...]]
    """The ids of the held-out problems by difficulty, "all" included; not in report.json."""


def known_mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are not None, or None."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def collect(out: Path) -> Figures:
    """Collect the figures of the reproduction in `out`, finished or not.

    Raises ValueError if no model is evaluated yet, and for a file that cannot be read.
    """
    seeds = seeds_in(out)
    folders = {seed: seed_folder(out, seed) for seed in seeds}
    evaluations: dict[str, dict[int, Path]] = {}
    for name, (seed, folder) in product(MODELS, folders.items()):
        if (folder / f"eval-{name}" / "results.json").is_file():
            evaluations.setdefault(name, {})[seed] = folder / f"eval-{name}"
    if not evaluations:
        raise ValueError(f"{out}: no model is evaluated yet; run storm reproduce --out {out} first")
    runs: dict[str, Values] = {}
    difficulties: dict[str, str] = {}
    for name, found in evaluations.items():
        samples = {seed: tuple(run_samples(folder)) for seed, folder in found.items()}
        runs[name] = values(samples)
        difficulties |= {sample.id: sample.episode.problem.difficulty for one in samples.values() for sample in one}
    problems = {
        difficulty: tuple(id for id, own in difficulties.items() if difficulty in (own, "all"))
        for difficulty in DIFFICULTIES
    }
    records = {(seed, stage.name): read_record(folders[seed], stage.name) for seed in seeds for stage in STAGES}
    settings = {name: int(value) for record in records.values() if record for name, value in record.settings.items()}
    settings.pop("seed", None)
    seconds: dict[str, dict[int, float]] = {stage.name: {} for stage in STAGES}
    for (seed, stage), record in records.items():
        if record and record.finished:
            seconds[stage][seed] = record.seconds
    summaries = {seed: folder / "curate" / "summary.json" for seed, folder in folders.items()}
    return Figures(
        seeds=seeds,
        settings=settings,
        models={name: _model(MODELS[name], found, runs[name], problems) for name, found in evaluations.items()},
        curves={name: tuple(_curves(folders, name)) for name in TRAININGS},
        curation={seed: _read_json(file) for seed, file in summaries.items() if file.is_file()},
        seconds=seconds,
        verdicts={seed: examine(folder) for seed, folder in folders.items() if any(folder.glob("eval-*/results.json"))},
        unfinished=tuple(stage for stage, by_seed in seconds.items() if len(by_seed) < len(seeds)),
        runs=runs,
        problems=problems,
    )


def _model(label: str, folders: Mapping[int, Path], runs: Values, problems: Mapping[str, tuple[str, ...]]) -> Model:
    behaviours = [_read_json(folder / "results.json")["behaviour"] for folder in folders.values()]
    by_difficulty = {difficulty: accuracy(runs, problems[difficulty]) for difficulty in DIFFICULTIES}
    return Model(
        label=label,
        seeds=tuple(folders),
        accuracy={difficulty: one for difficulty, one in by_difficulty.items() if one is not None},
        behaviour={name: fmean(one[name] for one in behaviours) for name in BEHAVIOUR},
        first_finding={trigger: fmean(one["first_finding"][trigger] for one in behaviours) for trigger in TRIGGERS},
    )


def _curves(folders: Mapping[int, Path], name: str) -> Iterator[Curve]:
    for seed, folder in folders.items():
        file = folder / name / "metrics.jsonl"
        lines = [line for _, line in read_jsonl(file, dict)] if file.is_file() else []
        if lines:
            steps = tuple(line["step"] for line in lines)
            series = {key: tuple(line["data"].get(metric) for line in lines) for key, metric in CURVES.items()}
            yield Curve(seed=seed, steps=steps, series=series)


def _read_json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))
