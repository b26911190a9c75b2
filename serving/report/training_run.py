"""The data of a GRPO run besides its rollouts: settings, and the learning curve, also while training continues."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from storm_calm.agents.runs.training_steps import merged_steps, session_files

SETTINGS_FILE = "config.yaml"

SETTINGS = {
    "model": "actor_rollout_ref.model.path",
    "families": "storm.families",
    "problems": "storm.problems",
    "seed": "storm.seed",
    "steps": "trainer.total_training_steps",
    "problems_per_step": "data.train_batch_size",
    "rollouts_per_problem": "actor_rollout_ref.rollout.n",
    "temperature": "actor_rollout_ref.rollout.temperature",
    "learning_rate": "actor_rollout_ref.actor.optim.lr",
    "max_executions": "storm.max_executions",
    "response_tokens": "data.max_response_length",
    "rule": "storm.rule",
    "check_plans": "storm.check_plans",
    "estimator": "algorithm.adv_estimator",
    "divide_by_deviation": "algorithm.norm_adv_by_std_in_grpo",
    "keep_rollouts": "storm.keep_rollouts",
}
"""The settings on the page, by their name there."""

REWARD = "storm/reward/"
"""The metrics with the parts of the reward begin so."""

CURVE = {
    "accuracy": "storm/accuracy",
    "reward": "critic/score/mean",
    "tokens": "storm/model_tokens",
    "programs": "storm/executions",
}
"""The metrics of the learning curve, by their name on the page."""


def training_settings(path: Path) -> dict[str, Any] | None:
    """Return the settings of a GRPO run for the page; None if the folder is not one. Raises ValueError."""
    file = path / SETTINGS_FILE
    if not file.is_file():
        return None
    try:
        import yaml
    except ImportError as error:
        raise ValueError(f"{file}: reading it needs PyYAML; pip install 'storm-calm[train]'") from error
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not YAML: {error}") from error
    if not isinstance(config, dict) or "actor_rollout_ref" not in config:
        return None
    settings = {name: _at(config, key) for name, key in SETTINGS.items()}
    weights = _at(config, "storm.reward") or {}
    return {
        **{name: value for name, value in settings.items() if value is not None},
        **{f"reward_{name}": weight for name, weight in weights.items() if weight},
    }


def _at(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def learning_curve(path: Path) -> dict[str, Any]:
    """Return the steps and their metrics so far, as lists of one length; None for a metric that a step lacks.

    "parts" has those parts of the reward that are not always 0, besides correctness.
    """
    files = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in session_files(path))
    return _curve(path, files)


@lru_cache(maxsize=4)
def _curve(path: Path, _files: tuple[tuple[Path, int, int], ...]) -> dict[str, Any]:
    """Return the curve; a server asks for it every two seconds, so it is read again only after a change."""
    steps = [step for step in merged_steps(path) if any(name in step["data"] for name in CURVE.values())]

    def values(metric: str) -> list[Any]:
        return [step["data"].get(metric) for step in steps]

    names = {name for step in steps for name in step["data"] if name.startswith(REWARD)}
    parts = sorted(names - {f"{REWARD}correct", f"{REWARD}total"})
    return {
        "step": [step["step"] for step in steps],
        **{name: values(metric) for name, metric in CURVE.items()},
        "parts": {name.removeprefix(REWARD): values(name) for name in parts if any(values(name))},
    }
