"""An intervener with a brake: whoever waits for it can be sent home at any time.

    braked = Braked(intervener)
    braked.halt()                       # from another thread: every `inspect`, now and later, raises HaltedError

An endpoint may be silent for minutes, and an answer that is on its way cannot be called back. So it is waited for in a
thread of its own, which is left alone with it.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

from storm_calm.agents.interveners import Inspection, Intervener, Refuse
from storm_calm.agents.runs.cancellable_reasoner import HaltedError
from storm_calm.env.episode import Episode

TICK = 0.1
"""Seconds within which a halt is noticed."""


class Braked:
    """An intervener that can be halted. Any number of threads may use one at once."""

    def __init__(self, intervener: Intervener) -> None:
        self._intervener = intervener
        self._halted = threading.Event()
        self.name = intervener.name

    def halt(self) -> None:
        """Call everything off."""
        self._halted.set()

    def inspect(self, episode: Episode, refuse: Refuse) -> Inspection:
        """As the intervener. Raises HaltedError."""
        looked: Future[Inspection] = Future()

        def look() -> None:
            try:
                looked.set_result(self._intervener.inspect(episode, refuse))
            except BaseException as error:
                looked.set_exception(error)

        if not self._halted.is_set():
            # A daemon, so that the process can end without it.
            threading.Thread(target=look, name="inspect", daemon=True).start()
        while not self._halted.is_set():
            try:
                return looked.result(timeout=TICK)
            except TimeoutError:
                if looked.done():  # It is the intervener's own.
                    raise
        raise HaltedError
