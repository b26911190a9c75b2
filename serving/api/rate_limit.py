"""The rate limit: concurrent answers in total and per caller, and requests per minute. Above it: 429.

rate_limit = RateLimit(running=256, key_running=64, key_per_minute=600)
with rate_limit.admit(caller):
    ...
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Caller


class RateLimit:
    """Limits on concurrent answers and on requests per minute."""

    def __init__(self, *, running: int, key_running: int, key_per_minute: int) -> None:
        """running: answers in progress of all callers. key_running, key_per_minute: limits of one caller."""
        self._most, self._key_most, self._key_rate = running, key_running, key_per_minute
        self.running = 0

    @contextmanager
    def admit(self, caller: Caller) -> Iterator[None]:
        """Count an answer while it is in progress. Raises ApiError with 429 above a limit."""
        now = time.monotonic()
        while caller.recent and caller.recent[0] <= now - 60:
            caller.recent.popleft()
        if len(caller.recent) >= self._key_rate:
            wait = caller.recent[0] + 60 - now
            raise _rate_limit_error(f"more than {self._key_rate} requests per minute", wait)
        if caller.running >= self._key_most:
            raise _rate_limit_error(f"this key has {caller.running} answers in progress", 1)
        if self.running >= self._most:
            raise _rate_limit_error("the server is busy", 1)
        caller.recent.append(now)
        caller.running += 1
        self.running += 1
        try:
            yield
        finally:
            caller.running -= 1
            self.running -= 1


def _rate_limit_error(message: str, retry_after: float) -> ApiError:
    return ApiError(429, message, code="rate_limit_exceeded", retry_after=retry_after)
