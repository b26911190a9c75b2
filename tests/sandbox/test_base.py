import math

import pytest

from storm_calm.sandbox import Limits, open_sandbox


@pytest.mark.parametrize(
    "bad",
    [
        {"seconds": 0},
        {"seconds": math.inf},
        {"seconds": math.nan},
        {"memory_mb": 0},
        {"output_bytes": 1.5},
        {"processes": -1},
    ],
)
def test_a_limit_that_limits_nothing_is_refused(bad):
    field, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"{field} is {value!r}"):
        Limits(**bad)


def test_an_unknown_backend_or_isolation_is_refused():
    with pytest.raises(ValueError, match="'moon'"):
        open_sandbox("moon")
    with pytest.raises(ValueError, match="'best'"):
        open_sandbox(minimum_isolation="best")


def test_a_highest_isolation_below_the_lowest_is_refused():
    with pytest.raises(ValueError, match="below minimum_isolation"):
        open_sandbox(isolation="limits", minimum_isolation="full")


def test_no_workers_is_refused():
    with pytest.raises(ValueError, match="workers is 0"):
        open_sandbox(workers=0)
