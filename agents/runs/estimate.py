"""Estimate what a whole run takes and costs, from a random sample of its jobs.

    keys = sample_of(jobs, 20, seed=7)
    estimate([used(record) for record in records], total=1000, workers=8, gpus=1, gpu_price=2.5)

An interval is a t interval of the sample's mean on the log scale, since costs are positive and skewed, with the
correction for a finite number of jobs: the jobs of the sample themselves are known exactly. It covers jobs that vary,
not a server that is slower under more load: the wall time of jobs is measured with the sample's load.
"""

import math
import random
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


OnSample = Callable[[frozenset[Hashable], int], object]
"""Callback with the keys of the sample and the number of all jobs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobCost:
    """What one job used."""

    input_tokens: int
    """Tokens of the reasoner's prompts."""
    output_tokens: int
    """Tokens that the reasoner generated."""
    intervener_input_tokens: int = 0
    intervener_output_tokens: int = 0
    sandbox_seconds: float
    """Wall seconds of waiting for programs."""
    seconds: float
    """Wall seconds of the job."""
    price: float
    """The price of all tokens; 0 without prices."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """An estimate for the whole run, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """The estimate of a whole run, with the jobs of the sample."""

    jobs: int
    sample: int
    """Jobs of the sample; all figures are from these."""
    workers: int
    input_tokens: Figure
    output_tokens: Figure
    intervener_input_tokens: Figure
    intervener_output_tokens: Figure
    sandbox_seconds: Figure
    wall_seconds: Figure
    """With all workers busy, so without the end of the run, when the last jobs leave some idle."""
    gpu_hours: Figure | None
    """None without GPUs."""
    price: Figure | None
    """Of tokens and GPUs; None if no prices are known."""


def sample_of(jobs: Collection[Hashable], count: int, *, seed: int) -> frozenset[Hashable]:
    """Return the keys of `count` jobs drawn at random, or all if there are no more."""
    keys = list(jobs)
    return frozenset(random.Random(seed).sample(keys, min(count, len(keys))))


def estimate(
    sample: Sequence[JobCost], *, total: int, workers: int, gpus: int = 0, gpu_price: float = 0.0, priced: bool = True
) -> Estimate:
    """Estimate the whole run of `total` jobs.

    gpus: that run the model, for the GPU hours. gpu_price: of one GPU for an hour. priced: whether prices are known.
    Raises ValueError for fewer than two jobs, which have no variance.
    """
    if len(sample) < 2:
        raise ValueError(f"an estimate needs at least 2 finished problems, and there are {len(sample)}")
    # Every job keeps one worker busy, and all GPUs for its part of the time.
    hours = [one.seconds / workers / 3600 * gpus for one in sample]
    prices = [one.price + gpu_price * hour for one, hour in zip(sample, hours, strict=True)]

    def figure(values: Sequence[float]) -> Figure:
        return _total(values, total)

    return Estimate(
        jobs=total,
        sample=len(sample),
        workers=workers,
        input_tokens=figure([one.input_tokens for one in sample]),
        output_tokens=figure([one.output_tokens for one in sample]),
        intervener_input_tokens=figure([one.intervener_input_tokens for one in sample]),
        intervener_output_tokens=figure([one.intervener_output_tokens for one in sample]),
        sandbox_seconds=figure([one.sandbox_seconds for one in sample]),
        wall_seconds=figure([one.seconds / workers for one in sample]),
        gpu_hours=figure(hours) if gpus else None,
        price=figure(prices) if priced or (gpus and gpu_price) else None,
    )


def _total(values: Sequence[float], total: int) -> Figure:
    """Return the sum over all jobs, from the values of a sample without replacement."""
    import numpy as np
    from scipy import stats

    count, mean = len(values), float(np.mean(values))
    if mean == 0 or total <= count:
        return Figure(value=total * mean, low=total * mean, high=total * mean)
    error = float(np.std(values, ddof=1)) * math.sqrt((total - count) / (total * count)) / mean
    factor = math.exp(float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error)
    return Figure(value=total * mean, low=total * mean / factor, high=total * mean * factor)
