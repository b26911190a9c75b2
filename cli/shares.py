"""Shares and their intervals as text."""

from storm_calm.agents.evaluation.intervals import Interval


def percent(share: float) -> str:
    """Format a share in [0, 1], as in 59.7 %."""
    return f"{100 * share:.1f} %"


def span(interval: Interval) -> str:
    """Format the ends of an interval of shares, as in 51-69."""
    return f"{100 * interval.low:.0f}-{100 * interval.high:.0f}"


def spread(mean: float, deviation: float | None) -> str:
    """Format the mean and the standard deviation of shares, in percent, as in 59.7 ± 1.2."""
    return f"{100 * mean:.1f}" if deviation is None else f"{100 * mean:.1f} ± {100 * deviation:.1f}"


def gap_percent(gap: float | None) -> str:
    """Format a gap in percent, with fewer digits for large ones, as in 0.31, 12.3 and 4,567."""
    if gap is None:
        return "-"
    value = 100 * gap
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
