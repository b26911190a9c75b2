"""Cohen's kappa, against tables whose kappa is known."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.serving.review.cohen_kappa import RaterAgreement, agreement

ANSWERS = st.sampled_from(["yes", "no"])


def table(both_yes, yes_no, no_yes, both_no):
    """Return the pairs of answers of a contingency table."""
    counts = {("yes", "yes"): both_yes, ("yes", "no"): yes_no, ("no", "yes"): no_yes, ("no", "no"): both_no}
    return list(Counter(counts).elements())


@pytest.mark.parametrize(
    ("counts", "raw", "kappa"),
    [
        ((20, 5, 10, 15), 0.7, 0.4),  # 0.7 observed, 0.5 expected.
        ((45, 15, 25, 15), 0.6, 0.06 / 0.46),  # 0.54 expected.
        ((25, 35, 5, 35), 0.6, 0.14 / 0.54),  # The same observed, 0.46 expected.
        ((1, 0, 0, 1), 1.0, 1.0),
        ((0, 7, 7, 0), 0.0, -1.0),
        ((0, 4, 0, 6), 0.6, 0.0),  # One reviewer always answers no, so chance explains all agreement.
    ],
)
def test_kappa_of_known_tables(counts, raw, kappa):
    found = agreement(table(*counts))
    assert (found.n, found.raw, found.kappa) == (sum(counts), pytest.approx(raw), pytest.approx(kappa, abs=1e-12))


def test_kappa_is_undefined_if_the_expected_agreement_is_1():
    assert agreement(table(12, 0, 0, 0)) == RaterAgreement(n=12, raw=1.0, kappa=None)
    assert agreement([]) == RaterAgreement(n=0, raw=None, kappa=None)


@given(st.lists(st.tuples(ANSWERS, ANSWERS), min_size=1))
def test_kappa_is_symmetric_and_1_only_for_identical_answers(pairs):
    found = agreement(pairs)
    assert agreement([(other, one) for one, other in pairs]) == found
    assert (found.raw == 1) == all(one == other for one, other in pairs)
    if found.kappa is not None:
        assert -1 <= found.kappa <= 1
        assert (found.kappa == 1) == (found.raw == 1)
