"""Two interveners, one after the other: what is sure and free first, the rest for who reads.

Composite(RulesIntervener(), LLMIntervener("http://localhost:8000/v1"))
"""

from __future__ import annotations

from dataclasses import replace

from storm_calm.agents.interveners import CheckHint, Inspection, Intervener
from storm_calm.env.episode import Episode


class Composite:
    """The finding of the first; where it has none, that of the second."""

    def __init__(self, first: Intervener, second: Intervener, *, floor: float = 0.0) -> None:
        """floor: how sure the first has to be to be heard, in [0, 1]. What it is less sure of the second looks at."""
        self._first, self._second, self._floor = first, second, floor
        self.name = f"{first.name}+{second.name}"

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Look at a run. Raises ReasonerError where the second cannot be reached."""
        seen = self._first.inspect(episode, check_hint)
        if seen.finding is not None and seen.finding.confidence >= self._floor:
            return seen
        then = self._second.inspect(episode, check_hint)
        return replace(then, rejected_hints=(*seen.rejected_hints, *then.rejected_hints), cost=seen.cost + then.cost)
