"""A cancellable intervener.

    cancellable = CancellableIntervener(intervener)
    cancellable.cancel()                # from another thread: every `inspect`, now and later, raises RunCancelledError

A pending request is abandoned (`agents.runs.cancellable_calls`).
"""

import threading

from storm_calm.agents.interveners import CheckHint, Inspection, Intervener
from storm_calm.agents.runs.cancellable_calls import CancellableCalls
from storm_calm.env.episode import Episode


class CancellableIntervener:
    """An intervener that can be cancelled from any thread. Thread-safe."""

    def __init__(self, intervener: Intervener) -> None:
        self._intervener = intervener
        self._calls = CancellableCalls()
        self._lock = threading.Lock()
        self.price = 0.0
        """The price of all finished inspections."""
        self.name = intervener.name

    def cancel(self) -> None:
        """Cancel all inspections, now and later."""
        self._calls.cancel()

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Call `inspect` of the intervener. Raises RunCancelledError after a cancellation."""
        inspection = self._calls.run(lambda: self._intervener.inspect(episode, check_hint), name="inspect")
        with self._lock:
            self.price += inspection.cost.price
        return inspection
