"""`agents.reasoners.retry`: which failures, how often, and after which pause."""

import asyncio
import time

import pytest
from tenacity import RetryCallState

from storm_calm.agents.reasoners import retry
from storm_calm.agents.reasoners.retry import (
    MAX_BACKOFF_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    RetryableError,
    pause_seconds,
    retry_after_seconds,
    retrying,
    retrying_async,
)


def failing(*errors):
    """Return a request that raises these errors in order, then succeeds. It counts its calls."""
    left = list(errors)

    def request():
        request.calls += 1
        if left:
            raise left.pop(0)
        return "done"

    request.calls = 0
    return request


def state(attempt, error):
    found = RetryCallState(retrying(9), None, (), {})
    found.attempt_number = attempt
    found.set_exception((type(error), error, None))
    return found


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 0.01)


def test_a_request_is_retried_until_it_succeeds(short):
    request = failing(RetryableError("one"), RetryableError("two"))
    assert retrying(2)(request) == "done"
    assert request.calls == 3


def test_the_last_error_is_raised_after_all_retries(short):
    request = failing(*(RetryableError(str(number)) for number in range(5)))
    with pytest.raises(RetryableError, match="2"):
        retrying(2)(request)
    assert request.calls == 3


def test_other_errors_are_not_retried():
    request = failing(ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        retrying(5)(request)
    assert request.calls == 1


def test_pauses_grow_with_jitter_up_to_a_limit():
    for attempt in range(1, 12):
        longest = min(retry.BACKOFF_SECONDS * 2 ** (attempt - 1), MAX_BACKOFF_SECONDS)
        pauses = [pause_seconds(state(attempt, RetryableError("again"))) for _ in range(50)]
        assert longest / 2 <= min(pauses) < max(pauses) <= longest


def test_retry_after_is_respected():
    assert pause_seconds(state(1, RetryableError("busy", retry_after=4.0))) == 4.0


def test_a_too_long_retry_after_is_not_retried():
    request = failing(RetryableError("busy", retry_after=MAX_RETRY_AFTER_SECONDS + 1))
    with pytest.raises(RetryableError, match="busy"):
        retrying(5)(request)
    assert request.calls == 1


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), (None, 0.0)]
)
def test_retry_after_is_parsed_only_as_seconds(value, seconds):
    assert retry_after_seconds({} if value is None else {"retry-after": value}) == seconds


def test_cancelling_ends_a_pause_at_once():
    async def request():
        raise RetryableError("down")

    async def cancelled():
        task = asyncio.create_task(retrying_async(3, pause=lambda _: 60.0)(request))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - started < 10
