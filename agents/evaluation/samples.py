"""The sample: one trajectory of an evaluation."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from storm_calm.env import Episode
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import read_latest
from storm_calm.env.reward import scorable
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One of the trajectories on a problem."""

    sample: int
    """The number of the sample, from 0, in its repetition."""
    repetition: int = 0
    """The number of its repetition of the evaluation, from 0; see `EvalConfig.seeds`."""
    seed: int
    """Its seed, see `sample_seed`."""
    temperature: float
    """Its sampling temperature."""
    episode: Episode
    """The trajectory."""
    at_seconds: float = 0.0
    """Wall seconds from the start of the evaluation to this sample, without pauses before a --resume."""

    @property
    def id(self) -> str:
        return self.episode.problem.id

    @property
    def key(self) -> tuple[str, int, int]:
        return self.id, self.repetition, self.sample

    @property
    def failed(self) -> bool:
        """Whether the sandbox or the problem's checker failed, so that the sample does not count."""
        return self.episode.stop == "infrastructure" or self.checker_failed

    @property
    def needs_judge(self) -> bool:
        """Whether only a judge can score it, because its problem has no accepted answers and no checker."""
        return not self.failed and not scorable(self.episode.problem)

    @property
    def checker_failed(self) -> bool:
        check = self.episode.output_check
        return check is not None and bool(check.fault)


class Derived(TypedDict):
    """Derived fields in a line of `samples.jsonl`, for other programs."""

    id: str
    """Id of the problem."""


def sample_to_json(sample: Sample) -> dict[str, Any]:
    """Return the JSON data of a line of `samples.jsonl`: the sample and its `Derived` fields."""
    return with_version({"id": sample.id, **to_json(sample)})


def sample_from_json(data: Mapping[str, Any]) -> Sample:
    """Return the sample in a line of `samples.jsonl`. Raises ValueError that names the field."""
    own = {name: value for name, value in without_version(data).items() if name not in Derived.__annotations__}
    return from_json(Sample, own)


def sample_seed(seed: int, sample: int, id: str) -> int:
    """Return the seed of a sample, in [0, 2**31), from the repetition's seed, its number and the problem's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{sample}|{id}".encode()).digest()[:4], "big") >> 1


def read_samples(path: Path) -> tuple[Sample, ...]:
    """Return the last sample of each key in a `samples.jsonl`, as `env.jsonl.read_latest` does. Raises ValueError."""
    return tuple(read_latest(path, sample_from_json, key=lambda one: one.key, what="a sample of this evaluation"))
