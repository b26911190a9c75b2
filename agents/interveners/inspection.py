"""The result of an intervener's look at a trajectory: a finding, a valid hint, the rejected hints and the cost.

seen = intervener.inspect(episode, check_hint)
if seen.finding and seen.hint: env.intervene(seen.finding, seen.hint)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from storm_calm.agents.interveners.cost import Cost
from storm_calm.env.intervention import TRIGGERS, Finding, Trigger

RejectionReason = Literal[
    "length", "voice", "marks", "code", "number", "answer",
    "quote", "format", "trigger",
]  # fmt: skip
"""Why a hint, or the reply that was to hold one, was rejected.

length to answer: a hint that is no light thought in the reasoner's own voice, see `agents.interveners.leak_check`.
quote: the words where the flaw begins do not stand in the run, or more than once. format: not the object that was asked
for. trigger: a kind of flaw that there is none of.
"""

REJECTION_REASONS: tuple[RejectionReason, ...] = get_args(RejectionReason)
"""All of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RejectedHint:
    """A hint, or a reply that was to hold one, that failed validation and was not used."""

    reason: RejectionReason
    """Why."""
    trigger: Trigger | None = None
    """The kind of flaw that it was about; None where that could not be read."""
    text: str = ""
    """The hint, the quote, or the beginning of the reply."""

    def __post_init__(self) -> None:
        if self.reason not in REJECTION_REASONS:
            raise ValueError(f"reason {self.reason!r} is none of {', '.join(REJECTION_REASONS)}")
        if self.trigger is not None and self.trigger not in TRIGGERS:
            raise ValueError(f"trigger {self.trigger!r} is none of {', '.join(TRIGGERS)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What came of one look at a run."""

    finding: Finding | None = None
    """The first flaw; None where there is none."""
    hint: str | None = None
    """One or two sentences in the reasoner's own voice; None without a finding, and if no hint was valid."""
    rejected_hints: tuple[RejectedHint, ...] = ()
    """Hints that were rejected before it."""
    cost: Cost = field(default_factory=Cost)
    """What it cost."""
    usable: bool = True
    """Whether any reply was usable; False if every reply was rejected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is wrong with a hint."""

    reason: RejectionReason
    """Which rule it breaks."""
    message: str
    """The same in words, with the fix; it does not say what the answer is."""


CheckHint = Callable[[str], Fault | None]
"""Returns what is wrong with a hint, None for a valid one. It knows the accepted answers; its caller does not."""
