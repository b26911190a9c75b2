"""Places for so many at once: whoever waits longest is next."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from storm_calm.sandbox.cancellation import Cancellation, calling, check
from storm_calm.sandbox.execution import SandboxUnavailableError

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Waiter(Generic[T]):
    """Someone in the queue."""

    accepts: Callable[[T], bool]
    called: threading.Event = field(default_factory=threading.Event)
    place: T | None = None


class Places(Generic[T]):
    """A fixed number of places, each a value; first come, first served, also between threads."""

    def __init__(self, places: list[T]) -> None:
        self._count = len(places)
        self._free: deque[T] = deque(places)
        self._waiting: deque[_Waiter[T]] = deque()
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def take(
        self, accepts: Callable[[T], bool] = lambda place: True, *, cancellation: Cancellation | None = None
    ) -> Iterator[T]:
        """Wait for a free place that `accepts` says yes to, and have it for the `with` block.

        Raises SandboxUnavailableError when `close` is called meanwhile, and RunCancelledError when it is cancelled.
        """
        waiter = _Waiter(accepts)
        with self._lock:
            self._waiting.append(waiter)
            self._call()
        try:
            with calling(cancellation, waiter.called.set):
                waiter.called.wait()
            check(cancellation)
            if waiter.place is None:
                raise SandboxUnavailableError("the sandbox is closed")
            yield waiter.place
        finally:
            with self._lock:
                if waiter in self._waiting:  # Interrupted or cancelled while it waited.
                    self._waiting.remove(waiter)
                if waiter.place is not None:
                    self._free.append(waiter.place)
                self._call()

    def calm(self) -> bool:
        """Whether at most one place is taken, and nobody waits."""
        return len(self._free) >= self._count - 1 and not self._waiting

    def close(self) -> None:
        """Turn away all who wait or come later; places in use are given back as ever."""
        with self._lock:
            self._closed = True
            self._call()

    def _call(self) -> None:
        """Give free places to those who wait, in order; with the lock held."""
        for waiter in list(self._waiting):
            place = None if self._closed else next((place for place in self._free if waiter.accepts(place)), None)
            if place is None and not self._closed:
                continue
            if place is not None:
                # By identity: places may be equal.
                self._free = deque(other for other in self._free if other is not place)
                waiter.place = place
            self._waiting.remove(waiter)
            waiter.called.set()
