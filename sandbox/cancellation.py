"""Cancellation of runs: pass a `Cancellation` to a run, and cancel it from any thread.

    cancellation = Cancellation()
    threading.Timer(1, cancellation.cancel).start()
    sandbox.run("while True: pass", cancellation=cancellation)  # Raises RunCancelledError after a second.

The functions are for backends. They accept None for a run that can't be cancelled.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TypeVar

T = TypeVar("T")


class RunCancelledError(RuntimeError):
    """A run was cancelled and its program has ended, without an Execution."""


class Cancellation:
    """A thread-safe flag that cancels all runs it is passed to. It can't be reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._callbacks: dict[object, Callable[[], object]] = {}

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Cancel the runs, present and future, without waiting for their end. Idempotent."""
        with self._lock:
            if not self._cancelled:
                self._cancelled = True
                for callback in self._callbacks.values():
                    callback()

    @contextlib.contextmanager
    def on_cancel(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call `callback` if this is cancelled during the `with` block, or immediately if it already is.

        callback: runs in the cancelling thread, so it must neither block nor raise. It never runs after the block.
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
    return contextlib.nullcontext() if cancellation is None else cancellation.on_cancel(callback)


def raise_if_cancelled(cancellation: Cancellation | None) -> None:
    if cancellation is not None and cancellation.cancelled:
        raise RunCancelledError("the run was cancelled")


@contextlib.contextmanager
def wake_fd(cancellation: Cancellation | None) -> Iterator[int | None]:
    """Yield a file descriptor that becomes readable on cancellation, for a selector; None without a cancellation."""
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
    """Return the result of `work`, or raise RunCancelledError while it continues in a background thread."""
    if cancellation is None:
        return work()
    future: Future[T] = Future()

    def do() -> None:
        with contextlib.suppress(InvalidStateError):  # The future was cancelled.
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
