"""The wording of generated problems: numbers, money, lists, and irrelevant sentences."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

PEOPLE = ("Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo", "Iris", "Jack", "Kira", "Leo")

DISTRACTIONS = (
    "The business was founded in {year}.",
    "The owner has {small} years of experience.",
    "Last year the team grew by {small} people.",
    "The building is {small} meters tall.",
    "The nearest competitor is {small} kilometers away.",
)

WHOLE = ("Only whole units are possible.", "Units cannot be split.", "Each amount must be an integer.")
FRACTIONAL = ("Fractional amounts are allowed.", "Amounts may be fractional.", "Any fraction of a unit is allowed.")


class Wording:
    """The style of one problem's sentences, drawn once."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._separator = rng.random() < 0.5
        self._dollar_sign = rng.random() < 0.7

    def number(self, value: float) -> str:
        """Format a number: 1200 or 1,200."""
        return f"{value:,}" if self._separator else str(value)

    def money(self, value: float) -> str:
        """Format an amount of money: $1,200 or 1200 dollars."""
        return f"${self.number(value)}" if self._dollar_sign else f"{self.number(value)} dollars"

    def one_of(self, *options: T) -> T:
        return self.rng.choice(options)

    def some(self, options: Sequence[T], count: int) -> list[T]:
        return self.rng.sample(options, count)

    def listing(self, items: Sequence[object]) -> str:
        """Join items as "a, b and c"."""
        *first, last = map(str, items)
        return f"{', '.join(first)} and {last}" if first else last

    def amounts(self, values: Sequence[float]) -> str:
        """List amounts of money."""
        return self.listing([self.money(value) for value in values])

    def divisibility(self, whole: bool) -> str:
        return self.one_of(*(WHOLE if whole else FRACTIONAL))

    def text(self, *sentences: str) -> str:
        """Join the sentences that are not empty, sometimes with one irrelevant sentence with a number."""
        parts = [sentence for sentence in sentences if sentence]
        if self.rng.random() < 0.15:
            fact = self.one_of(*DISTRACTIONS).format(year=self.rng.randint(1950, 2020), small=self.rng.randint(11, 40))
            parts.insert(1, fact)
        return " ".join(parts)
