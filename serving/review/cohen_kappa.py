"""Cohen's kappa: the agreement of two reviewers beyond chance."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class RaterAgreement:
    """The agreement of two raters."""

    n: int
    """Items that both answered."""
    raw: float | None
    """Share of these with equal answers, in [0, 1]; None for n = 0."""
    kappa: float | None
    """Cohen's kappa, in [-1, 1]; None if undefined: n = 0, or one answer throughout."""


def agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> RaterAgreement:
    """Compute the agreement of two raters. pairs: their two answers per item.

    kappa = (o - e) / (1 - e), with the observed agreement o and the agreement e expected by chance from how often each
    rater gave each answer: J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 20 (1960), 37-46. If e is 1, both always gave the same answer, and kappa is 0 / 0.
    """
    n = len(pairs)
    if not n:
        return RaterAgreement(n=0, raw=None, kappa=None)
    first, second = (Counter(side) for side in zip(*pairs, strict=True))
    observed = Fraction(sum(one == other for one, other in pairs), n)
    expected = Fraction(sum(first[answer] * second[answer] for answer in first), n * n)
    # Fractions, because the test for e = 1 must be exact.
    kappa = None if expected == 1 else float((observed - expected) / (1 - expected))
    return RaterAgreement(n=n, raw=float(observed), kappa=kappa)
