"""Measure how much of the time any rollout of a process is being generated, or runs in its environment."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any


@dataclass(slots=True)
class BusyClock:
    """Counts the seconds in which at least one task is running."""

    _running: int = 0
    _since: float = 0.0
    _counted: float = 0.0

    @contextmanager
    def task(self) -> Iterator[None]:
        """Count the time in this context."""
        if not self._running:
            self._since = monotonic()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._counted += monotonic() - self._since

    @property
    def seconds(self) -> float:
        return self._counted + (monotonic() - self._since if self._running else 0.0)


@dataclass(slots=True)
class Activity:
    """What the rollouts of this process do."""

    generating: BusyClock = field(default_factory=BusyClock)
    acting: BusyClock = field(default_factory=BusyClock)

    def reading(self) -> dict[str, Any]:
        """Return the clocks with the name of the process and the current time, to be compared with a later reading."""
        clocks = {"generating": self.generating.seconds, "acting": self.acting.seconds}
        return {"process": f"{os.uname().nodename}/{os.getpid()}", "at": monotonic(), **clocks}


ACTIVITY = Activity()
"""Shared by all rollouts of a process, which run in one event loop."""


class Utilization:
    """Turns readings of several processes into shares of the time since the last call."""

    def __init__(self) -> None:
        self._last: dict[str, Mapping[str, Any]] = {}

    def shares(self, readings: list[Mapping[str, Any]]) -> dict[str, float]:
        """Return the mean over processes of the share of time with a rollout generating, and with one acting.

        readings: of any processes, in any order. Processes without an earlier reading have no share yet.
        """
        newest: dict[str, Mapping[str, Any]] = {}
        for reading in readings:
            known = newest.get(reading["process"])
            if known is None or reading["at"] > known["at"]:
                newest[reading["process"]] = reading
        pairs = [(self._last[name], new) for name, new in newest.items() if name in self._last]
        self._last |= {name: new for name, new in newest.items() if new["at"] > self._last.get(name, {"at": 0.0})["at"]}
        pairs = [(old, new) for old, new in pairs if new["at"] > old["at"]]
        return {
            name: sum((new[name] - old[name]) / (new["at"] - old["at"]) for old, new in pairs) / len(pairs)
            for name in ("generating", "acting")
            if pairs
        }
