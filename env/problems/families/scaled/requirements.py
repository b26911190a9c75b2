"""Check the requirements of a plan, with the violated ones in words.

found = Requirements()
found.at_most(340.5, 300, "depot D12 ships", "of capacity")
found.violations    # ["depot D12 ships 340.5 of capacity 300"]
"""

from dataclasses import dataclass, field

from storm_calm.env.one_line import one_line
from storm_calm.env.output_check import MAX_VIOLATIONS

TOLERANCE = 1e-6
"""The largest violation of a satisfied requirement, relative to its limit, or absolute below 1."""


def slack(limit: float) -> float:
    """Return by how much a satisfied requirement may miss its limit."""
    return TOLERANCE * max(1.0, abs(limit))


@dataclass(slots=True)
class Requirements:
    """The violated requirements of a plan."""

    violations: list[str] = field(default_factory=list)
    """In words, at most `MAX_VIOLATIONS`."""
    count: int = 0
    """Their number."""

    def violated(self, words: str) -> None:
        """Add a violated requirement. Texts of the plan in `words` may be anything that its schema allows."""
        self.count += 1
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(one_line(words))

    def at_most(self, amount: float, limit: float, subject: str, link: str) -> None:
        """Require amount <= limit. A violation reads "SUBJECT amount LINK limit"."""
        if amount > limit + slack(limit):
            self.violated(f"{subject} {_shown(amount)} {link} {_shown(limit)}")

    def at_least(self, amount: float, limit: float, subject: str, link: str) -> None:
        """Require amount >= limit. A violation reads "SUBJECT amount LINK limit"."""
        if amount < limit - slack(limit):
            self.violated(f"{subject} {_shown(amount)} {link} {_shown(limit)}")


def _shown(number: float) -> str:
    return f"{number:.9g}"
