"""How far work on many problems is: one `Progress`, which every command shows in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far the work is. Counts of jobs include those of earlier sessions."""

    total: int
    """Jobs in all."""
    done: int
    """Jobs with a result that counts."""
    in_flight: int
    """Jobs under way."""
    errors: int = 0
    """Jobs that failed in this session."""
    last_error: str = ""
    """The message of the last error; "" without one."""
    elapsed_seconds: float = 0.0
    """Wall seconds of this session."""
    seconds_left: float | None = None
    """Wall seconds until the end at the pace of this session; None before its first result."""
    tokens_per_second: float | None = None
    """Tokens written in this session for each second of it; None if nothing is written."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What became of the jobs that are done, as the display names it: "golden", "right", ..."""


OnProgress = Callable[[Progress], None]
"""Called now and then, in the thread that started the work."""


class ProgressMeter:
    """Measures one session: how long it has run, and how long it will still take."""

    def __init__(self, total: int, *, done: int = 0) -> None:
        """done: jobs that earlier sessions have done."""
        self._total, self._done_before, self._started = total, done, monotonic()

    @property
    def elapsed_seconds(self) -> float:
        """Wall seconds since this was made."""
        return monotonic() - self._started

    def read(
        self,
        *,
        done: int,
        in_flight: int,
        counts: Mapping[str, int],
        errors: list[str] | None = None,
        tokens: int | None = None,
    ) -> Progress:
        """Return the progress. tokens: written in this session."""
        elapsed, new = self.elapsed_seconds, done - self._done_before
        return Progress(
            total=self._total,
            done=done,
            in_flight=in_flight,
            errors=len(errors or ()),
            last_error=errors[-1] if errors else "",
            elapsed_seconds=elapsed,
            seconds_left=elapsed / new * (self._total - done) if new > 0 else None,
            tokens_per_second=None if tokens is None else tokens / max(elapsed, 1e-9),
            counts=counts,
        )


def duration(seconds: float) -> str:
    """Return a duration in words, as in "1 h 04 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
