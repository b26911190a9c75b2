"""What is kept of each problem: the watched run with its outcome, and the run without interventions beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from storm_calm.agents.graphs.golden import Outcome
from storm_calm.agents.graphs.hint_share import hint_positions, hint_share
from storm_calm.agents.interveners import Cost, RejectedHint
from storm_calm.env import Episode, Finding, score
from storm_calm.env.jsonl import read_latest
from storm_calm.env.plain import arguments


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

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON data, with the scores of both runs, and where the hints stand."""
        return {
            "id": self.id,
            "seed": self.seed,
            "outcome": self.outcome,
            "score": score(self.episode).to_dict(),
            "native_score": score(self.native).to_dict(),
            "finding": self.finding.to_dict() if self.finding else None,
            "hint_share": round(hint_share(self.episode), 6),
            "hint_positions": [round(position, 6) for position in hint_positions(self.episode)],
            "rejected_hints": [rejected.to_dict() for rejected in self.rejected_hints],
            "cost": self.cost.to_dict(),
            "at_seconds": self.at_seconds,
            "episode": self.episode.to_dict(),
            "native": self.native.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The record that `to_dict` gave; what can be worked out is worked out anew."""
        worked_out = ("id", "score", "native_score", "hint_share", "hint_positions")
        values = arguments(cls, {name: value for name, value in data.items() if name not in worked_out})
        finding = values["finding"]
        return cls(
            seed=values["seed"],
            outcome=values["outcome"],
            finding=Finding.from_dict(finding) if finding else None,
            episode=Episode.from_dict(values["episode"]),
            native=Episode.from_dict(values["native"]),
            rejected_hints=tuple(RejectedHint.from_dict(one) for one in values.get("rejected_hints", ())),
            cost=Cost.from_dict(values.get("cost", {})),
            at_seconds=values["at_seconds"],
        )


def read_records(path: Path) -> tuple[Record, ...]:
    """The records of an `episodes.jsonl`, in its order, the last one of each problem. A missing file has none.

    A last line that a kill cut short is left out. Raises ValueError, naming file and line, for any other line that
    is not a record.
    """
    return tuple(read_latest(path, Record.from_dict, key=lambda record: record.id, what="a record of this curation"))
