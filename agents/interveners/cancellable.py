"""A cancellable intervener.

    cancellable = CancellableIntervener(intervener)
    cancellable.cancel()                # from another thread: every `inspect`, now and later, raises RunCancelledError

A pending request cannot be cancelled and may take minutes. It runs in its own thread, which is abandoned on a
cancellation.
"""

import threading
from concurrent.futures import Future

from storm_calm.agents.interveners import CheckHint, Inspection, Intervener
from storm_calm.env.episode import Episode
from storm_calm.sandbox import RunCancelledError

POLL_SECONDS = 0.1
"""Seconds between checks for a cancellation."""


class CancellableIntervener:
    """An intervener that can be cancelled from any thread. Thread-safe."""

    def __init__(self, intervener: Intervener) -> None:
        self._intervener = intervener
        self._cancelled = threading.Event()
        self.name = intervener.name

    def cancel(self) -> None:
        """Cancel all inspections, now and later."""
        self._cancelled.set()

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Call `inspect` of the intervener. Raises RunCancelledError after a cancellation."""
        result: Future[Inspection] = Future()

        def inspect() -> None:
            try:
                result.set_result(self._intervener.inspect(episode, check_hint))
            except BaseException as error:
                result.set_exception(error)

        if not self._cancelled.is_set():
            # A daemon thread does not keep the process from exiting.
            threading.Thread(target=inspect, name="inspect", daemon=True).start()
        while not self._cancelled.is_set():
            try:
                return result.result(timeout=POLL_SECONDS)
            except TimeoutError:
                if result.done():  # The intervener itself raised it.
                    raise
        raise RunCancelledError
