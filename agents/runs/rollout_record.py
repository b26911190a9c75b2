"""The rollout record: one trajectory of a training run, with its reward and what the trainer received.

`rl` writes the records of some steps into rollouts/ of the run folder, and the viewer reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.env import Episode, Score
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.serialize import from_json, to_json

FOLDER = "rollouts"
"""The folder of the records in a run folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """A finished episode as the trainer receives it."""

    prompt_ids: list[int]
    """Token ids of the prompt."""
    response_ids: list[int]
    """Token ids after the prompt, at least one and at most the limit of a response."""
    mask: list[int]
    """1 for sampled tokens, which are trained on; as long as `response_ids`."""
    logprobs: list[float]
    """The sampler's log-probabilities, 0.0 for tokens of the environment; as long as `response_ids`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutRecord:
    """A finished rollout of a training run."""

    step: int
    """The training step, from 1."""
    group: str
    """Identifies the rollouts of one prompt, whose rewards GRPO compares."""
    session: int
    """Its number in the group, from 0."""
    score: Score
    """The score of its answer. The reward in it is that of correctness alone."""
    reward: dict[str, float]
    """The reward: its components, and their sum as `total`."""
    rollout: Rollout
    """What the trainer received."""
    episode: Episode
    """The trajectory."""


def rollout_to_json(record: RolloutRecord) -> dict[str, Any]:
    """Return a line of a file in rollouts/."""
    return with_version(to_json(record))


def rollout_from_json(data: Mapping[str, Any]) -> RolloutRecord:
    """Return the record in a line. Raises ValueError that names the field."""
    return from_json(RolloutRecord, without_version(data))


def step_file(out: Path, step: int) -> Path:
    """Return the file of a step's rollouts in a run folder."""
    return out / FOLDER / f"step-{step:06d}.jsonl"


def rollout_files(out: Path) -> list[Path]:
    """Return the files of rollouts in a run folder, in the order of their steps."""
    return sorted((out / FOLDER).glob("step-*.jsonl"))
