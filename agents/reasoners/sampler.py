"""Sample the next token from logits. A request's tokens depend only on its logits and its seed, under any load."""

import math

import numpy as np

from storm_calm.env.reasoner import Sampling

NEGLIGIBLE = 1e-8
"""For a vocabulary of 1,000 tokens, the ignored ones together have a probability below 1e-5."""


def generator(seed: int | None) -> np.random.Generator:
    """Return a PCG64 generator, so that a seed gives the same numbers in every version of numpy."""
    return np.random.Generator(np.random.PCG64(seed))


def draw(logits: np.ndarray, sampling: Sampling, random: np.random.Generator) -> int:
    """Return a sampled token id.

    logits: shape (vocabulary,). The temperature is applied first, then top_p, which keeps the smallest set of likeliest
    tokens with that total probability. Tokens less than `NEGLIGIBLE` times as likely as the likeliest are ignored.
    """
    likeliest = int(logits.argmax())
    if sampling.temperature == 0:
        return likeliest
    cut = float(logits[likeliest]) + sampling.temperature * math.log(NEGLIGIBLE)
    ids = (logits >= cut).nonzero()[0]
    if len(ids) == 1:
        return likeliest
    # The arrays are short from here on. A stable sort of negated logits puts the likeliest first, then the lowest id.
    values = (float(logits[likeliest]) - logits[ids].astype(np.float64)) / sampling.temperature
    order = values.argsort(kind="stable")
    cumulative = np.exp(-values[order]).cumsum()
    count = int(cumulative.searchsorted(sampling.top_p * cumulative[-1]))
    point = random.random() * float(cumulative[min(count, len(ids) - 1)])
    return int(ids[order[min(int(cumulative.searchsorted(point, side="right")), count)]])
