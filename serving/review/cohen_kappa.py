"""How far two reviewers agree beyond what chance would give: Cohen's kappa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class RaterAgreement:
    """How far two people agree."""

    n: int
    """Things that both answered."""
    raw: float | None
    """The share of them to which they gave the same answer, in [0, 1]; None where there are none."""
    kappa: float | None
    """Cohen's kappa, in [-1, 1]; None where it is not defined: nothing in common, or always one and the same answer."""


def agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> RaterAgreement:
    """The agreement of two people, of whom each pair holds the two answers.

    kappa = (o - e) / (1 - e), with the observed agreement o and the agreement e expected of two people who answer by
    chance as often so as these two do: J. Cohen, "A coefficient of agreement for nominal scales", Educational and
    Psychological Measurement 20 (1960), 37-46. Where e is 1, both always gave the same answer, and kappa is 0 / 0.
    """
    n = len(pairs)
    if not n:
        return RaterAgreement(n=0, raw=None, kappa=None)
    first, second = (Counter(side) for side in zip(*pairs, strict=True))
    observed = Fraction(sum(one == other for one, other in pairs), n)
    expected = Fraction(sum(first[answer] * second[answer] for answer in first), n * n)
    # Fractions: whether e is 1 has to be exact.
    kappa = None if expected == 1 else float((observed - expected) / (1 - expected))
    return RaterAgreement(n=n, raw=float(observed), kappa=kappa)
