"""Measure what one job of a run uses of the reasoner.

with measured() as meter: ...            # every CancellableReasoner counts its tokens here, too
meter.usage()
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, kw_only=True, slots=True)
class JobUsage:
    """What a job used of the reasoner. A job that was interrupted counts from its last checkpoint."""

    input_tokens: int = 0
    """Tokens of all prompts, as the server counts them if it does."""
    output_tokens: int = 0
    """Generated tokens, including text that was cut later, likewise."""
    seconds: float = 0.0
    """Wall seconds of the job, including waits for the reasoner, the sandbox and the intervener."""


class JobMeter:
    """The counter of one job. Thread-safe."""

    def __init__(self) -> None:
        self._started = perf_counter()
        self._lock = threading.Lock()
        self._input = self._output = 0

    def count(self, input_tokens: int, output_tokens: int) -> None:
        """Add tokens; a correction may be negative."""
        with self._lock:
            self._input += input_tokens
            self._output += output_tokens

    def usage(self) -> JobUsage:
        """Return the usage so far."""
        seconds = round(perf_counter() - self._started, 3)
        return JobUsage(input_tokens=self._input, output_tokens=self._output, seconds=seconds)


_meter: ContextVar[JobMeter | None] = ContextVar("meter", default=None)


@contextmanager
def measured() -> Iterator[JobMeter]:
    """Measure the job that runs in the block, also in threads that its context is copied to."""
    meter = JobMeter()
    before = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(before)


def count_tokens(input_tokens: int, output_tokens: int) -> None:
    """Count tokens for the job of this context, if it is measured."""
    if (meter := _meter.get()) is not None:
        meter.count(input_tokens, output_tokens)
