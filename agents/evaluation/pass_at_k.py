"""pass@k: the probability that at least one of k samples is correct."""

from math import comb


def pass_at(k: int, right: int, samples: int) -> float:
    """Return the probability that at least one of `k` samples, drawn without replacement from `samples`, is correct.

    right: correct ones of `samples`. The unbiased estimator of arXiv 2107.03374. Raises ValueError if k > samples.
    """
    if not 0 <= right <= samples or not 1 <= k <= samples:
        raise ValueError(f"k is {k} and right is {right} of {samples} samples; give at least k samples")
    return 1.0 - comb(samples - right, k) / comb(samples, k)
