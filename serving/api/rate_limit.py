"""The rate limit: concurrent answers in total and per caller, and requests per minute. Above it: 429.

rate_limit = MemoryRateLimit(Limits(running=256, key_running=64, key_per_minute=600))
async with await rate_limit.admit(caller):
    ...
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, Self

from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Caller


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits of a server and of its callers."""

    running: int
    """Answers in progress of all callers, in one server."""
    key_running: int
    """Answers in progress of one caller."""
    key_per_minute: int
    """Requests per minute of one caller."""


class Slot:
    """An admitted answer. It counts until it is released, by `async with` or by `release`."""

    def __init__(self, on_release: Callable[[], Awaitable[None] | None]) -> None:
        self._on_release: Callable[[], Awaitable[None] | None] | None = on_release
        self._freed: Awaitable[None] | None = None

    def release(self) -> None:
        """Free the place. Only the first call has an effect."""
        if self._on_release is not None:
            on_release, self._on_release = self._on_release, None
            self._freed = on_release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Free the place, and wait until other servers see it."""
        self.release()
        if self._freed is not None:
            freed, self._freed = self._freed, None
            await freed


class RateLimit(Protocol):
    """Limits on concurrent answers and on requests per minute."""

    async def admit(self, caller: Caller) -> Slot:
        """Count an answer until its slot is released. Raises ApiError with 429 above a limit."""
        ...


class Running:
    """The answers in progress in this server."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.count = 0

    def take(self) -> None:
        """Count an answer. Raises ApiError above the limit."""
        if self.count >= self._most:
            raise rate_limit_error("the server is busy", 1)
        self.count += 1

    def free(self) -> None:
        self.count -= 1


class MemoryRateLimit:
    """The limits of one server alone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running = Running(limits.running)

    async def admit(self, caller: Caller) -> Slot:
        now = time.monotonic()
        while caller.recent and caller.recent[0] <= now - 60:
            caller.recent.popleft()
        if len(caller.recent) >= self._limits.key_per_minute:
            raise too_many_requests(self._limits, caller.recent[0] + 60 - now)
        if caller.running >= self._limits.key_running:
            raise too_many_running(caller.running)
        self._running.take()
        caller.recent.append(now)
        caller.running += 1

        def release() -> None:
            caller.running -= 1
            self._running.free()

        return Slot(release)


def too_many_requests(limits: Limits, wait: float) -> ApiError:
    """Return the error for the limit per minute. wait: seconds until the next request is accepted."""
    return rate_limit_error(f"more than {limits.key_per_minute} requests per minute", wait)


def too_many_running(count: int) -> ApiError:
    return rate_limit_error(f"this key has {count} answers in progress", 1)


def rate_limit_error(message: str, retry_after: float) -> ApiError:
    return ApiError(429, message, code="rate_limit_exceeded", retry_after=retry_after)
