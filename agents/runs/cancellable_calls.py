"""Calls that wait for a server, such as requests, and can be cancelled.

    calls = CancellableCalls()
    calls.run(lambda: client.ask(messages), name="judge")
    calls.cancel()                      # from another thread: every `run`, now and later, raises RunCancelledError

A pending request cannot be cancelled and may take minutes. It runs in its own thread, which is abandoned on a
cancellation.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from storm_calm.sandbox import RunCancelledError

T = TypeVar("T")

POLL_SECONDS = 0.1
"""Seconds between checks for a cancellation."""


class CancellableCalls:
    """A cancellation that all calls share. Thread-safe."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Cancel all calls, now and later."""
        self._cancelled.set()

    def run(self, call: Callable[[], T], *, name: str) -> T:
        """Return the result of `call`, or raise its error. name: of its thread.

        Raises RunCancelledError after a cancellation.
        """
        result: Future[T] = Future()

        def work() -> None:
            try:
                result.set_result(call())
            except BaseException as error:
                result.set_exception(error)

        if not self._cancelled.is_set():
            # A daemon thread does not keep the process from exiting.
            threading.Thread(target=work, name=name, daemon=True).start()
        while not self._cancelled.is_set():
            try:
                return result.result(timeout=POLL_SECONDS)
            except TimeoutError:
                if result.done():  # The call itself raised it.
                    raise
        raise RunCancelledError
