"""The course of a session's block: what is known of it so far, from its start to its end."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(slots=True)
class BlockProgress:
    """How a block is getting on."""

    seconds: list[float]
    """For each earlier block that runs again, and for the block itself."""
    memory_bytes: int
    begun: float = 0.0
    phase: int = 0
    """How many of them have begun."""
    cpu_before: float = 0.0
    peak_bytes: int = 0
    highest_bytes: int = 0
    cause: str | None = None
    said_done: bool = False
    idle: bool = False
    failed: bool = False
    exit_code: int | None = None
    """What it said that it would end with."""
    next_look: float = 0.0

    @property
    def at_last(self) -> bool:
        """Whether the block itself has begun."""
        return self.phase == len(self.seconds)

    def seconds_left(self) -> float:
        """Until the block that runs now must have ended."""
        return self.begun + self.seconds[self.phase - 1] - time.monotonic()
