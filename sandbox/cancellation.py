"""Ending runs from outside: whoever starts one may hand in a `Cancellation`, and any thread may cancel it.

    cancellation = Cancellation()
    threading.Timer(1, cancellation.cancel).start()
    sandbox.run("while True: pass", cancellation=cancellation)  # Raises RunCancelledError after a second.

Below it stands what backends wait with. All of that takes None for a run that nobody can cancel.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TypeVar

T = TypeVar("T")


class RunCancelledError(RuntimeError):
    """A run was cancelled: nothing of its program is running, and there is no Execution of it."""


class Cancellation:
    """What ends the runs that it was handed to, also several at once. Once cancelled, it stays so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._callbacks: dict[object, Callable[[], object]] = {}

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """End the runs, and any that come later. Does not wait for their end; further calls do nothing."""
        with self._lock:
            if not self._cancelled:
                self._cancelled = True
                for callback in self._callbacks.values():
                    callback()

    @contextlib.contextmanager
    def on_cancel(self, callback: Callable[[], object]) -> Iterator[None]:
        """Have `callback` called when this is cancelled during the `with` block; at once where it was before.

        callback: runs in the thread that cancels, so it must neither wait nor raise. It does not run, nor is it still
            running, after the block is left.
        """
        key = object()
        with self._lock:
            if self._cancelled:
                callback()
            else:
                self._callbacks[key] = callback
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop(key, None)


def on_cancel(
    cancellation: Cancellation | None, callback: Callable[[], object]
) -> contextlib.AbstractContextManager[None]:
    """`Cancellation.on_cancel`."""
    return contextlib.nullcontext() if cancellation is None else cancellation.on_cancel(callback)


def raise_if_cancelled(cancellation: Cancellation | None) -> None:
    """Raise RunCancelledError where it was cancelled."""
    if cancellation is not None and cancellation.cancelled:
        raise RunCancelledError("the run was cancelled")


@contextlib.contextmanager
def wake_fd(cancellation: Cancellation | None) -> Iterator[int | None]:
    """A file descriptor for a selector, readable once it is cancelled; it is open as long as the `with` block."""
    if cancellation is None:
        yield None
        return
    fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        with cancellation.on_cancel(lambda: os.eventfd_write(fd, 1)):
            yield fd
    finally:
        os.close(fd)


def run_abandonable(work: Callable[[], T], cancellation: Cancellation | None) -> T:
    """What `work` comes to, for work that can't be cut short: on cancelling, it goes on in a thread of its own.

    Raises what `work` raises, or RunCancelledError at once where it is cancelled first.
    """
    if cancellation is None:
        return work()
    future: Future[T] = Future()

    def do() -> None:
        with contextlib.suppress(InvalidStateError):  # Nobody waits any more.
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    threading.Thread(target=do, name="sandbox-abandonable", daemon=True).start()
    with cancellation.on_cancel(future.cancel):
        try:
            return future.result()
        except CancelledError:
            raise RunCancelledError("the run was cancelled") from None
