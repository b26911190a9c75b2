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
def test_an_invalid_limit_is_an_error(bad):
    field, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"{field} is {value!r}"):
        Limits(**bad)


def test_an_unknown_backend_or_isolation_is_an_error():
    with pytest.raises(ValueError, match="'moon'"):
        open_sandbox("moon")
    with pytest.raises(ValueError, match="'best'"):
        open_sandbox(minimum_isolation="best")


def test_isolation_below_the_minimum_is_an_error():
    with pytest.raises(ValueError, match="below minimum_isolation"):
        open_sandbox(isolation="limits", minimum_isolation="full")


def test_zero_workers_are_an_error():
    with pytest.raises(ValueError, match="workers is 0"):
        open_sandbox(workers=0)
