"""The measures of models on single problems, and the differences of models paired over problems.

A problem counts with its mean over seeds, and intervals (`agents.evaluation.intervals`) resample problems: three seeds
on 240 problems are not 720 independent samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from storm_calm.agents.evaluation.intervals import Interval, bootstrapped, mean_share
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.evidence import gather
from storm_calm.env import TRIGGER_CLASS, score

RULE = "paper"
"""The scoring rule, see `env.RULES`."""
DIFFICULTIES = ("easy", "complex", "all")


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """The share of correct answers of a model, in [0, 1]."""

    mean: float
    """The mean over problems and seeds."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    by_seed: tuple[float, ...]
    """The mean over problems for each seed."""
    problems: int
    """The number of problems."""


Values = Mapping[int, Mapping[str, Mapping[str, float]]]
"""The measures of a model, by seed, problem and measure, with one trajectory per seed and problem."""


def values(samples: Mapping[int, Sequence[Sample]]) -> Values:
    """Measure the samples of each seed, except those that the sandbox failed."""
    return {
        seed: {sample.id: _measured(sample) for sample in by_seed if not sample.failed}
        for seed, by_seed in samples.items()
    }


def _measured(sample: Sample) -> dict[str, float]:
    episode = sample.episode
    found = findings(episode)
    first = TRIGGER_CLASS[found[0].trigger] if found else ""
    return {
        "right": score(episode, RULE).reward or 0.0,
        "class_1": float(first == "code_utilization_distrust"),
        "class_2": float(first == "lack_of_or_expertise"),
        "code_blocks": float(sum(turn.source is not None for turn in gather(episode).turns)),
        "model_tokens": float(episode.usage.model_tokens),
    }


def accuracy(model: Values, problems: Sequence[str]) -> Accuracy | None:
    """Return the accuracy of a model on these problems; None if it was evaluated on none of them."""
    # Sorted, since a bootstrap depends on the order.
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
    """Return a weighted sum of a measure over models, such as ((-1, before), (1, after)) for a difference.

    It is over the problems and seeds that all models have, restricted to the ids in `problems`; None without any.
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
    if measure in ("code_blocks", "model_tokens"):
        return bootstrapped([means], low=-max(means), high=max(means))
    low, high = (sum(sign * max(0.0, sign * weight) for weight, _ in weights) for sign in (-1, 1))
    return bootstrapped([means], low=low, high=high)
