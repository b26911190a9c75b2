"""The rate limit: answers at once and requests a minute, for one caller and for all; more are answered with 429.

rate_limit = RateLimit(running=256, key_running=64, key_per_minute=600)
with rate_limit.admit(caller):
    ...
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Caller


class RateLimit:
    """How many requests, and answers under way, one caller and all of them may have."""

    def __init__(self, *, running: int, key_running: int, key_per_minute: int) -> None:
        """running: answers under way of all callers. key_running, key_per_minute: of one."""
        self._most, self._key_most, self._key_rate = running, key_running, key_per_minute
        self.running = 0
        """Answers under way."""

    @contextmanager
    def admit(self, caller: Caller) -> Iterator[None]:
        """Count an answer while it is under way. Raises ApiError with 429 if there are too many."""
        now = time.monotonic()
        while caller.recent and caller.recent[0] <= now - 60:
            caller.recent.popleft()
        if len(caller.recent) >= self._key_rate:
            wait = caller.recent[0] + 60 - now
            raise ApiError(
                429, f"more than {self._key_rate} requests a minute", code="rate_limit_exceeded", retry_after=wait
            )
        if caller.running >= self._key_most:
            raise ApiError(
                429, f"{caller.running} answers for this key are under way", code="rate_limit_exceeded", retry_after=1
            )
        if self.running >= self._most:
            raise ApiError(429, "the server is busy", code="rate_limit_exceeded", retry_after=1)
        caller.recent.append(now)
        caller.running += 1
        self.running += 1
        try:
            yield
        finally:
            caller.running -= 1
            self.running -= 1
