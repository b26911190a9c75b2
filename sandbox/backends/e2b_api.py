"""Requests to E2B's API through its SDK, with retry and exponential backoff."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import tenacity

from storm_calm.sandbox.execution import SandboxUnavailableError

T = TypeVar("T")

MAX_ATTEMPTS = 7
"""Attempts per request. The pauses take at most 6 seconds in all, or the time that E2B's API asks for."""

_REQUEST_TIMEOUT_SECONDS = 60.0
_FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS = 0.1, 10.0

_log = logging.getLogger(__name__)


class E2BApi:
    """A client of E2B's API for one key. Raises SandboxUnavailableError if E2B's SDK is not installed."""

    def __init__(self, key: str) -> None:
        try:
            import e2b
            import httpx
            from e2b_code_interpreter import AsyncSandbox
        except ImportError as error:
            raise SandboxUnavailableError(
                f"backend 'e2b' needs E2B's SDK ({error}); install it with `pip install 'storm-calm[e2b]'`"
            ) from None
        self.sandbox_class: Any = AsyncSandbox
        self.refused_key = e2b.AuthenticationException
        self._transient = (httpx.TransportError, json.JSONDecodeError)
        self._gone = (e2b.NotFoundException, e2b.SandboxNotRunningException)
        self._key = key

    async def ask(self, request: Callable[..., Awaitable[T]]) -> T:
        """Return the response to `request`. Raises the SDK's exception after the last attempt.

        The SDK retries refused requests with the pause that the response asks for. Connection errors and responses that
        are not JSON, such as a proxy's error page, are retried here.
        """
        options = {"api_key": self._key, "retries": MAX_ATTEMPTS - 1, "request_timeout": _REQUEST_TIMEOUT_SECONDS}
        retry = retrying(self._transient, lambda error: _log.info("E2B's API: %s; retrying", self.reason(error)))

        async def attempt() -> T:
            return await request(**options)

        return await retry(attempt)

    def is_gone(self, error: Exception) -> bool:
        """Return whether `error` means that the cloud sandbox has ended, so that a retry is useless."""
        text = str(error)
        return isinstance(error, self._gone) or "was not found" in text or "sandbox was killed" in text

    def reason(self, error: BaseException | None) -> str:
        """Describe `error`, with the key masked."""
        text = " ".join(str(error).replace(self._key, "***").split()) or "no reason given"
        return f"{type(error).__name__}: {text}"


def retrying(
    errors: type[Exception] | tuple[type[Exception], ...], on_retry: Callable[[BaseException | None], None]
) -> tenacity.AsyncRetrying:
    """Return a retry policy for `errors`: exponential backoff with jitter of up to a factor of 2."""
    half = {"multiplier": _FIRST_BACKOFF_SECONDS / 2, "max": _MAX_BACKOFF_SECONDS / 2}
    return tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(MAX_ATTEMPTS),
        wait=tenacity.wait_exponential(**half) + tenacity.wait_random_exponential(**half),
        retry=tenacity.retry_if_exception_type(errors),
        before_sleep=lambda state: on_retry(state.outcome.exception() if state.outcome else None),
        reraise=True,
    )
