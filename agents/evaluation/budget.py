"""The budget of a trajectory, and how much of it trajectories use."""

from array import array
from dataclasses import dataclass

from storm_calm.agents.evaluation.samples import Sample

EXHAUSTED = ("budget", "length", "context")
"""Stop reasons of trajectories that had no programs or tokens left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantiles:
    """The spread of a figure over trajectories; its mean is in `behaviour`."""

    median: float
    p90: float
    """90th percentile, interpolated linearly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """The budget of a trajectory and its use, without trajectories that do not count. 0 without trajectories."""

    max_executions: int
    """The most programs, from the settings."""
    max_tokens: int | None
    """The most tokens, including the prompt, from the settings; None for the model's context."""
    executions: Quantiles
    """Programs executed in a trajectory."""
    model_tokens: Quantiles
    """Model tokens of a trajectory."""
    exhausted: float
    """Share of trajectories that ended without an answer because no programs or tokens were left."""


class BudgetSums:
    """The use of the budget in samples, 16 bytes each."""

    def __init__(self) -> None:
        self._executions, self._tokens = array("q"), array("q")
        self._exhausted = 0

    def add(self, sample: Sample) -> None:
        if not sample.failed:
            episode = sample.episode
            self._executions.append(sum(one.ran for one in episode.executions))
            self._tokens.append(episode.usage.model_tokens)
            self._exhausted += episode.stop in EXHAUSTED

    def total(self, *, max_executions: int, max_tokens: int | None) -> Budget:
        """Return the use of this budget."""
        return Budget(
            max_executions=max_executions,
            max_tokens=max_tokens,
            executions=_quantiles(self._executions),
            model_tokens=_quantiles(self._tokens),
            exhausted=self._exhausted / (len(self._tokens) or 1),
        )


def _quantiles(values: "array[int]") -> Quantiles:
    import numpy as np

    middle, high = np.quantile(values or [0.0], [0.5, 0.9])
    return Quantiles(median=float(middle), p90=float(high))
