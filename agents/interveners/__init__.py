"""Who notices a flaw and words a hint.

    seen = RulesIntervener().inspect(episode, lambda hint: None)

An intervener looks at an episode, finished or not, says where its first flaw begins, and words a hint in the reasoner's
own voice. It never sees the answer. Whatever hint it words is checked (`agents.interveners.leak_check`).
"""

from __future__ import annotations

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
    "REJECTION_REASONS",
    "CheckHint",
    "Cost",
    "Fault",
    "Inspection",
    "Intervener",
    "RejectedHint",
    "RejectionReason",
    "RulesIntervener",
]


class Intervener(typing.Protocol):
    """Finds the first flaw of a run and words a hint."""

    @property
    def name(self) -> str:
        """Its name in configurations and records."""

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Look at a run. check_hint: says what is wrong with a hint, for interveners that can word another.

        Raises ReasonerError where the intervener cannot be reached.
        """
