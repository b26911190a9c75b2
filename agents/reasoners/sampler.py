"""Drawing the next token from logits, with a generator of random numbers for each request.

One request's tokens depend on nothing but its logits and its seed, so a run is repeatable however many others share the
machine.
"""

from __future__ import annotations

import math

import numpy as np

from storm_calm.env.reasoner import Sampling

NEGLIGIBLE = 1e-8
"""Of a vocabulary of a thousand, what is left out has less than 1e-5 of the probability."""


def generator(seed: int | None) -> np.random.Generator:
    """Random numbers of a fixed kind (PCG64), so that a seed means the same in every version of numpy."""
    return np.random.Generator(np.random.PCG64(seed))


def draw(logits: np.ndarray, sampling: Sampling, random: np.random.Generator) -> int:
    """One token id.

    logits: shape (vocabulary,). The temperature is applied first, then top_p: the draw is from the smallest set of
    likeliest tokens that together have that probability. Tokens that are less than `NEGLIGIBLE` times as likely as the
    likeliest count for nothing.
    """
    likeliest = int(logits.argmax())
    if sampling.temperature == 0:
        return likeliest
    cut = float(logits[likeliest]) + sampling.temperature * math.log(NEGLIGIBLE)
    ids = (logits >= cut).nonzero()[0]
    if len(ids) == 1:
        return likeliest
    # Arrays are short from here on, and negative so that a stable sort puts the likeliest, then the lowest id, first.
    values = (float(logits[likeliest]) - logits[ids].astype(np.float64)) / sampling.temperature
    order = values.argsort(kind="stable")
    cumulative = np.exp(-values[order]).cumsum()
    count = int(cumulative.searchsorted(sampling.top_p * cumulative[-1]))
    point = random.random() * float(cumulative[min(count, len(ids) - 1)])
    return int(ids[order[min(int(cumulative.searchsorted(point, side="right")), count)]])
