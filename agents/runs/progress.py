"""The progress of a run over many jobs, which every command shows in the same way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The progress of a run. Counts of jobs include earlier sessions."""

    total: int
    done: int
    """Jobs with a result that counts."""
    in_flight: int
    errors: int = 0
    """Jobs that failed in this session."""
    last_error: str = ""
    elapsed_seconds: float = 0.0
    """Wall seconds of this session."""
    seconds_left: float | None = None
    """Estimated wall seconds until the end; None before this session's first result."""
    tokens_per_second: float | None = None
    """Tokens generated per second of this session; None if the work generates none."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Finished jobs by outcome, as the display names it: "golden", "right", ..."""


OnProgress = Callable[[Progress], None]
"""Callback for progress, in the thread that started the work."""


class ProgressMeter:
    """A clock of one session that estimates the remaining time."""

    def __init__(self, total: int, *, done: int = 0) -> None:
        """done: jobs that earlier sessions finished."""
        self._total, self._done_before, self._started = total, done, monotonic()

    @property
    def elapsed_seconds(self) -> float:
        return monotonic() - self._started

    def read(
        self,
        *,
        done: int,
        in_flight: int,
        counts: Mapping[str, int],
        errors: Sequence[str] = (),
        tokens: int | None = None,
    ) -> Progress:
        """Return the progress. tokens: generated in this session."""
        elapsed, new = self.elapsed_seconds, done - self._done_before
        return Progress(
            total=self._total,
            done=done,
            in_flight=in_flight,
            errors=len(errors),
            last_error=errors[-1] if errors else "",
            elapsed_seconds=elapsed,
            seconds_left=elapsed / new * (self._total - done) if new > 0 else None,
            tokens_per_second=None if tokens is None else tokens / max(elapsed, 1e-9),
            counts=counts,
        )


def duration(seconds: float) -> str:
    """Return a readable duration such as "1 h 04 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
