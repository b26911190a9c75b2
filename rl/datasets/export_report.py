"""The report of an export: what was written, and what was left out for which reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storm_calm.rl.contamination import Match
from storm_calm.rl.datasets.training_rows import Format


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportReport:
    """What came of an export."""

    file: str
    """The file that was written."""
    format: Format
    """As in the settings."""
    rows: int
    """Rows in the file."""
    tokens: int | None
    """Tokens in all rows, prompts included; None for verl-rl."""
    learned_tokens: int | None
    """Tokens with a loss; None for formats without a mask."""
    estimated: bool
    """Whether `tokens` is an estimate, because runs have no token ids."""
    compared: int
    """Evaluation questions that the rows were compared with."""
    too_long: dict[str, int] = field(default_factory=dict)
    """Runs that were left out for their length: their tokens by problem id."""
    contaminated: dict[str, Match] = field(default_factory=dict)
    """Rows that were left out because they are evaluation questions: what they match by problem id."""
    rejected: dict[str, str] = field(default_factory=dict)
    """Runs that were left out because reviewers rejected an intervention of theirs: why, by problem id."""
    unfinished: bool = False
    """Whether the source is a curation that was stopped half way."""


def nothing_left(
    contaminated: Mapping[str, Match], rejected: Mapping[str, str], too_long: Mapping[str, int], max_tokens: int | None
) -> str:
    """Return why no row is left, for an error message."""
    heldout = sum(match.how == "held out" for match in contaminated.values())
    reasons = {
        "of the families' held-out split (curate --split train, or export with --split heldout)": heldout,
        "the same as evaluation questions": len(contaminated) - heldout,
        "that reviewers rejected": len(rejected),
        f"of more than {max_tokens} tokens": len(too_long),
    }
    return "; ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
