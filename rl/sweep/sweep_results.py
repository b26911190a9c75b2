"""Collect the results of a sweep from its folder: the accuracy at each point, and what its SFT data contain."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from storm_calm.agents.curation.records import read_records
from storm_calm.agents.evaluation.samples import read_samples
from storm_calm.env import score
from storm_calm.env.serialize import from_json
from storm_calm.rl.reproduce.paired_differences import DIFFICULTIES, RULE, Accuracy, Values, accuracy
from storm_calm.rl.reproduce.stage_jobs import seed_folder
from storm_calm.rl.sweep.curation_yield import CurationYield, curation_yields
from storm_calm.rl.sweep.run_sweep import SweepRequest, read_request
from storm_calm.rl.sweep.sft_mixtures import MixtureFacts, facts_file
from storm_calm.rl.sweep.studies import Model, Study, make_studies, reference_model
from storm_calm.rl.sweep.sweep_stages import model_stages


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelResult:
    """The results of a model on the held-out problems."""

    name: str
    stage: str
    """The training that it ends with: "base model", "SFT" or "SFT + GRPO"."""
    accuracy: Mapping[str, Accuracy]
    """By difficulty, over the evaluated seeds."""
    mixtures: Mapping[int, MixtureFacts]
    """What the SFT data contain, by seed."""
    runs: Mapping[int, str]
    """The run folder of the evaluation in the sweep's folder, by evaluated seed."""
    commands: Mapping[int, tuple[str, ...]]
    """The commands that give its results, in order, by evaluated seed; to be run in an empty folder."""

    def measured(self, name: str) -> float | None:
        """Return a field of the mixtures, the mean over seeds, or None."""
        found = [getattr(facts, name) for facts in self.mixtures.values()]
        return sum(found) / len(found) if found else None


@dataclass(frozen=True, kw_only=True, slots=True)
class PointResult:
    """A point of a study."""

    label: str
    value: float
    """The value as requested."""
    x: float
    """The place on the axis: the value of the varied quantity, measured where the study says so."""
    model: str
    """The name of its model."""
    evaluated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResult:
    study: Study
    series: Mapping[str, tuple[PointResult, ...]]
    """The points, by the training that their models end with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepResults:
    request: SweepRequest
    models: Mapping[str, ModelResult]
    """The evaluated models, by name."""
    studies: tuple[StudyResult, ...]
    missing: Mapping[str, tuple[int, ...]]
    """The models that are not evaluated for all seeds, with the missing seeds."""
    yields: tuple[CurationYield, ...]
    """The golden share of all finished curations, by the limit on interventions; empty without one."""
    right: Mapping[str, Values]
    """Which problems each model solved, by seed and problem; not in results.json."""
    problems: Mapping[str, tuple[str, ...]]
    """The ids of the held-out problems by difficulty, "all" included; not in results.json."""

    def reference(self, stage: str) -> str:
        """Return the name of the reference model for models that end with this training."""
        return "grpo-reference" if stage == "SFT + GRPO" else reference_model(self.request.config).name


def collect_results(out: Path) -> SweepResults:
    """Collect the results of the sweep in `out`, finished or not.

    Raises ValueError if it is not a sweep, if nothing is evaluated yet, and for a file that cannot be read.
    """
    request = read_request(out)
    if request is None:
        raise ValueError(f"{out}: not a sweep; run storm sweep --out {out} first")
    models = {model.name: model for model in request.models()}
    right: dict[str, Values] = {}
    difficulties: dict[str, str] = {}
    missing: dict[str, tuple[int, ...]] = {}
    for name in models:
        by_seed: dict[int, dict[str, dict[str, float]]] = {}
        for seed in request.seeds:
            folder = seed_folder(out, seed) / f"eval-{name}"
            if not (folder / "results.json").is_file():
                continue
            file = folder / "samples.jsonl"
            answers = _answers(file, file.stat().st_mtime_ns)
            by_seed[seed] = {id: {"right": correct} for id, (_, correct) in answers.items()}
            difficulties |= {id: difficulty for id, (difficulty, _) in answers.items()}
        if by_seed:
            right[name] = by_seed
        if len(by_seed) < len(request.seeds):
            missing[name] = tuple(seed for seed in request.seeds if seed not in by_seed)
    if not right:
        raise ValueError(f"{out}: no model is evaluated yet; run storm sweep --out {out} first")
    problems = {
        difficulty: tuple(id for id, own in difficulties.items() if difficulty in (own, "all"))
        for difficulty in DIFFICULTIES
    }
    found = {name: _model_result(models[name], out, request, right[name], problems) for name in right}
    studies = make_studies(request.config, quick=request.quick)
    return SweepResults(
        request=request,
        models=found,
        studies=tuple(_study_result(studies[name], found) for name in request.studies),
        missing=missing,
        yields=_yields(out, request),
        right=right,
        problems=problems,
    )


def _yields(out: Path, request: SweepRequest) -> tuple[CurationYield, ...]:
    folders = [seed_folder(out, seed) / "curate" for seed in request.seeds]
    files = [folder / "episodes.jsonl" for folder in folders if (folder / "summary.json").is_file()]
    return _yields_of(tuple((file, file.stat().st_mtime_ns) for file in files if file.is_file()))


@cache
def _yields_of(files: tuple[tuple[Path, int], ...]) -> tuple[CurationYield, ...]:
    """Return the yields of all curations. files: with the times at which they changed."""
    records = [record for file, _ in files for record in read_records(file)]
    return curation_yields(records) if records else ()


@cache  # A sweep writes its page again and again.
def _answers(file: Path, changed: int) -> Mapping[str, tuple[str, float]]:
    """Return the difficulty of each problem, and whether the sample on it is correct. changed: the time of the file."""
    samples = [one for one in read_samples(file) if not one.failed]
    return {one.id: (one.episode.problem.difficulty, float(score(one.episode, RULE).reward or 0.0)) for one in samples}


def _model_result(
    model: Model, out: Path, request: SweepRequest, right: Values, problems: Mapping[str, tuple[str, ...]]
) -> ModelResult:
    by_difficulty = {difficulty: accuracy(right, problems[difficulty]) for difficulty in DIFFICULTIES}
    mixtures: dict[int, MixtureFacts] = {}
    for seed in right if model.sft is not None else ():
        file = facts_file(seed_folder(out, seed) / f"mix-{model.sft.name}" / "sft.parquet") if model.sft else out
        if file.is_file():
            mixtures[seed] = from_json(MixtureFacts, json.loads(file.read_text(encoding="utf-8")))
    stages = {seed: model_stages(model, request.config, seed) for seed in right}
    return ModelResult(
        name=model.name,
        stage=model.stage,
        accuracy={difficulty: one for difficulty, one in by_difficulty.items() if one is not None},
        mixtures=mixtures,
        runs={seed: f"seed-{seed}/eval-{model.name}" for seed in right},
        commands={seed: tuple(stage.command for stage in found) for seed, found in stages.items()},
    )


def _study_result(study: Study, models: Mapping[str, ModelResult]) -> StudyResult:
    series: dict[str, tuple[PointResult, ...]] = {}
    for stage, points in study.series().items():
        found = []
        for point in points:
            result = models.get(point.model.name)
            share = result.measured(study.measured) if result is not None and study.measured else None
            found.append(
                PointResult(
                    label=point.label,
                    value=point.value,
                    x=point.value if share is None else 100 * share,
                    model=point.model.name,
                    evaluated=result is not None,
                )
            )
        series[stage] = tuple(found)
    return StudyResult(study=study, series=series)
