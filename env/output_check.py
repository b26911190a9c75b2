"""The check of a finished trajectory's outputs: whether the plan is feasible, and its objective value."""

from dataclasses import dataclass, field

MAX_VIOLATIONS = 10
"""The most violations that a check keeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputCheck:
    """The result of checking the outputs of a problem.

    A check with a `fault` says nothing about the outputs, and never becomes a reward.
    """

    outputs: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each output that was found, by path."""
    missing: tuple[str, ...] = ()
    """Why outputs cannot be checked: missing, or not as their schema says."""
    feasible: bool | None = None
    """Whether the plan satisfies all requirements; None without a checker."""
    objective: float | None = None
    """The plan's objective value, computed by the checker; None without one."""
    best: float | None = None
    """The best objective value that the checker knows; None for the problem's accepted answer."""
    violations: tuple[str, ...] = ()
    """Violated requirements in words, at most `MAX_VIOLATIONS`."""
    fault: str = ""
    """Why the checker gave no result, such as a crash; "" if it gave one."""
