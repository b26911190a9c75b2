"""What is kept of each run at a problem."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.env import Episode
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import read_latest
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One run at one problem, done."""

    sample: int
    """Which of the runs at this problem it is, from 0."""
    seed: int
    """Its seed, see `sample_seed`."""
    temperature: float
    """How freely its tokens were drawn."""
    episode: Episode
    """The run."""
    at_seconds: float = 0.0
    """Wall seconds after which it was done, counted from the beginning of the evaluation, pauses left out."""

    @property
    def id(self) -> str:
        """The problem's."""
        return self.episode.problem.id

    @property
    def key(self) -> tuple[str, int]:
        """Problem and number."""
        return self.id, self.sample

    @property
    def failed(self) -> bool:
        """Whether the sandbox failed it, so that it says nothing about the model."""
        return self.episode.stop == "infrastructure"


DERIVED: dict[str, Any] = {"id": str}
"""What a line of `samples.jsonl` has beside the sample: it follows from it, and is there for other programs."""


def sample_to_json(sample: Sample) -> dict[str, Any]:
    """The JSON data of a line of `samples.jsonl`: the sample, and the problem's id before it."""
    return with_version({"id": sample.id, **to_json(sample)})


def sample_from_json(data: Mapping[str, Any]) -> Sample:
    """The sample in a line of `samples.jsonl`. Raises ValueError that names the field."""
    return from_json(Sample, {name: value for name, value in without_version(data).items() if name not in DERIVED})


def sample_seed(seed: int, sample: int, id: str) -> int:
    """The seed of a run, in [0, 2**31): it depends on the evaluation's seed, on the problem and on which run it is."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{sample}|{id}".encode()).digest()[:4], "big") >> 1


def read_samples(path: Path) -> tuple[Sample, ...]:
    """The samples of a `samples.jsonl`, in its order, the last one of each key. A missing file has none.

    A last line that a kill cut short is left out. Raises ValueError, naming file and line, for any other line that
    is not a sample.
    """
    return tuple(read_latest(path, sample_from_json, key=lambda one: one.key, what="a sample of this evaluation"))
