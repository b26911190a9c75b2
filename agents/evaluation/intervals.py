"""Means with their 95 % confidence intervals. Problems are the units, never samples.

Where every problem counts as wholly right or wholly wrong, which it does with one sample and under pass@k, the interval
is Wilson's, which holds for few problems and near 0 and 1. Where problems are right in part, it is a percentile
bootstrap over problems with a fixed seed; a macro mean is resampled within each group. Where every problem has the same
value, a bootstrap has nothing to vary and would claim certainty; see `_same`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
RESAMPLES = 4000
"""Draws of a bootstrap; more change no digit that is shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean and where it may be."""

    mean: float
    """The mean, in the unit of what was averaged."""
    low: float
    """Lower end of the 95 % confidence interval."""
    high: float
    """Upper end."""


def mean_share(values: Sequence[float]) -> Interval:
    """The mean of shares in [0, 1], one for each problem. Raises ValueError for none."""
    if not values:
        raise ValueError("no values; a mean needs at least one problem")
    if all(value in (0, 1) for value in values):
        right = round(sum(values))
        low, high = _wilson(right, len(values))
        return Interval(mean=right / len(values), low=low, high=high)
    return bootstrapped([values], low=0.0, high=1.0)


def macro_share(groups: Sequence[Sequence[float]]) -> Interval:
    """The mean over groups of each group's mean share. Raises ValueError for no groups, and for an empty one."""
    if not groups or not all(groups):
        raise ValueError("no values; every group needs at least one problem")
    return bootstrapped(groups, low=0.0, high=1.0)


def mean_difference(differences: Sequence[float]) -> Interval:
    """The mean of differences of shares in [-1, 1], one for each problem. Raises ValueError for none."""
    if not differences:
        raise ValueError("no values; a mean needs at least one problem")
    return bootstrapped([differences], low=-1.0, high=1.0)


def bootstrapped(groups: Sequence[Sequence[float]], *, low: float, high: float) -> Interval:
    """The mean over groups of each group's mean, with a bootstrap within each group.

    low, high: the least and the most that a value can be.
    """
    import numpy as np
    from scipy.stats import bootstrap

    mean = sum(sum(group) / len(group) for group in groups) / len(groups)
    if all(len(set(group)) == 1 for group in groups):
        ends = [_same(group[0], len(group), low, high) for group in groups]
        lows, highs = zip(*ends, strict=True)
        return Interval(mean=mean, low=sum(lows) / len(lows), high=sum(highs) / len(highs))
    found = bootstrap(
        # A group of one is given twice: scipy refuses it else, and nothing in it varies either way.
        tuple(np.asarray(group if len(group) > 1 else [*group, *group], dtype=float) for group in groups),
        lambda *drawn, axis: np.mean([np.mean(one, axis=axis) for one in drawn], axis=0),
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=200,
        vectorized=True,
        method="percentile",
        random_state=0,
    ).confidence_interval
    return Interval(mean=mean, low=float(found.low), high=float(found.high))


def _same(value: float, count: int, low: float, high: float) -> tuple[float, float]:
    """The ends of an interval where all of `count` problems have the same value.

    As many problems as Wilson allows for an event that was never seen may have any other value, up to `low` and `high`.
    """
    unseen = _wilson(0, count)[1]
    return value - unseen * (value - low), value + unseen * (high - value)


def _wilson(right: int, count: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    found = binomtest(right, count).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
