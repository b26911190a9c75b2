"""What models did, problem by problem, and how far two of them are apart on the same problems.

A problem counts with the mean over seeds of its runs, and problems are the units of all intervals
(`agents.evaluation.intervals`): three seeds on 240 problems are not 720 problems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from storm_calm.agents.evaluation.intervals import Interval, bootstrapped, mean_share
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.evidence import gather
from storm_calm.env import TRIGGER_CLASS, score

RULE = "paper"
"""How answers are scored, see `env.RULES`."""
DIFFICULTIES = ("easy", "complex", "all")
MEASURES = ("right", "class_1", "class_2", "code_blocks", "model_tokens")
"""What is known of a run: 1 for a right answer; 1 for a first finding of each class; programs; tokens."""


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


Values = Mapping[int, Mapping[str, Mapping[str, float]]]
"""By seed, problem and measure. A model's runs on the held-out problems, one each."""


def values(samples: Mapping[int, Sequence[Sample]]) -> Values:
    """What the samples of each seed come to; those that the sandbox failed are left out."""
    return {
        seed: {sample.id: _measured(sample) for sample in runs if not sample.failed} for seed, runs in samples.items()
    }


def _measured(sample: Sample) -> dict[str, float]:
    run = sample.episode
    found = findings(run)
    which = TRIGGER_CLASS[found[0].trigger] if found else ""
    return {
        "right": score(run, RULE).reward or 0.0,
        "class_1": float(which == "code_utilization_distrust"),
        "class_2": float(which == "lack_of_or_expertise"),
        "code_blocks": float(sum(turn.source is not None for turn in gather(run).turns)),
        "model_tokens": float(run.usage.model_tokens),
    }


def accuracy(model: Values, problems: Sequence[str]) -> Accuracy | None:
    """How often a model is right at these problems; None where it has a run at none of them."""
    # In a fixed order, since a bootstrap depends on it.
    known = sorted(id for id in problems if any(id in seed for seed in model.values()))
    if not known:
        return None
    interval = mean_share([fmean(seed[id]["right"] for seed in model.values() if id in seed) for id in known])
    by_seed = ([seed[id]["right"] for id in known if id in seed] for seed in model.values())
    return Accuracy(
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        by_seed=tuple(fmean(one) for one in by_seed if one),
        problems=len(known),
    )


def contrast(
    measure: str, weights: Sequence[tuple[float, Values]], problems: Sequence[str] | None = None
) -> Interval | None:
    """The weighted sum of a measure over models, such as ((-1, before), (1, after)) for a difference.

    problems: the ids that count, all by default. Over the problems and seeds that all models have; None for none.
    """
    seeds = set.intersection(*(set(model) for _, model in weights))
    sums: dict[str, list[float]] = {}
    for seed in sorted(seeds):
        for id in set.intersection(*(set(model[seed]) for _, model in weights)):
            if problems is None or id in problems:
                total = sum(weight * model[seed][id][measure] for weight, model in weights)
                sums.setdefault(id, []).append(total)
    if not sums:
        return None
    means = [fmean(sums[id]) for id in sorted(sums)]
    reach = sum(abs(weight) for weight, _ in weights) if measure not in ("code_blocks", "model_tokens") else max(means)
    return bootstrapped([means], low=-reach, high=reach)
