"""The budget of a trajectory, and how much of it trajectories use."""

from collections.abc import Sequence
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


def budget(samples: Sequence[Sample], *, max_executions: int, max_tokens: int | None) -> Budget:
    """Compute the use of the budget in these samples."""
    episodes = [sample.episode for sample in samples if not sample.failed]
    return Budget(
        max_executions=max_executions,
        max_tokens=max_tokens,
        executions=_quantiles([sum(one.ran for one in episode.executions) for episode in episodes]),
        model_tokens=_quantiles([episode.usage.model_tokens for episode in episodes]),
        exhausted=sum(episode.stop in EXHAUSTED for episode in episodes) / (len(episodes) or 1),
    )


def _quantiles(values: Sequence[float]) -> Quantiles:
    import numpy as np

    middle, high = np.quantile(values or [0.0], [0.5, 0.9])
    return Quantiles(median=float(middle), p90=float(high))
