"""`agents.reasoners.sampler`: sampling one token."""

import numpy as np
import pytest

from storm_calm.agents.reasoners.sampler import draw, generator
from storm_calm.env.reasoner import Sampling

pytestmark = pytest.mark.slow

LOGITS = np.log(np.array([0.1, 0.4, 0.2, 0.3], dtype=np.float32))


def counts(sampling: Sampling, draws: int = 20_000) -> np.ndarray:
    random = generator(3)
    return np.bincount([draw(LOGITS, sampling, random) for _ in range(draws)], minlength=4) / draws


def test_temperature_0_takes_the_likeliest():
    assert {draw(LOGITS, Sampling(temperature=0), generator(seed)) for seed in range(20)} == {1}


def test_tokens_come_as_often_as_they_are_likely():
    assert counts(Sampling(temperature=1, top_p=1)) == pytest.approx([0.1, 0.4, 0.2, 0.3], abs=0.015)


def test_a_low_temperature_sharpens():
    squares = np.array([0.01, 0.16, 0.04, 0.09]) / 0.30
    assert counts(Sampling(temperature=0.5, top_p=1)) == pytest.approx(squares, abs=0.015)


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    assert counts(Sampling(temperature=1, top_p=0.65)) == pytest.approx([0, 4 / 7, 0, 3 / 7], abs=0.015)
    assert counts(Sampling(temperature=1, top_p=0.75)) == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9], abs=0.015)
    assert counts(Sampling(temperature=1, top_p=0.01), draws=100)[1] == 1


def test_the_temperature_comes_before_top_p():
    """At temperature 0.1 one token has nearly all the weight, so a top_p of 0.8 keeps it alone."""
    assert counts(Sampling(temperature=0.1, top_p=0.8), draws=200)[1] == 1


def test_a_seed_fixes_the_draws():
    sampling = Sampling(temperature=1)
    first, second = generator(5), generator(5)
    assert [draw(LOGITS, sampling, first) for _ in range(50)] == [draw(LOGITS, sampling, second) for _ in range(50)]


@pytest.mark.parametrize("temperature", [1e-300, 1e-8, 1e8])
def test_extreme_temperatures_draw_without_a_warning(temperature):
    with np.errstate(all="raise", under="ignore"):
        assert draw(LOGITS, Sampling(temperature=temperature), generator(1)) in range(4)


def test_a_wide_vocabulary_is_drawn_from_as_a_narrow_one():
    """Ignoring unlikely tokens before sorting does not change the result."""
    logits = np.random.default_rng(0).normal(size=5000).astype(np.float32) * 3
    weights = np.exp(logits.astype(np.float64))
    order = np.argsort(-weights, kind="stable")
    nucleus = set(order[: np.searchsorted(np.cumsum(weights[order]), 0.9 * weights.sum()) + 1].tolist())
    random = generator(1)
    drawn = {draw(logits, Sampling(temperature=1, top_p=0.9), random) for _ in range(20_000)}
    assert drawn <= nucleus
    assert len(drawn) > 0.5 * len(nucleus)
