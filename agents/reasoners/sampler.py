"""Drawing the next token from logits, with a generator of random numbers for each request.

One request's tokens depend on nothing but its logits and its seed, so a run is repeatable however many others share the
machine.
"""

from __future__ import annotations

import numpy as np

from env.reasoner import Sampling


def generator(seed: int | None) -> np.random.Generator:
    """Random numbers of a fixed kind (PCG64), so that a seed means the same in every version of numpy."""
    return np.random.Generator(np.random.PCG64(seed))


def draw(logits: np.ndarray, sampling: Sampling, random: np.random.Generator) -> int:
    """One token id.

    logits: shape (vocabulary,). The temperature is applied first, then top_p: the draw is from the smallest set of
    likeliest tokens that together have that probability. Of equally likely ones the lower id comes first.
    """
    if sampling.temperature == 0:
        return int(logits.argmax())
    weights = np.exp((logits - logits.max()).astype(np.float64) / sampling.temperature)
    total = float(weights.sum())
    # Tokens below this share could all be missing and the rest would still reach top_p. Few are left to be sorted.
    likely = np.flatnonzero(weights > (1 - sampling.top_p) * total / len(weights))
    likely = likely[np.argsort(-weights[likely], kind="stable")]
    cumulative = np.cumsum(weights[likely])
    count = min(int(np.searchsorted(cumulative, sampling.top_p * total)) + 1, len(likely))
    point = random.random() * float(cumulative[count - 1])
    return int(likely[min(int(np.searchsorted(cumulative[:count], point, side="right")), count - 1)])
