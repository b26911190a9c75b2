"""What is kept of each problem: the watched run with its outcome, and the run without interventions beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storm_calm.agents.graphs.golden import Outcome
from storm_calm.agents.graphs.hint_share import hint_positions, hint_share
from storm_calm.agents.interveners import Cost, RejectedHint
from storm_calm.env import Episode, Finding, Score, score
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import read_latest
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One problem, done."""

    seed: int
    """The seed of both runs."""
    outcome: Outcome
    """What became of the watched run."""
    finding: Finding | None
    """What was still found in it when it was over."""
    episode: Episode
    """The watched run."""
    native: Episode
    """The run without interventions."""
    rejected_hints: tuple[RejectedHint, ...] = ()
    """Hints of the intervener that were rejected."""
    cost: Cost = field(default_factory=Cost)
    """What inspecting took."""
    at_seconds: float = 0.0
    """Wall seconds after which it was done, counted from the beginning of the curation, pauses left out."""

    @property
    def id(self) -> str:
        """The problem's."""
        return self.episode.problem.id

    @property
    def key(self) -> str:
        """The key of its job, for resuming."""
        return self.id

    @property
    def final_correct(self) -> bool:
        """Whether the watched run's answer is right."""
        return score(self.episode).reason == "correct"

    @property
    def native_correct(self) -> bool:
        """Whether the answer without interventions is right."""
        return score(self.native).reason == "correct"

    @property
    def corrected(self) -> bool:
        """Whether the answer is right in the end, and was not without interventions."""
        return self.final_correct and not self.native_correct

    @property
    def failed(self) -> bool:
        """Whether the sandbox failed one of the runs, so that the problem says nothing about the model."""
        return "infrastructure" in (self.episode.stop, self.native.stop)


DERIVED: dict[str, Any] = {
    "id": str,
    "score": Score,
    "native_score": Score,
    "hint_share": float,
    "hint_positions": tuple[float, ...],
}
"""What a line of `episodes.jsonl` has beside the record: it follows from it, and is there for other programs."""


def record_to_json(record: Record) -> dict[str, Any]:
    """The JSON data of a line of `episodes.jsonl`: the record, the scores of both runs, and where the hints stand."""
    derived = {
        "id": record.id,
        "score": to_json(score(record.episode)),
        "native_score": to_json(score(record.native)),
        "hint_share": round(hint_share(record.episode), 6),
        "hint_positions": [round(position, 6) for position in hint_positions(record.episode)],
    }
    return with_version({**derived, **to_json(record)})


def record_from_json(data: Mapping[str, Any]) -> Record:
    """The record in a line of `episodes.jsonl`; what follows from it is worked out anew. Raises ValueError."""
    return from_json(Record, {name: value for name, value in without_version(data).items() if name not in DERIVED})


def read_records(path: Path) -> tuple[Record, ...]:
    """The records of an `episodes.jsonl`, in its order, the last one of each problem. A missing file has none.

    A last line that a kill cut short is left out. Raises ValueError, naming file and line, for any other line that
    is not a record.
    """
    return tuple(read_latest(path, record_from_json, key=lambda record: record.id, what="a record of this curation"))
