"""Cohen's kappa, against tables whose kappa is known."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.serving.review.cohen_kappa import RaterAgreement, agreement

ANSWERS = st.sampled_from(["yes", "no"])


def table(both_yes, yes_no, no_yes, both_no):
    """The pairs of a table of two reviewers."""
    counts = {("yes", "yes"): both_yes, ("yes", "no"): yes_no, ("no", "yes"): no_yes, ("no", "no"): both_no}
    return list(Counter(counts).elements())


@pytest.mark.parametrize(
    ("counts", "raw", "kappa"),
    [
        ((20, 5, 10, 15), 0.7, 0.4),  # 0.7 seen, 0.5 expected.
        ((45, 15, 25, 15), 0.6, 0.06 / 0.46),  # 0.54 expected.
        ((25, 35, 5, 35), 0.6, 0.14 / 0.54),  # As much seen, 0.46 expected.
        ((1, 0, 0, 1), 1.0, 1.0),
        ((0, 7, 7, 0), 0.0, -1.0),
        ((0, 4, 0, 6), 0.6, 0.0),  # One of them always says no, so chance explains it all.
    ],
)
def test_kappa_is_that_of_known_tables(counts, raw, kappa):
    found = agreement(table(*counts))
    assert (found.n, found.raw, found.kappa) == (sum(counts), pytest.approx(raw), pytest.approx(kappa, abs=1e-12))


def test_kappa_is_not_defined_where_nothing_else_was_to_be_expected():
    assert agreement(table(12, 0, 0, 0)) == RaterAgreement(n=12, raw=1.0, kappa=None)
    assert agreement([]) == RaterAgreement(n=0, raw=None, kappa=None)


@given(st.lists(st.tuples(ANSWERS, ANSWERS), min_size=1))
def test_kappa_does_not_depend_on_who_is_first_and_is_1_for_the_same_answers_only(pairs):
    found = agreement(pairs)
    assert agreement([(other, one) for one, other in pairs]) == found
    assert (found.raw == 1) == all(one == other for one, other in pairs)
    if found.kappa is not None:
        assert -1 <= found.kappa <= 1
        assert (found.kappa == 1) == (found.raw == 1)
