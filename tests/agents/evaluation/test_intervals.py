"""Intervals have their stated coverage, and never have zero width."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.evaluation import intervals
from storm_calm.agents.evaluation.intervals import macro_share, mean_difference, mean_share
from storm_calm.agents.evaluation.pass_at_k import pass_at

shares = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=12)


def test_binary_values_give_wilsons_interval():
    found = mean_share([1.0] * 6 + [0.0] * 4)
    # z = 1.959964; (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n) for 6 of 10
    assert (found.mean, found.low, found.high) == (
        0.6,
        pytest.approx(0.312673, abs=1e-6),
        pytest.approx(0.831820, abs=1e-6),
    )


@given(shares)
def test_the_interval_contains_the_mean_and_lies_in_0_to_1(values):
    found = mean_share(values)
    assert 0 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high <= 1
    assert found.low < found.high


def test_the_same_values_give_the_same_interval():
    values = [random.Random(3).choice([0, 0.5, 1]) for _ in range(40)]
    assert mean_share(values) == mean_share(values)


def test_a_bootstrap_over_problems_has_its_stated_coverage():
    rng = random.Random(0)
    rounds, hits = 120, 0
    for _ in range(rounds):
        values = [rng.choice([0.0, 0.25, 0.5, 1.0]) for _ in range(60)]
        found = mean_share(values)
        hits += found.low <= 0.4375 <= found.high
    assert 0.88 <= hits / rounds <= 1.0


def test_more_problems_narrow_the_interval():
    few, many = mean_share([0.5, 1.0, 0.0, 0.25] * 2), mean_share([0.5, 1.0, 0.0, 0.25] * 32)
    assert (many.high - many.low) < 0.5 * (few.high - few.low)


def test_a_macro_mean_weighs_groups_equally_and_resamples_within_them():
    found = macro_share([[1.0] * 90 + [0.0] * 10, [0.0, 1.0]])
    assert found.mean == pytest.approx(0.7)
    assert found.low < 0.5, "the small group is uncertain, whatever the large one is"
    assert found.high > 0.9


@pytest.mark.parametrize("count", [1, 5, 50])
def test_equal_values_give_an_interval_of_nonzero_width(count):
    same, zero = mean_share([0.5] * count), mean_difference([0.0] * count)
    assert same.low < 0.5 < same.high
    assert zero.low == -zero.high
    assert zero.high == pytest.approx(mean_share([0.0] * count).high)
    assert macro_share([[0.0] * count, [1.0] * count]).low > 0


def test_a_paired_difference_has_a_narrower_interval():
    rng = random.Random(1)
    first = [rng.choice([0.0, 0.5, 1.0]) for _ in range(100)]
    gains = [0.5 if value == 0.5 and rng.random() < 0.5 else 0.0 for value in first]
    found = mean_difference(gains)
    assert 0 < found.low < found.mean < found.high
    assert found.high - found.low < mean_share(first).high - mean_share(first).low


@given(st.integers(1, 8), st.integers(0, 8), st.integers(1, 8))
def test_pass_at_k_is_the_share_of_draws_with_a_correct_sample(samples, right, k):
    if right > samples or k > samples:
        with pytest.raises(ValueError, match="give at least k samples"):
            pass_at(k, right, samples)
        return
    draws = list(itertools.combinations([number < right for number in range(samples)], k))
    assert pass_at(k, right, samples) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_the_mean_of_no_values_is_an_error():
    for function, values in ((mean_share, []), (macro_share, [[]]), (macro_share, []), (mean_difference, [])):
        with pytest.raises(ValueError, match="no values"):
            function(values)


def test_a_bootstrap_of_many_values_draws_the_counts_of_distinct_ones(monkeypatch):
    values = [random.Random(seed).choice([-1.0, 0.0, 0.0, 0.5, 1.0]) for seed in range(9_000)]
    singly = mean_difference(values)
    monkeypatch.setattr(intervals, "DRAWN_SINGLY", 100)
    counted = mean_difference(values)
    width = singly.high - singly.low
    assert counted.mean == singly.mean
    assert counted.low == pytest.approx(singly.low, abs=0.05 * width)
    assert counted.high == pytest.approx(singly.high, abs=0.05 * width)


def test_groups_of_many_values_weigh_equally():
    found = macro_share([[1.0] * 9_000 + [0.0] * 3_000, [0.0, 0.5]])
    assert found.mean == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(0.375, abs=0.01), pytest.approx(0.625, abs=0.01))
