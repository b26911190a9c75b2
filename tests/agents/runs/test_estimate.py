"""`agents.runs.estimate`: whole runs from samples; what an interval covers."""

import numpy as np
import pytest

from storm_calm.agents.runs.estimate import JobCost, estimate, sample_of


def jobs_of(tokens, *, price=0.0, seconds=2.0):
    return [
        JobCost(
            input_tokens=int(one), output_tokens=2 * int(one), sandbox_seconds=0.5, seconds=seconds, price=price * one
        )
        for one in tokens
    ]


def test_a_sample_depends_on_the_seed_only_and_has_no_job_twice():
    jobs = [f"p{number}" for number in range(100)]
    first = sample_of(jobs, 20, seed=7)
    assert len(first) == 20
    assert first == sample_of(jobs, 20, seed=7) != sample_of(jobs, 20, seed=8)
    assert sample_of(jobs, 500, seed=7) == frozenset(jobs)


def test_figures_are_sums_over_all_jobs():
    found = estimate(jobs_of([100, 300], price=0.01), total=50, workers=4, gpus=2, gpu_price=3.0)
    assert (found.jobs, found.sample) == (50, 2)
    assert found.input_tokens.value == 50 * 200
    assert found.output_tokens.value == 50 * 400
    assert found.wall_seconds.value == pytest.approx(50 * 2.0 / 4)
    assert found.gpu_hours.value == pytest.approx(2 * 25 / 3600)
    assert found.price.value == pytest.approx(50 * 2.0 + 3.0 * 2 * 25 / 3600)
    assert found.input_tokens.low < 10_000 < found.input_tokens.high
    # All jobs took the same time.
    assert found.wall_seconds.low == found.wall_seconds.value == found.wall_seconds.high


def test_a_sample_of_all_jobs_is_exact():
    found = estimate(jobs_of([100, 300, 500]), total=3, workers=1, priced=False)
    assert (found.input_tokens.low, found.input_tokens.value, found.input_tokens.high) == (900, 900, 900)
    assert (found.price, found.gpu_hours) == (None, None)


def test_one_job_has_no_interval():
    with pytest.raises(ValueError, match="needs at least 2 finished problems, and there are 1"):
        estimate(jobs_of([100]), total=50, workers=4)


@pytest.mark.parametrize("spread", [0.3, 0.7])
def test_intervals_of_20_jobs_cover_the_whole_run(spread):
    random = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        tokens = np.ceil(1000 * random.lognormal(0, spread, 1000))
        sample = random.choice(tokens, 20, replace=False)
        figure = estimate(jobs_of(sample), total=1000, workers=1).input_tokens
        covered.append(figure.low <= tokens.sum() <= figure.high)
    assert 0.90 < np.mean(covered) < 0.99
