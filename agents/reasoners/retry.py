"""Retry requests to model servers: which failures, how often, and after which pause.

    return retrying(max_retries=2)(request)     # calls `request` again if it raises RetryableError

The pauses are exponential backoff with jitter, or the server's `Retry-After`.
"""

import random
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import sleep as plain_sleep

from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception_type

from storm_calm.env.reasoner import Chunk, ReasonerError, StreamChangedError

RETRY_STATUSES = (408, 409, 429, 500, 502, 503, 504, 529)
"""HTTP statuses after which the same request may succeed, here or at another replica. 529: Anthropic is overloaded."""
TOO_MANY_STATUSES = (429, 529)
"""Of these, the ones of a server that works and has too many requests."""
OVERLOAD_STATUSES = (503, *TOO_MANY_STATUSES)
"""Of these, the ones after which a server gets fewer requests."""
BACKOFF_SECONDS = 0.5
"""Pause before the first retry; doubled for each further one."""
MAX_BACKOFF_SECONDS = 10.0
"""The longest pause, unless `Retry-After` is longer."""
MAX_RETRY_AFTER_SECONDS = 5.0
"""The longest `Retry-After` to wait for while a person waits; for a longer one the request fails."""
PATIENT_RETRY_AFTER_SECONDS = 60.0
"""The same for runs over many problems, which can wait."""
PATIENT_SECONDS = 300.0
"""How long such a run retries a request that is answered with 429, whatever the number of retries."""


class RetryableError(Exception):
    """A failed request that a retry may fix, such as a broken stream."""

    def __init__(
        self, reason: str, *, retry_after: float = 0.0, status: int | None = None, failure: ReasonerError | None = None
    ) -> None:
        """retry_after: seconds, from the server's `Retry-After`. status: of the answer; None without one.
        failure: the error if no retry succeeds; None for a stream that broke off."""
        super().__init__(reason)
        self.retry_after, self.status, self.failure = retry_after, status, failure

    @property
    def overloaded(self) -> bool:
        """Whether the server asked for fewer requests."""
        return self.status in OVERLOAD_STATUSES


class UnavailableError(ReasonerError):
    """A server that does not answer, is overloaded, or breaks off its streams, after all retries."""

    def __init__(self, message: str, *, status: int | None = None, retry_after: float = 0.0) -> None:
        """status: of its answer; None without one. retry_after: seconds until it wants the next request."""
        super().__init__(message)
        self.status, self.retry_after = status, retry_after

    @property
    def overloaded(self) -> bool:
        """Whether the server asked for fewer requests."""
        return self.status in OVERLOAD_STATUSES


def retrying(
    max_retries: int,
    *,
    is_working: Callable[[], bool] | None = None,
    sleep: Callable[[float], None] = plain_sleep,
) -> Retrying:
    """Return a retryer for functions. It raises the last RetryableError if all retries fail.

    is_working: for runs over many problems, which can wait longer: whether the server answers other requests. As long
    as it does, a request that it answers with 429 is retried. sleep: pauses; may raise.
    """
    return Retrying(
        retry=retry_if_exception_type(RetryableError),
        stop=_stop_after(max_retries) if is_working is None else _stop_patiently(max_retries, is_working),
        wait=pause_seconds,
        sleep=sleep,
        reraise=True,
    )


def retried_stream(retryer: Retrying, read: Callable[[], Generator[Chunk]], *, url: str) -> Generator[Chunk]:
    """Yield the chunks of `read`, retrying it on RetryableError. A retry must repeat the text that was passed on.

    Raises StreamChangedError if it does not, and the last RetryableError if all retries fail.
    """
    passed_on = ""
    for attempt in retryer:
        # tenacity keeps the exception that leaves the block, so the connection is closed here.
        with attempt, closing(read()) as chunks:
            text = ""
            for chunk in chunks:
                text += chunk.text
                new = len(text) - len(passed_on)
                if new <= 0 and chunk.finish is None:
                    continue  # It was passed on before the stream broke.
                if not text.startswith(passed_on) or (new < len(chunk.text) and chunk.ids is not None):
                    raise StreamChangedError(
                        f"{url}: a stream broke off after {len(passed_on)} characters, and the retry with "
                        "the same seed gave different text; use generate, or a server that honours seeds"
                    )
                yield replace(chunk, text=chunk.text[-new:] if new else "")
                passed_on = text


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
    """Return the seconds in `Retry-After`, which may be a date, or 0 if it is missing or invalid."""
    value = headers.get("retry-after", "0")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # A date without a time zone cannot be subtracted.
            return 0.0
    return seconds if 0.0 < seconds < float("inf") else 0.0


def _stop_after(max_retries: int) -> Callable[[RetryCallState], bool]:
    return lambda state: state.attempt_number > max_retries or _retry_after(state) > MAX_RETRY_AFTER_SECONDS


def _stop_patiently(max_retries: int, is_working: Callable[[], bool]) -> Callable[[RetryCallState], bool]:
    def stop(state: RetryCallState) -> bool:
        if _retry_after(state) > PATIENT_RETRY_AFTER_SECONDS:
            return True
        error = state.outcome.exception() if state.outcome else None
        too_many = isinstance(error, RetryableError) and error.status in TOO_MANY_STATUSES
        if too_many and max_retries and is_working():
            return (state.seconds_since_start or 0.0) > PATIENT_SECONDS
        return state.attempt_number > max_retries

    return stop


def _retry_after(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, RetryableError) else 0.0
