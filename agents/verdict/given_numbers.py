"""The numbers that a program may have because the user gave them, or the data from which they follow.

    given = GivenNumbers(["A bag holds 8.2 kg; 15% are lost."])
    given.explains(8200), given.explains(0.85)

Good programs convert units, subtract costs from prices, and add up demands before they solve. So a number is explained
if one operation on two given numbers has it as its result, each of them possibly converted.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from storm_calm.agents.triggers.arithmetic import key, unit_factors
from storm_calm.agents.triggers.data_use import PERCENT, TIME, strict_bounds
from storm_calm.agents.triggers.evidence import numbers_in
from storm_calm.agents.triggers.number_words import numbers

MAX_GIVEN = 400
"""Given numbers that are tried in an operation."""
_VALUE = r"[$€£]?\d{1,15}(?:,\d{3}(?!\d))*(?:\.\d{1,9})?"
_LIST = re.compile(rf"{_VALUE}(?:(?:\s{{0,3}},\s{{0,3}}(?:and\s)?|\sand\s){_VALUE}){{2,}}")
_ORDINALS = {"hal(?:f|ves)": 2, "thirds?": 3, "quarters?": 4, "fifths?": 5, "sixths?": 6, "eighths?": 8, "tenths?": 10}
_WORDS = {"fortnight": 14.0, "dozen": 12.0}


def enumerations(text: str) -> list[list[float]]:
    """Return the numbers of each enumeration of at least three: [[4, 7, 3]] for "lasts 4, 7 and 3 hours"."""
    found = (numbers_in(match[0]) for match in _LIST.finditer(TIME.sub(" ", text)))
    return [[value for value, _ in values] for values in found if len(values) > 2]


class GivenNumbers:
    """The numbers of a conversation and those that follow from them."""

    def __init__(self, messages: Sequence[str], more: Iterable[float] = ()) -> None:
        """Read the numbers. messages: the texts of the user. more: further known numbers, used as they are."""
        self._texts = messages
        self._stated = {value for text in messages for value in (*(one for one, _ in numbers_in(text)), *numbers(text))}
        self._more = set(more)

    def explains(self, value: float) -> bool:
        """Return whether the number is given or follows from given ones."""
        if key(value) in self._single:
            return True
        return any(
            key(other) in known
            for one in self._operands
            for known, results in ((self._plain, _sums(value, one)), (self._single, _products(value, one)))
            for other in results
        )

    @cached_property
    def _plain(self) -> set[float]:
        return {key(value) for value in self._stated}

    @cached_property
    def _operands(self) -> list[float]:
        return sorted(value for value in (*self._stated, *self._shares) if value)[:MAX_GIVEN]

    @cached_property
    def _single(self) -> set[float]:
        """The given numbers, converted by one factor, rounded by `key`."""
        question = "\n".join(self._texts)
        factors = {1.0, 100.0, *unit_factors(question)}
        found = {value * factor for value in self._stated for factor in factors}
        found |= {value / factor for value in self._stated for factor in factors}
        # Solvers for integers need data without decimals.
        found |= {value * scale for value in self._stated if value != int(value) for scale in (10, 1000)}
        found |= {value / 1000 for value in self._stated if value >= 1000}
        found |= {changed for value in self._stated for changed in (value * 2, value / 2)}
        strict = {value for text in self._texts for value in strict_bounds(text)}
        found |= {value + change for value in strict for change in (-1, -0.5, 0.5, 1)}
        found |= factors | self._shares | self._more
        for values in (values for text in self._texts for values in enumerations(text)):
            found |= {sum(values), max(values) - min(values), float(len(values))}
        return {key(value) for value in found}

    @cached_property
    def _shares(self) -> set[float]:
        """Percentages and fractions in words, as shares and as what they leave of the whole."""
        shares: set[float] = set()
        for text in self._texts:
            shares |= {float(value) / 100 for value in PERCENT.findall(text)}
            parts = [value for word, value in _ORDINALS.items() if re.search(rf"\b{word}\b", text, re.IGNORECASE)]
            counts = {1.0, *(value for value in numbers(text) if value <= 10)}
            shares |= {count / part for part in parts for count in counts if count < part}
            shares |= {one / other for one in counts for other in counts if one < other}
            shares |= {value + 1 / part for part in parts for value in counts}
            shares |= {value for word, value in _WORDS.items() if word in text.lower()}
        return shares | {1 - share for share in shares if share < 1} | {1 + share for share in shares if share < 1}


def _sums(value: float, one: float) -> tuple[float, ...]:
    """Return the numbers that lead to the value by adding or subtracting `one`."""
    return value - one, one - value, value + one


def _products(value: float, one: float) -> tuple[float, ...]:
    """Return the numbers that lead to the value by multiplying with or dividing by `one`."""
    ways = (value / one, one / value)
    # A tenth of a given number is more often a guess.
    return ways if one in (10, 100, 1000) else (*ways, value * one)
