"""Who notices a flaw and words a hint.

    seen = RulesIntervener().inspect(episode, lambda hint: None)

An intervener looks at an episode, finished or not, says where its first flaw begins, and words a hint in the reasoner's
own voice. It never sees the answer. Whatever hint it words is checked (`agents.interveners.leak_check`).
"""

from __future__ import annotations

import typing

from storm_calm.agents.interveners.inspection import REFUSALS, Fault, Inspection, Refusal, RefusalReason, Refuse, Spent
from storm_calm.agents.interveners.rules import RulesIntervener
from storm_calm.env.episode import Episode

__all__ = [
    "REFUSALS",
    "Fault",
    "Inspection",
    "Intervener",
    "Refusal",
    "RefusalReason",
    "Refuse",
    "RulesIntervener",
    "Spent",
]


class Intervener(typing.Protocol):
    """Finds the first flaw of a run and words a hint."""

    @property
    def name(self) -> str:
        """Its name in configurations and records."""

    def inspect(self, episode: Episode, refuse: Refuse) -> Inspection:
        """Look at a run. refuse: says what is wrong with a hint, for interveners that can word another.

        Raises ReasonerError where the intervener cannot be reached.
        """
