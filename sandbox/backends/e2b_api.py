"""Requests to E2B's API through its SDK, with retry and exponential backoff."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import tenacity

from storm_calm.sandbox.execution import SandboxUnavailableError

T = TypeVar("T")

MAX_ATTEMPTS = 7
"""How often a request is made before it counts as failed. The pauses between come to 6 seconds at most, or to what
E2B's API asks for."""

_REQUEST_TIMEOUT_SECONDS = 60.0  # for one request to the API, which works on it while one waits
_FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS = 0.1, 10.0

_log = logging.getLogger(__name__)


class E2BApi:
    """E2B's API, for one key."""

    def __init__(self, key: str) -> None:
        """Raises SandboxUnavailableError if E2B's SDK is not installed."""
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
        self._broken_line = (httpx.TransportError, json.JSONDecodeError)
        self._gone = (e2b.NotFoundException, e2b.SandboxNotRunningException)
        self._key = key

    async def ask(self, request: Callable[..., Awaitable[T]]) -> T:
        """What E2B's API says. Raises what its SDK raises when all tries are over.

        The SDK itself tries again where there was a refusal, and waits as that says; broken lines, and answers that
        are none, such as a proxy's, are ours.
        """
        options = {"api_key": self._key, "retries": MAX_ATTEMPTS - 1, "request_timeout": _REQUEST_TIMEOUT_SECONDS}
        retry = retrying(self._broken_line, lambda error: _log.info("E2B's API: %s; retrying", self.reason(error)))

        async def attempt() -> T:
            return await request(**options)

        return await retry(attempt)

    def is_gone(self, error: Exception) -> bool:
        """Whether the cloud sandbox is no more: then there is no use in asking it again."""
        words = str(error)
        return isinstance(error, self._gone) or "was not found" in words or "sandbox was killed" in words

    def reason(self, error: BaseException) -> str:
        """What `error` says, without the key, which a client may quote."""
        text = " ".join(str(error).replace(self._key, "***").split()) or "no reason given"
        return f"{type(error).__name__}: {text}"


def retrying(
    errors: type[Exception] | tuple[type[Exception], ...], on_retry: Callable[[BaseException], None]
) -> tenacity.AsyncRetrying:
    """Retry a call on `errors`, with exponential backoff and up to a factor of 2 of jitter."""
    half = {"multiplier": _FIRST_BACKOFF_SECONDS / 2, "max": _MAX_BACKOFF_SECONDS / 2}

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if error:
            on_retry(error)

    return tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(MAX_ATTEMPTS),
        wait=tenacity.wait_exponential(**half) + tenacity.wait_random_exponential(**half),
        retry=tenacity.retry_if_exception_type(errors),
        before_sleep=before_sleep,
        reraise=True,
    )
