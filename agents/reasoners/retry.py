"""Retry requests to model servers: which failures, how often, and after which pause.

    return retrying(max_retries=2)(request)     # calls `request` again if it raises RetryableError

The pauses are exponential backoff with jitter, or the server's `Retry-After`. The `openai` package itself retries its
requests that fail before they stream, with the same rules.
"""

import random
from collections.abc import Callable, Mapping

from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception_type

RETRY_STATUSES = (408, 429, 500, 502, 503, 504)
"""HTTP statuses after which the same request may succeed, here or at another replica."""
BACKOFF_SECONDS = 0.5
"""Pause before the first retry; doubled for each further one."""
MAX_BACKOFF_SECONDS = 10.0
"""The longest pause, unless `Retry-After` is longer."""
MAX_RETRY_AFTER_SECONDS = 5.0
"""The longest `Retry-After` to wait for; for a longer one the request fails."""


class RetryableError(Exception):
    """A failed request that a retry may fix, such as a broken stream."""

    def __init__(self, reason: str, *, retry_after: float = 0.0) -> None:
        """retry_after: seconds, from the server's `Retry-After`."""
        super().__init__(reason)
        self.retry_after = retry_after


def retrying(max_retries: int) -> Retrying:
    """Return a retryer for functions. It raises the last RetryableError if all retries fail."""
    return Retrying(
        retry=retry_if_exception_type(RetryableError), stop=_stop_after(max_retries), wait=pause_seconds, reraise=True
    )


def retrying_async(max_retries: int, *, pause: Callable[[RetryCallState], float]) -> AsyncRetrying:
    """Return a retryer for coroutine functions. pause: seconds before the next attempt, see `pause_seconds`."""
    return AsyncRetrying(
        retry=retry_if_exception_type(RetryableError), stop=_stop_after(max_retries), wait=pause, reraise=True
    )


def pause_seconds(state: RetryCallState) -> float:
    """Return the pause before the next attempt: exponential backoff with jitter, or the server's `Retry-After`."""
    backoff = min(BACKOFF_SECONDS * 2.0 ** (state.attempt_number - 1), MAX_BACKOFF_SECONDS)
    return max(backoff * random.uniform(0.5, 1.0), _retry_after(state))


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """Return the seconds in `Retry-After`, or 0 if it is missing or a date."""
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:
        return 0.0


def _stop_after(max_retries: int) -> Callable[[RetryCallState], bool]:
    return lambda state: state.attempt_number > max_retries or _retry_after(state) > MAX_RETRY_AFTER_SECONDS


def _retry_after(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, RetryableError) else 0.0
