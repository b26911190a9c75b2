"""Two interveners in sequence: the free and certain one first, the expensive one for the rest."""

from dataclasses import replace

from storm_calm.agents.interveners import CheckHint, Inspection, Intervener
from storm_calm.env.episode import Episode


class Composite:
    """An intervener that asks the second one if the first finds nothing."""

    def __init__(self, first: Intervener, second: Intervener, *, floor: float = 0.0) -> None:
        """floor: confidence in [0, 1] below which a finding of the first is ignored."""
        self._first, self._second, self._floor = first, second, floor
        self.name = f"{first.name}+{second.name}"

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Return the finding of the first or the second, with the costs of both. Raises ReasonerError."""
        first = self._first.inspect(episode, check_hint)
        if first.finding is not None and first.finding.confidence >= self._floor:
            return first
        second = self._second.inspect(episode, check_hint)
        rejected_hints = (*first.rejected_hints, *second.rejected_hints)
        return replace(second, rejected_hints=rejected_hints, cost=first.cost + second.cost)
