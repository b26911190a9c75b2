"""The progress of a run over many jobs, which every command shows in the same way."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

RATE_SECONDS = 30.0
"""The last seconds over which tokens per second are measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionUsage:
    """The reasoner's tokens in one session of a run."""

    input_tokens: int = 0
    output_tokens: int = 0
    price: float | None = None
    """Their price, in the currency of the given prices; None if no prices are given."""


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
    """Estimated wall seconds until the end; None until something is known about the pace."""
    usage: SessionUsage | None = None
    """Tokens of this session, counted while they stream; None if the work generates none."""
    tokens_per_second: float | None = None
    """Tokens generated per second, over the last `RATE_SECONDS`; None if the work generates none."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Finished jobs by outcome, as the display names it: "golden", "right", ..."""


OnProgress = Callable[[Progress], None]
"""Callback for progress, in the thread that started the work."""


class ProgressMeter:
    """A clock of one session that estimates the remaining time."""

    def __init__(self, total: int, *, done: int = 0, earlier_seconds: float = 0.0) -> None:
        """done: jobs that earlier sessions finished, in `earlier_seconds`."""
        self._total, self._done_before, self._earlier, self._started = total, done, earlier_seconds, monotonic()
        self._readings: deque[tuple[float, int]] = deque([(self._started, 0)])
        """Time and tokens of readings: those of the last `RATE_SECONDS`, and the one before them."""

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
        usage: SessionUsage | None = None,
        parts_done: float = 0.0,
    ) -> Progress:
        """Return the progress. usage: of this session. parts_done: work on jobs in flight, in jobs."""
        elapsed = self.elapsed_seconds
        return Progress(
            total=self._total,
            done=done,
            in_flight=in_flight,
            errors=len(errors),
            last_error=errors[-1] if errors else "",
            elapsed_seconds=elapsed,
            seconds_left=self._seconds_left(elapsed, done, parts_done),
            usage=usage,
            tokens_per_second=None if usage is None else self._rate(usage.output_tokens),
            counts=counts,
        )

    def _seconds_left(self, elapsed: float, done: int, parts_done: float) -> float | None:
        """Estimate the rest at the pace of this session or, before its first result, of the earlier ones."""
        new, left = done - self._done_before + parts_done, self._total - done - parts_done
        if new > 0:
            return elapsed / new * left
        return self._earlier / self._done_before * left if self._done_before and self._earlier else None

    def _rate(self, tokens: int) -> float:
        now = monotonic()
        self._readings.append((now, tokens))
        while len(self._readings) > 2 and self._readings[1][0] <= now - RATE_SECONDS:
            self._readings.popleft()
        since, before = self._readings[0]
        return max(0, tokens - before) / max(now - since, 1e-9)


def duration(seconds: float) -> str:
    """Return a readable duration such as "1 h 04 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
