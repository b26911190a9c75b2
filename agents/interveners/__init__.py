"""Who notices a flaw and drops in a hint.

An intervener looks at an episode, finished or not, and says where its first flaw begins; then it words a hint in the
reasoner's own voice. It never sees the answer.
"""

from __future__ import annotations

import typing

from agents.interveners.rules import RulesIntervener
from env.episode import Episode
from env.intervention import Finding

__all__ = ["Intervener", "RulesIntervener"]


class Intervener(typing.Protocol):
    """Finds the first flaw of a run and words a hint."""

    @property
    def name(self) -> str:
        """Its name in configurations and records."""

    def inspect(self, episode: Episode) -> Finding | None:
        """The first flaw, or None."""

    def hint(self, finding: Finding) -> str:
        """One or two sentences in the reasoner's own voice."""
