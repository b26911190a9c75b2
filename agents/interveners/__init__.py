"""Interveners: they find the first flaw of an episode and write a hint in the reasoner's own voice.

    seen = RulesIntervener().inspect(episode, lambda hint: None)

The episode may be finished or not. An intervener never sees the accepted answer, and every hint is validated
(`agents.interveners.leak_check`).
"""

import typing

from storm_calm.agents.interveners.inspection import (
    REJECTION_REASONS,
    CheckHint,
    Cost,
    Fault,
    Inspection,
    RejectedHint,
    RejectionReason,
)
from storm_calm.agents.interveners.rules import RulesIntervener
from storm_calm.env.episode import Episode

__all__ = [
    "REJECTION_REASONS", "CheckHint", "Cost", "Fault", "Inspection", "Intervener", "RejectedHint", "RejectionReason",
    "RulesIntervener",
]  # fmt: skip


class Intervener(typing.Protocol):
    """An object that finds the first flaw of a trajectory and writes a hint."""

    @property
    def name(self) -> str:
        """The name in configurations and records."""

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Return the first flaw. `check_hint` returns the fault of a hint. Raises ReasonerError if unreachable."""
