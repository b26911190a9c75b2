"""The numbers of a reproduction, collected from what its stages left: what report.json holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from storm_calm.agents.evaluation.samples import read_samples
from storm_calm.env import TRIGGERS
from storm_calm.env.jsonl import read_jsonl
from storm_calm.env.serialize import to_json
from storm_calm.rl.doctor import Diagnosis, examine
from storm_calm.rl.reproduce.paired_differences import DIFFICULTIES, Accuracy, Values, accuracy, values
from storm_calm.rl.reproduce.run_stages import seed_folder, seeds_in
from storm_calm.rl.reproduce.stage_records import read_record
from storm_calm.rl.reproduce.stages import STAGES

MODELS = {
    "base": "base",
    "sft": "SFT",
    "grpo": "SFT + GRPO",
    "grpo-base": "GRPO without SFT",
    "plain-sft": "SFT on plain pairs",
}
"""The models, by the name of their evaluation, in the order in which they are shown."""

TRAININGS = {"grpo": "with SFT", "grpo-base": "without SFT"}
"""The GRPO runs."""

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
"""What is kept of a GRPO step, by its metric."""

BEHAVIOUR = ("code_blocks", "executions", "model_tokens", "backed_by_report", "flawed", "class_1", "class_2")
"""Figures of an evaluation's behaviour that are kept, see `agents.evaluation.behaviour`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model on the held-out problems."""

    label: str
    """What people call it here."""
    seeds: tuple[int, ...]
    """Seeds that it was evaluated for."""
    accuracy: Mapping[str, Accuracy]
    """By difficulty."""
    behaviour: Mapping[str, float]
    """`BEHAVIOUR`, the mean over seeds."""
    first_finding: Mapping[str, float]
    """Share of runs whose first finding is of a trigger, the mean over seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A GRPO run."""

    seed: int
    """Its seed."""
    steps: tuple[int, ...]
    """Its steps, from 1."""
    series: Mapping[str, tuple[float | None, ...]]
    """`CURVES`, a value a step; None where a step lacks it."""

    def mean(self, name: str) -> float | None:
        """The mean over steps; None without any."""
        return known_mean(self.series[name])


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Everything that is known of a reproduction."""

    seeds: tuple[int, ...]
    """All its seeds."""
    settings: Mapping[str, int]
    """The settings of what was done."""
    models: Mapping[str, Model]
    """By name, those that were evaluated."""
    curves: Mapping[str, tuple[Curve, ...]]
    """GRPO runs, by name, one a seed."""
    curation: Mapping[int, Mapping[str, Any]]
    """The summary of each seed's curation."""
    seconds: Mapping[str, Mapping[int, float]]
    """Wall seconds of the finished stages, by stage and seed."""
    verdicts: Mapping[int, tuple[Diagnosis, ...]]
    """What `storm doctor` says, by seed."""
    unfinished: tuple[str, ...]
    """Stages that are not finished for every seed."""
    runs: Mapping[str, Values]
    """What each model did at each problem; not in report.json."""
    problems: Mapping[str, tuple[str, ...]]
    """The ids of the held-out problems, by difficulty, "all" included; not in report.json."""


def figures_to_json(figures: Figures) -> dict[str, Any]:
    """The JSON data of the figures in report.json, which leaves out what each model did at each problem."""
    return {name: part for name, part in to_json(figures).items() if name not in ("runs", "problems")}


def known_mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are known; None without any."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def collect(out: Path) -> Figures:
    """The figures of the reproduction in `out`, as far as it is.

    Raises ValueError where no model is evaluated yet, and for a file that cannot be read.
    """
    seeds = seeds_in(out)
    folders = {seed: seed_folder(out, seed) for seed in seeds}
    runs: dict[str, Values] = {}
    difficulties: dict[str, str] = {}
    problems: dict[str, tuple[str, ...]] = {}
    models: dict[str, Model] = {}
    for name, label in MODELS.items():
        found = {
            seed: folder / f"eval-{name}"
            for seed, folder in folders.items()
            if (folder / f"eval-{name}" / "results.json").is_file()
        }
        if found:
            samples = {seed: read_samples(folder / "samples.jsonl") for seed, folder in found.items()}
            runs[name] = values(samples)
            difficulties |= {sample.id: sample.episode.problem.difficulty for one in samples.values() for sample in one}
            problems = {
                difficulty: tuple(id for id in difficulties if difficulty in (difficulties[id], "all"))
                for difficulty in DIFFICULTIES
            }
            models[name] = _model(label, found, runs[name], problems)
    if not models:
        raise ValueError(f"{out}: no model is evaluated there yet; run storm reproduce --out {out} first")
    records = {
        (seed, stage.name): record
        for seed, folder in folders.items()
        for stage in STAGES
        if (record := read_record(folder, stage.name)) is not None
    }
    return Figures(
        seeds=seeds,
        settings={name: value for one in records.values() for name, value in one.settings.items() if name != "seed"},
        models=models,
        curves={
            name: tuple(_curve(seed, file) for seed, folder in folders.items() if (file := _metrics(folder, name)))
            for name in TRAININGS
        },
        curation={
            seed: json.loads(file.read_text(encoding="utf-8"))
            for seed, folder in folders.items()
            if (file := folder / "curate" / "summary.json").is_file()
        },
        seconds={
            stage.name: {
                seed: records[seed, stage.name].seconds
                for seed in seeds
                if (seed, stage.name) in records and records[seed, stage.name].finished
            }
            for stage in STAGES
        },
        verdicts={seed: examine(folder) for seed, folder in folders.items() if _has_run(folder)},
        unfinished=tuple(
            stage.name
            for stage in STAGES
            if not all((seed, stage.name) in records and records[seed, stage.name].finished for seed in seeds)
        ),
        runs=runs,
        problems=problems,
    )


def _model(label: str, folders: Mapping[int, Path], runs: Values, problems: Mapping[str, tuple[str, ...]]) -> Model:
    results = [json.loads((folder / "results.json").read_text(encoding="utf-8")) for folder in folders.values()]
    behaviours = [one["behaviour"] for one in results]
    by_difficulty = {difficulty: accuracy(runs, problems[difficulty]) for difficulty in DIFFICULTIES}
    return Model(
        label=label,
        seeds=tuple(folders),
        accuracy={difficulty: one for difficulty, one in by_difficulty.items() if one is not None},
        behaviour={name: fmean(one[name] for one in behaviours) for name in BEHAVIOUR},
        first_finding={trigger: fmean(one["first_finding"][trigger] for one in behaviours) for trigger in TRIGGERS},
    )


def _metrics(folder: Path, name: str) -> Path | None:
    file = folder / name / "metrics.jsonl"
    return file if file.is_file() and file.stat().st_size else None


def _curve(seed: int, file: Path) -> Curve:
    lines: Sequence[dict[str, Any]] = [line for _, line in read_jsonl(file, dict)]
    return Curve(
        seed=seed,
        steps=tuple(line["step"] for line in lines),
        series={name: tuple(line["data"].get(metric) for line in lines) for name, metric in CURVES.items()},
    )


def _has_run(folder: Path) -> bool:
    return any(folder.glob("eval-*/results.json"))
