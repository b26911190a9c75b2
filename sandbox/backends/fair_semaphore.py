"""A FIFO semaphore that hands out slots; a caller may restrict the slots it accepts."""

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
    """A caller in the queue."""

    accepts: Callable[[T], bool]
    notified: threading.Event = field(default_factory=threading.Event)
    slot: T | None = None
    refusal: str = ""


class FairSemaphore(Generic[T]):
    """A fixed number of slots, each a value, handed out first come, first served. Thread-safe."""

    def __init__(self, slots: list[T]) -> None:
        self._count = len(slots)
        self._free: deque[T] = deque(slots)
        self._waiting: deque[_Waiter[T]] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._refusal = ""

    @contextlib.contextmanager
    def acquire(
        self, accepts: Callable[[T], bool] = lambda slot: True, *, cancellation: Cancellation | None = None
    ) -> Iterator[T]:
        """Wait for a free slot that `accepts` allows, and hold it for the `with` block.

        Raises RunCancelledError on cancellation, SandboxUnavailableError after `refuse` or `close`.
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
                raise SandboxUnavailableError(waiter.refusal)
            yield waiter.slot
        finally:
            with self._lock:
                if waiter in self._waiting:  # interrupted or cancelled
                    self._waiting.remove(waiter)
                if waiter.slot is not None:
                    self._free.append(waiter.slot)
                self._dispatch()

    @property
    def free_count(self) -> int:
        return len(self._free)

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def is_uncontended(self) -> bool:
        """Return whether at most one slot is held and the queue is empty."""
        return len(self._free) >= self._count - 1 and not self._waiting

    def refuse(self, reason: str) -> None:
        """Make `acquire` raise with `reason` instead of waiting; "" ends that."""
        with self._lock:
            self._refusal = reason
            self._dispatch()

    def close(self) -> None:
        """Make all present and future calls of `acquire` raise; slots in use are released as usual."""
        with self._lock:
            self._closed = True
            self._dispatch()

    def _dispatch(self) -> None:
        """Hand free slots to waiting callers in order. The lock must be held."""
        for waiter in list(self._waiting):
            slot = None if self._closed else next((slot for slot in self._free if waiter.accepts(slot)), None)
            waiter.refusal = "the sandbox is closed" if self._closed else self._refusal
            if slot is not None:
                # Compared by identity, as slots may be equal.
                self._free = deque(other for other in self._free if other is not slot)
                waiter.slot = slot
            elif not waiter.refusal:
                continue
            self._waiting.remove(waiter)
            waiter.notified.set()
