"""The report of an export: what was written, and what was left out and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from storm_calm.rl.contamination import Match
from storm_calm.rl.datasets.training_rows import Format


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportReport:
    file: str
    format: Format
    rows: int
    tokens: int | None
    """Tokens in all rows, prompts included; None for formats of problems."""
    learned_tokens: int | None
    """Tokens with a loss; None for formats without a loss mask."""
    estimated: bool
    """Whether `tokens` is an estimate, since some trajectories have no token ids."""
    compared: int
    """The number of evaluation questions that the rows were compared with."""
    too_long: dict[str, int] = field(default_factory=dict)
    """The tokens of the trajectories left out for their length, by problem id."""
    contaminated: dict[str, Match] = field(default_factory=dict)
    """The matches of the rows left out as evaluation questions, by problem id."""
    rejected: dict[str, str] = field(default_factory=dict)
    """The reasons of the trajectories left out after a review, by problem id."""
    unfinished: bool = False
    """Whether the source is an unfinished curation."""


def nothing_left(
    contaminated: Mapping[str, Match], rejected: Mapping[str, str], too_long: Mapping[str, int], max_tokens: int | None
) -> str:
    """Return why no row is left, for an error message."""
    heldout = sum(match.how == "held out" for match in contaminated.values())
    reasons = {
        "of the families' held-out split (curate --split train, or export with --split heldout)": heldout,
        "that match evaluation questions": len(contaminated) - heldout,
        "that reviewers rejected": len(rejected),
        f"of more than {max_tokens} tokens": len(too_long),
    }
    return "; ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
