"""Arithmetic in prose: worked equations, number words, and conversion factors between units."""

import re

from storm_calm.agents.triggers.evidence import numbers_in
from storm_calm.agents.triggers.number_words import VALUES

# Repetitions are bounded, so that a text of sixty thousand brackets does not slow the match down.
_TERM = r"\({0,3}\$?\d[\d.,]{0,15}\){0,3}(?:\s?%|\s[a-z]{1,12})?\){0,3}"
_TIMES = r"\s{0,3}(?:[-+*/×·÷]|\\times|\\cdot|\btimes\b|\bplus\b|\bminus\b|\bdivided by\b|x(?=\s))\s{0,3}"
EQUATION = re.compile(
    rf"(?<![\w.]){_TERM}(?:{_TIMES}{_TERM}){{1,12}}\s{{0,3}}(?:=|≈|\\approx|\b(?:is|are|equals|gives|makes)\b)"
    rf"\s{{0,3}}(?:about |roughly )?-?\$?-?\d[\d.,]{{0,15}}",
    re.IGNORECASE,
)
"""An equation with numbers on its left side, up to its result."""

WORDS = {word: float(value) for word, value in VALUES.items() if value > 1}
WORDS |= {"twice": 2.0, "double": 2.0, "half": 2.0, "dozen": 12.0, "hundred": 100.0, "thousand": 1000.0}

FACTORS = {
    7.0: r"\bweek", 12.0: r"\bmonth|\byear|\bdozen", 24.0: r"\bday|\bdaily", 30.0: r"\bmonth", 52.0: r"\byear",
    60.0: r"\bminute|\bsecond", 100.0: r"%|\bpercent|\bcent|\bhundred", 365.0: r"\byear",
    1000.0: r"\bthousand|\bkilo|\bkg\b|\bton|\bkm\b|\blit(?:er|re)", 10_000.0: r"\bhectare", 1e6: r"\bmillion",
}  # fmt: skip
"""Conversion factors between units, and the words of a question for which each applies."""


def number_words(text: str) -> set[float]:
    """Return the numbers that single words of a text name ("twenty-five" gives 20 and 5)."""
    return {WORDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in WORDS}


def worked(prose: str) -> list[list[float]]:
    """Return the numbers of each equation in prose, the result last: [[12, 5, 60]] for "12 × 5 = 60"."""
    equations = ([value for value, _ in numbers_in(found[0])] for found in EQUATION.finditer(prose))
    return [numbers for numbers in equations if len(numbers) > 1]


def unit_factors(question: str) -> set[float]:
    """Return the factors by which a program may convert numbers of this question to another unit."""
    return {factor for factor, words in FACTORS.items() if re.search(words, question, re.IGNORECASE)}


def key(value: float) -> float:
    """Round to nine digits, so that rounding errors do not matter in a comparison."""
    return float(f"{value:.9g}")
