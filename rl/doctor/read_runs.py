"""Read the figures of run folders: curations, evaluations, GRPO runs, or a folder that has several of them."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.curation.records import GOLDEN_EPISODES
from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.agents.runs.training_steps import MERGED, merged_steps, session_files
from storm_calm.agents.verdict import backed_by_report
from storm_calm.env.jsonl import read_jsonl
from storm_calm.rl.datasets.sources import curation_lines, golden_episodes


@dataclass(frozen=True, kw_only=True, slots=True)
class CurationRun:
    name: str
    """The name of its run folder."""
    golden: int
    """Golden trajectories."""
    hint_share_mean: float
    """Their mean share of hint tokens among model and hint tokens; 0 without any."""
    hint_share_max: float
    """The largest such share."""
    backed: int
    """Golden trajectories whose answer a solver report backs."""
    executions: Mapping[str, int]
    """The number of programs by status, over all trajectories, with and without interventions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationRun:
    name: str
    results: Mapping[str, Any]
    """The content of results.json."""

    def number(self, *path: str) -> float | None:
        """Return a finite number in the results, or None."""
        return _number(self._get(path))

    def numbers(self, *path: str) -> Mapping[str, float]:
        """Return the numbers in an object of the results."""
        found = self._get(path)
        items = found.items() if isinstance(found, Mapping) else ()
        return {name: value for name, value in items if isinstance(value, (int, float))}

    def _get(self, path: tuple[str, ...]) -> Any:
        value: Any = self.results
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRun:
    name: str
    mode: str
    """veRL's `trainer.v1.trainer_mode`; "" if the run folder has no config.yaml."""
    steps: tuple[Mapping[str, Any], ...]
    """The metrics of each step, by name."""

    def series(self, name: str) -> list[float]:
        """Return a metric of the steps that have it, without NaN."""
        values = (_number(step.get(name)) for step in self.steps)
        return [value for value in values if value is not None]


ExaminedRun = CurationRun | EvaluationRun | TrainingRun


@dataclass(frozen=True, kw_only=True, slots=True)
class ExaminedRuns:
    runs: tuple[ExaminedRun, ...]
    """All runs but the baseline."""
    baseline: EvaluationRun | None
    """The evaluation of the model before training."""


def read_runs(path: Path, baseline: Path | None = None) -> ExaminedRuns:
    """Read the runs in `path` and in the folders in it.

    baseline: the run folder of an evaluation; by default one in `path` with "base" in its name, if there are others.
    Raises ValueError if no run is found, and for a file that cannot be read.
    """
    if not path.is_dir():
        raise ValueError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}; give a run folder")
    folders = [path, *sorted(folder for folder in path.iterdir() if folder.is_dir())]
    if baseline is not None:
        folders = [folder for folder in folders if folder.resolve() != baseline.resolve()]
    runs = [run for folder in folders for run in _read(folder, folder.name or str(folder))]
    if not runs:
        raise ValueError(
            f"{path}: no run in it; give the run folder of a curation (golden.jsonl), of an evaluation (results.json), "
            "of a GRPO run (metrics.jsonl with rewards), or a folder of run folders"
        )
    if baseline is not None:
        results = baseline / "results.json"
        if not results.is_file():
            raise ValueError(f"{baseline}: no results.json in it; give the run folder of an evaluation as the baseline")
        evaluation = EvaluationRun(name=baseline.name or str(baseline), results=_read_object(results))
        return ExaminedRuns(runs=tuple(runs), baseline=evaluation)
    evaluations = [run for run in runs if isinstance(run, EvaluationRun)]
    base = next((run for run in evaluations if "base" in run.name and len(evaluations) > 1), None)
    return ExaminedRuns(runs=tuple(run for run in runs if run is not base), baseline=base)


def _read(folder: Path, name: str) -> list[ExaminedRun]:
    found: list[ExaminedRun] = []
    if GOLDEN_EPISODES.exists(folder):
        found.append(_read_curation(folder, name))
    if (folder / "results.json").is_file():
        found.append(EvaluationRun(name=name, results=_read_object(folder / "results.json")))
    if (folder / MERGED).is_file() or session_files(folder):
        training = _read_training(folder, name)
        # An SFT run has metrics too, but none of these.
        if any(metric.startswith(("critic/", "storm/")) for step in training.steps for metric in step):
            found.append(training)
    return found


def _read_curation(folder: Path, name: str) -> CurationRun:
    """Read a curation, one record at a time."""
    statuses: Counter[str] = Counter()
    for record in curation_lines(folder):
        statuses.update(_statuses(record))
    golden = backed = 0
    total = most = 0.0
    for episode in golden_episodes(folder):
        share = hint_share(episode)
        golden, total, most = golden + 1, total + share, max(most, share)
        backed += backed_by_report(episode)
    return CurationRun(
        name=name,
        golden=golden,
        hint_share_mean=total / golden if golden else 0.0,
        hint_share_max=most,
        backed=backed,
        executions=statuses,
    )


def _statuses(record: Mapping[str, Any]) -> Counter[str]:
    return Counter(one["status"] for run in ("episode", "native") for one in record[run]["executions"])


def _read_training(folder: Path, name: str) -> TrainingRun:
    steps: dict[int, Mapping[str, Any]] = {}
    if session_files(folder):  # While training runs, metrics.jsonl is missing or out of date.
        steps = {step["step"]: step["data"] for step in merged_steps(folder)}
    else:
        for _, (step, data) in read_jsonl(folder / MERGED, _step, growing=True):
            # Training and validation write separate lines. If a step ran twice, the later line counts.
            steps[step] = {**steps.get(step, {}), **data}
    ordered = tuple(steps[step] for step in sorted(steps))
    return TrainingRun(name=name, mode=_mode(folder / "config.yaml"), steps=ordered)


def _step(record: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    step, data = record.get("step"), record.get("data")
    if not isinstance(step, int) or not isinstance(data, Mapping):
        raise ValueError('not the metrics of a step, such as {"step": 1, "data": {...}}')
    return step, data


def _mode(config: Path) -> str:
    import yaml

    if not config.is_file():
        return ""
    try:
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{config}: not YAML: {error}") from error
    for key in ("trainer", "v1", "trainer_mode"):
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    return settings if isinstance(settings, str) else ""


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: not a JSON object, so not the results.json of an evaluation")
    return value


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None
