"""The report of an export: what was written, and what was left out and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from storm_calm.rl.contamination import Match
from storm_calm.rl.datasets.training_rows import Format

MAX_LISTED = 1000
"""Most left-out rows of one reason that a report lists; all are counted."""

Why = TypeVar("Why")


class LeftOut(Generic[Why]):
    """The rows left out for one reason: their number, and the first `MAX_LISTED` by id."""

    def __init__(self) -> None:
        self.count = 0
        self.listed: dict[str, Why] = {}

    def add(self, id: str, why: Why) -> None:
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed[id] = why


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportReport:
    file: str
    format: Format
    rows: int
    tokens: int | None
    """Tokens in all rows, prompts included; None for formats of problems and for tables."""
    learned_tokens: int | None
    """Tokens with a loss; None for formats without a loss mask."""
    estimated: bool
    """Whether `tokens` is an estimate, since some trajectories have no token ids."""
    compared: int
    """The number of evaluation questions that the rows were compared with."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """The number of rows left out, by the name of the following fields, which list the first 1,000 of each."""
    too_long: Mapping[str, int] = field(default_factory=dict)
    """The tokens of trajectories left out for their length, by problem id."""
    contaminated: Mapping[str, Match] = field(default_factory=dict)
    """The matches of rows left out as evaluation questions, by problem id."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """The reasons of trajectories left out after a review, by problem id."""
    unfinished: bool = False
    """Whether the source is an unfinished run."""


class LeftOutRows:
    """All rows that an export leaves out."""

    def __init__(self) -> None:
        self.heldout = 0
        self.too_long: LeftOut[int] = LeftOut()
        self.contaminated: LeftOut[Match] = LeftOut()
        self.rejected: LeftOut[str] = LeftOut()

    def add_match(self, id: str, match: Match) -> None:
        self.heldout += match.how == "held out"
        self.contaminated.add(id, match)

    def fields(self) -> dict[str, Any]:
        """Return the fields of an `ExportReport` about them."""
        parts: dict[str, LeftOut[Any]] = {
            "too_long": self.too_long,
            "contaminated": self.contaminated,
            "rejected": self.rejected,
        }
        counts = {name: part.count for name, part in parts.items()}
        return {"left_out": counts, **{name: part.listed for name, part in parts.items()}}

    def summary(self, max_tokens: int | None) -> str:
        """Return why no row is left, for an error message."""
        reasons = {
            "of the families' held-out split (curate --split train, or export with --split heldout)": self.heldout,
            "that match evaluation questions": self.contaminated.count - self.heldout,
            "that reviewers rejected": self.rejected.count,
            f"of more than {max_tokens} tokens": self.too_long.count,
        }
        return "; ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
