"""How often a model is right, over problems and seeds, and how far two models are apart on the same problems.

A problem counts with the mean over seeds of its runs, and problems are the units of all intervals
(`agents.evaluation.intervals`): three seeds on 240 problems are not 720 problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from agents.evaluation.intervals import Interval, mean_difference, mean_share
from agents.evaluation.results import tallies
from agents.evaluation.samples import Sample

RULE = "paper"
"""How answers are scored, see `env.RULES`."""
TIERS = ("easy", "complex", "all")


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """How often a model is right, in [0, 1]."""

    mean: float
    """The mean over problems, and over seeds."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""
    by_seed: tuple[float, ...]
    """The mean over problems for each seed."""
    problems: int
    """How many problems."""


Shares = Mapping[int, Mapping[str, Mapping[str, float]]]
"""By seed, tier ("all" included) and problem: the share of a model's runs that are right."""


def shares(samples: Mapping[int, tuple[Sample, ...]]) -> Shares:
    """What the samples of each seed come to."""
    found: dict[int, dict[str, dict[str, float]]] = {}
    for seed, runs in samples.items():
        found[seed] = {tier: {} for tier in TIERS}
        for id, tally in tallies(runs, RULE).items():
            found[seed]["all"][id] = tally.share
            if tally.problem.tier in TIERS:
                found[seed][tally.problem.tier][id] = tally.share
    return found


def accuracy(right: Shares, tier: str) -> Accuracy | None:
    """How often a model is right in a tier; None where there is nothing of it."""
    by_seed = [seed[tier] for seed in right.values() if seed[tier]]
    if not by_seed:
        return None
    problems = sorted({id for seed in by_seed for id in seed})
    values = [fmean(seed[id] for seed in by_seed if id in seed) for id in problems]
    interval = mean_share(values)
    return Accuracy(
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        by_seed=tuple(fmean(seed.values()) for seed in by_seed),
        problems=len(problems),
    )


def gain(before: Shares, after: Shares, tier: str = "all") -> Interval | None:
    """How much more often `after` is right, in [-1, 1], over the problems and seeds that both have; None for none."""
    differences: dict[str, list[float]] = {}
    for seed in before.keys() & after.keys():
        old, new = before[seed][tier], after[seed][tier]
        for id in old.keys() & new.keys():
            differences.setdefault(id, []).append(new[id] - old[id])
    if not differences:
        return None
    # In a fixed order, since a bootstrap depends on it.
    return mean_difference([fmean(differences[id]) for id in sorted(differences)])
