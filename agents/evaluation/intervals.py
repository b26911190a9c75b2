"""Means with 95 % confidence intervals. The units are problems, never samples.

If each problem's value is 0 or 1, as with one sample or under pass@k, the interval is Wilson's, which is valid for few
problems and near 0 and 1. Otherwise it is a percentile bootstrap over problems with a fixed seed; a macro mean is
resampled within each group. A bootstrap of equal values would have no width, so `_equal_values` replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95
BATCH = 200
"""Resamples that are drawn at once."""
RESAMPLES = 4000
"""Resamples of a bootstrap. More would not change the digits shown."""
DRAWN_SINGLY = 10_000
"""Most values that are drawn one by one. Of more, the counts of their distinct values are drawn: the same distribution,
in time and memory that do not depend on the number of problems."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean with its 95 % confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float


def mean_share(values: Sequence[float]) -> Interval:
    """Return the mean of shares in [0, 1], one per problem. Raises ValueError for no values."""
    if values and all(value in (0, 1) for value in values):
        right = round(sum(values))
        low, high = _wilson(right, len(values))
        return Interval(mean=right / len(values), low=low, high=high)
    return bootstrapped([values], low=0.0, high=1.0)


def macro_share(groups: Sequence[Sequence[float]]) -> Interval:
    """Return the mean over groups of each group's mean share. Raises ValueError for no groups or an empty group."""
    return bootstrapped(groups, low=0.0, high=1.0)


def mean_difference(differences: Sequence[float]) -> Interval:
    """Return the mean of differences of shares, in [-1, 1], one per problem. Raises ValueError for no values."""
    return bootstrapped([differences], low=-1.0, high=1.0)


def bootstrapped(groups: Sequence[Sequence[float]], *, low: float, high: float) -> Interval:
    """Return the mean over groups of each group's mean, with a bootstrap within each group.

    low, high: the bounds of a value. Raises ValueError for no groups or an empty group.
    """
    import numpy as np
    from scipy.stats import bootstrap

    if not groups or not all(groups):
        raise ValueError("no values; every group needs at least one problem")
    mean = sum(sum(group) / len(group) for group in groups) / len(groups)
    if all(len(set(group)) == 1 for group in groups):
        ends = [_equal_values(group[0], len(group), low, high) for group in groups]
        lows, highs = zip(*ends, strict=True)
        return Interval(mean=mean, low=sum(lows) / len(lows), high=sum(highs) / len(highs))
    if sum(map(len, groups)) > DRAWN_SINGLY:
        ends_of_means = np.percentile(_resampled_means(groups), [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
        return Interval(mean=mean, low=float(ends_of_means[0]), high=float(ends_of_means[1]))
    found = bootstrap(
        # scipy rejects a group of one. Its value is given twice, which changes nothing.
        tuple(np.asarray(group if len(group) > 1 else [*group, *group], dtype=float) for group in groups),
        lambda *drawn, axis: np.mean([np.mean(group, axis=axis) for group in drawn], axis=0),
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        method="percentile",
        random_state=0,
    ).confidence_interval
    return Interval(mean=mean, low=float(found.low), high=float(found.high))


def _resampled_means(groups: Sequence[Sequence[float]]) -> np.ndarray:
    """Return `RESAMPLES` means over groups of the means of values drawn with replacement, from multinomial counts."""
    import numpy as np

    random = np.random.default_rng(0)
    total = np.zeros(RESAMPLES)
    for group in groups:
        values, counts = np.unique(np.asarray(group, dtype=float), return_counts=True)
        for start in range(0, RESAMPLES, BATCH):
            drawn = random.multinomial(len(group), counts / len(group), size=min(BATCH, RESAMPLES - start))
            total[start : start + BATCH] += drawn @ values / len(group)
    return total / len(groups)


def _equal_values(value: float, count: int, low: float, high: float) -> tuple[float, float]:
    """Return the interval of `count` problems with the same value.

    It allows any other value, between `low` and `high`, with Wilson's upper bound for an event that was never observed.
    """
    unseen = _wilson(0, count)[1]
    return value - unseen * (value - low), value + unseen * (high - value)


def _wilson(right: int, count: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    found = binomtest(right, count).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
