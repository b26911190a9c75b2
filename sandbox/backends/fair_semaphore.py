"""A semaphore that serves in the order of asking, and hands out slots that callers may be choosy about."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from storm_calm.sandbox.cancellation import Cancellation, on_cancel, raise_if_cancelled
from storm_calm.sandbox.execution import SandboxUnavailableError

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Waiter(Generic[T]):
    """Someone in the queue."""

    accepts: Callable[[T], bool]
    notified: threading.Event = field(default_factory=threading.Event)
    slot: T | None = None


class FairSemaphore(Generic[T]):
    """A fixed number of slots, each a value; first come, first served, also between threads."""

    def __init__(self, slots: list[T]) -> None:
        self._count = len(slots)
        self._free: deque[T] = deque(slots)
        self._waiting: deque[_Waiter[T]] = deque()
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def acquire(
        self, accepts: Callable[[T], bool] = lambda slot: True, *, cancellation: Cancellation | None = None
    ) -> Iterator[T]:
        """Wait for a free slot that `accepts` says yes to, and have it for the `with` block.

        Raises SandboxUnavailableError when `close` is called meanwhile, and RunCancelledError when it is cancelled.
        """
        waiter = _Waiter(accepts)
        with self._lock:
            self._waiting.append(waiter)
            self._dispatch()
        try:
            with on_cancel(cancellation, waiter.notified.set):
                waiter.notified.wait()
            raise_if_cancelled(cancellation)
            if waiter.slot is None:
                raise SandboxUnavailableError("the sandbox is closed")
            yield waiter.slot
        finally:
            with self._lock:
                if waiter in self._waiting:  # Interrupted or cancelled while it waited.
                    self._waiting.remove(waiter)
                if waiter.slot is not None:
                    self._free.append(waiter.slot)
                self._dispatch()

    @property
    def free_count(self) -> int:
        """How many slots are free."""
        return len(self._free)

    @property
    def waiting_count(self) -> int:
        """How many callers wait for one."""
        return len(self._waiting)

    def is_uncontended(self) -> bool:
        """Whether at most one slot is taken, and nobody waits."""
        return len(self._free) >= self._count - 1 and not self._waiting

    def close(self) -> None:
        """Turn away all who wait or come later; slots in use are given back as ever."""
        with self._lock:
            self._closed = True
            self._dispatch()

    def _dispatch(self) -> None:
        """Give free slots to those who wait, in order; with the lock held."""
        for waiter in list(self._waiting):
            slot = None if self._closed else next((slot for slot in self._free if waiter.accepts(slot)), None)
            if slot is None and not self._closed:
                continue
            if slot is not None:
                # By identity: slots may be equal.
                self._free = deque(other for other in self._free if other is not slot)
                waiter.slot = slot
            self._waiting.remove(waiter)
            waiter.notified.set()
