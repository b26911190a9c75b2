"""A cancellable intervener: waiting for it can end at any time.

    cancellable = CancellableIntervener(intervener)
    cancellable.cancel()                #  from another thread: every `inspect`, now and later, raises RunCancelledError

An endpoint may be silent for minutes, and an answer that is on its way cannot be called back. So it is waited for in a
thread of its own, which is left alone with it.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

from storm_calm.agents.interveners import CheckHint, Inspection, Intervener
from storm_calm.env.episode import Episode
from storm_calm.sandbox import RunCancelledError

POLL_SECONDS = 0.1
"""Seconds within which a cancellation is noticed."""


class CancellableIntervener:
    """An intervener that can be cancelled. Any number of threads may use one at once."""

    def __init__(self, intervener: Intervener) -> None:
        self._intervener = intervener
        self._cancelled = threading.Event()
        self.name = intervener.name

    def cancel(self) -> None:
        """Cancel all inspections, now and later."""
        self._cancelled.set()

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """As the intervener. Raises RunCancelledError."""
        looked: Future[Inspection] = Future()

        def look() -> None:
            try:
                looked.set_result(self._intervener.inspect(episode, check_hint))
            except BaseException as error:
                looked.set_exception(error)

        if not self._cancelled.is_set():
            # A daemon, so that the process can end without it.
            threading.Thread(target=look, name="inspect", daemon=True).start()
        while not self._cancelled.is_set():
            try:
                return looked.result(timeout=POLL_SECONDS)
            except TimeoutError:
                if looked.done():  # It is the intervener's own.
                    raise
        raise RunCancelledError
