"""The result of an intervener on a trajectory: a finding, a valid hint, the rejected hints and the cost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from storm_calm.agents.interveners.cost import Cost
from storm_calm.env.intervention import Finding, Trigger

RejectionReason = Literal[
    "length", "voice", "marks", "code", "number", "answer",
    "quote", "format", "trigger",
]  # fmt: skip
"""Why a hint or a reply was rejected.

length to answer: an invalid hint, see `agents.interveners.leak_check`. quote: the quoted words do not occur exactly
once. format: the reply violates the schema. trigger: an unknown trigger.
"""

REJECTION_REASONS: tuple[RejectionReason, ...] = get_args(RejectionReason)


@dataclass(frozen=True, kw_only=True, slots=True)
class RejectedHint:
    """A hint or a reply that failed validation and was not used."""

    reason: RejectionReason
    trigger: Trigger | None = None
    """The trigger of the reply; None if it is unknown."""
    text: str = ""
    """The hint, the quote, or the beginning of the reply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """The result of one inspection."""

    finding: Finding | None = None
    """The first flaw; None without a flaw."""
    hint: str | None = None
    """One or two sentences in the reasoner's own voice; None without a finding or a valid hint."""
    rejected_hints: tuple[RejectedHint, ...] = ()
    """Hints and replies that were rejected before."""
    cost: Cost = field(default_factory=Cost)
    usable: bool = True
    """Whether any reply was usable; False if every reply was rejected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault of a hint."""

    reason: RejectionReason
    message: str
    """The fault and its fix in words; it does not reveal the answer."""


CheckHint = Callable[[str], Fault | None]
"""A function that returns the fault of a hint, or None. It knows the accepted answers; its caller does not."""
