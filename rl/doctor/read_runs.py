"""What runs left behind, as figures: a curation, an evaluation, a GRPO run, or a folder with several of them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.env import read_episodes
from storm_calm.env.jsonl import read_jsonl
from storm_calm.env.solver_backing import backed_by_report


@dataclass(frozen=True, kw_only=True, slots=True)
class CurationRun:
    """The figures of a `storm curate`."""

    name: str
    """Its folder, as messages name it."""
    hint_shares: tuple[float, ...]
    """Hint tokens as a part of model and hint tokens, of each golden run."""
    backed: tuple[bool, ...]
    """Whether a solver report backs the answer, of each golden run."""
    executions: Mapping[str, int]
    """Programs by their status, of all runs, golden or not, watched and native."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationRun:
    """The figures of an evaluation."""

    name: str
    """Its folder, as messages name it."""
    results: Mapping[str, Any]
    """What its results.json says."""

    def number(self, *path: str) -> float | None:
        """A number in the results; None where it is not there."""
        value: Any = self.results
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return _number(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRun:
    """The figures of a GRPO run."""

    name: str
    """Its folder, as messages name it."""
    steps: tuple[Mapping[str, Any], ...]
    """The metrics of each step, by name."""

    def series(self, name: str) -> list[float]:
        """A metric over the steps that have it, NaN left out."""
        values = (_number(step.get(name)) for step in self.steps)
        return [value for value in values if value is not None]


ExaminedRun = CurationRun | EvaluationRun | TrainingRun


@dataclass(frozen=True, kw_only=True, slots=True)
class ExaminedRuns:
    """What there is to look at."""

    runs: tuple[ExaminedRun, ...]
    """All but the baseline."""
    baseline: EvaluationRun | None
    """The evaluation of the model before training."""


def read_runs(path: Path, baseline: Path | None = None) -> ExaminedRuns:
    """The runs in `path` and in the folders in it.

    baseline: the folder of an evaluation; by default the one in `path` whose name has "base" in it, where others are.
    Raises ValueError where there is no run, and for a file that cannot be read.
    """
    if not path.is_dir():
        raise ValueError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}; give the folder of a run")
    folders = [path, *sorted(folder for folder in path.iterdir() if folder.is_dir())]
    if baseline is not None:
        folders = [folder for folder in folders if folder.resolve() != baseline.resolve()]
    runs = [run for folder in folders for run in _read(folder, folder.name or str(folder))]
    if not runs:
        raise ValueError(
            f"{path}: no run is in it; give the folder of a curation (golden.jsonl), of an evaluation (results.json), "
            "of a GRPO run (metrics.jsonl with its rewards), or one that holds such folders"
        )
    evaluations = [run for run in runs if isinstance(run, EvaluationRun)]
    if baseline is not None:
        return ExaminedRuns(runs=tuple(runs), baseline=_evaluation(baseline))
    base = next((run for run in evaluations if "base" in run.name and len(evaluations) > 1), None)
    return ExaminedRuns(runs=tuple(run for run in runs if run is not base), baseline=base)


def _read(folder: Path, name: str) -> list[ExaminedRun]:
    found: list[ExaminedRun] = []
    if (folder / "golden.jsonl").is_file():
        found.append(_curation(folder, name))
    if (folder / "results.json").is_file():
        found.append(EvaluationRun(name=name, results=_object(folder / "results.json")))
    if (folder / "metrics.jsonl").is_file():
        training = _training(folder, name)
        # An SFT run has metrics too, and nothing in them that is looked for.
        if any(metric.startswith(("critic/", "storm/")) for step in training.steps for metric in step):
            found.append(training)
    return found


def _curation(folder: Path, name: str) -> CurationRun:
    golden = read_episodes(folder / "golden.jsonl")
    statuses: Counter[str] = Counter()
    for _, counts in read_jsonl(folder / "episodes.jsonl", _statuses, growing=True, what="a record of a curation"):
        statuses.update(counts)
    return CurationRun(
        name=name,
        hint_shares=tuple(map(hint_share, golden)),
        backed=tuple(map(backed_by_report, golden)),
        executions=statuses,
    )


def _statuses(record: Mapping[str, Any]) -> Counter[str]:
    return Counter(one["status"] for run in ("episode", "native") for one in record[run]["executions"])


def _evaluation(folder: Path) -> EvaluationRun:
    if not (folder / "results.json").is_file():
        raise ValueError(f"{folder}: no results.json in it; give the folder of an evaluation as the baseline")
    return EvaluationRun(name=folder.name or str(folder), results=_object(folder / "results.json"))


def _training(folder: Path, name: str) -> TrainingRun:
    steps: dict[int, Mapping[str, Any]] = {}
    for _, (step, data) in read_jsonl(folder / "metrics.jsonl", _step, growing=True):
        # A step may have several lines, of training and of validation; after a kill the later one counts.
        steps[step] = {**steps.get(step, {}), **data}
    return TrainingRun(name=name, steps=tuple(steps[step] for step in sorted(steps)))


def _step(record: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    step, data = record.get("step"), record.get("data")
    if not isinstance(step, int) or not isinstance(data, Mapping):
        raise ValueError('not the metrics of a step; they look like {"step": 1, "data": {...}}')
    return step, data


def _object(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: not a JSON object; it is not an evaluation's results.json")
    return value


def _number(value: Any) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None
