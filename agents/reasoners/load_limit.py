"""Back-pressure: how many requests a server gets at the same time, by AIMD as in TCP.

    load = LoadLimit()
    with load.slot(pause) as slot: ...        # waits until the server may get a request
    slot.answered()                           # in the block; or, after 429 and 503:
    slot.overloaded(retry_after=2.0)
    load.decrease()                           # if the server's queue is long

There is no limit until a server is overloaded. Then it gets half as many requests as it had, and one more for each
round of requests that it answers (additive increase, multiplicative decrease). Nothing is sent before its `Retry-After`
is over.
"""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import monotonic

DECREASE = 0.5
"""The share of the requests in flight that is left after an overload."""
POLL_SECONDS = 0.05
"""The longest time between checks whether a waiting request may be sent."""
WORKING_SECONDS = 60.0
"""Seconds after its last text in which a server counts as working."""
MAX_PAUSE_SECONDS = 60.0
"""The longest pause of a server, whatever it asks for."""


@dataclass(slots=True, eq=False)
class Slot:
    """One request in flight."""

    started: float
    is_answered: bool = False
    is_overloaded: bool = False
    retry_after: float = 0.0

    def answered(self) -> None:
        """Report that the server answered."""
        self.is_answered = True

    def overloaded(self, *, retry_after: float = 0.0) -> None:
        """Report that the server is overloaded. retry_after: seconds until it wants the next request."""
        self.is_overloaded, self.retry_after = True, retry_after


class LoadLimit:
    """The requests in flight to one server. Thread-safe."""

    def __init__(self) -> None:
        self.most = math.inf
        """The most requests in flight; grows by less than 1 with each answer."""
        self.busy = 0
        """Requests in flight."""
        self._lock = threading.Lock()
        self._shrunk = self._heard_at = -math.inf
        self._paused_until = -math.inf

    @property
    def is_working(self) -> bool:
        """Whether the server has sent text in the last minute, so a 429 is about the load and not about a quota."""
        return monotonic() - self._heard_at < WORKING_SECONDS

    def heard(self) -> None:
        """Report that the server sends text."""
        self._heard_at = monotonic()

    @property
    def pause_seconds(self) -> float:
        """The seconds until the server wants a request."""
        return max(0.0, self._paused_until - monotonic())

    @contextmanager
    def slot(self, pause: Callable[[float], object]) -> Iterator[Slot]:
        """Wait for a slot and hold it. pause: sleeps for some seconds; may raise."""
        while (slot := self._take()) is None:
            pause(self._wait_seconds)
        try:
            yield slot
        finally:
            self._release(slot)

    @asynccontextmanager
    async def slot_async(self) -> AsyncIterator[Slot]:
        """Wait for a slot on an event loop and hold it."""
        while (slot := self._take()) is None:
            await asyncio.sleep(self._wait_seconds)
        try:
            yield slot
        finally:
            self._release(slot)

    def decrease(self) -> None:
        """Halve the requests, since the server's queue is long."""
        with self._lock:
            self._decrease()

    @property
    def _wait_seconds(self) -> float:
        return min(max(self.pause_seconds, POLL_SECONDS), 10 * POLL_SECONDS)

    def _take(self) -> Slot | None:
        with self._lock:
            now = monotonic()
            if now < self._paused_until or self.busy >= max(1, math.floor(min(self.most, 1e9))):
                return None
            self.busy += 1
            return Slot(started=now)

    def _release(self, slot: Slot) -> None:
        with self._lock:
            if slot.is_overloaded:
                now = monotonic()
                self._paused_until = max(self._paused_until, now + min(slot.retry_after, MAX_PAUSE_SECONDS))
                # Requests that were sent before the last decrease say nothing about the load after it.
                if slot.started > self._shrunk:
                    self._decrease()
            elif slot.is_answered and self.busy >= self.most - 1:
                # The limit holds requests back: try more.
                self.most += 1 / self.most
            self.busy -= 1

    def _decrease(self) -> None:
        self.most = max(1.0, min(self.most, self.busy) * DECREASE)
        self._shrunk = monotonic()
