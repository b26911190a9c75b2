"""Numbers written in words: "forty-two", "one thousand five hundred and fifteen".

    numbers("It makes twenty-one hundred.")       # [2100.0]

A single "one" or "zero" does not count: it is rarely meant as a number.
"""

import re

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
VALUES = {word: value for value, word in enumerate(_SMALL)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
"""Words for the numbers below twenty, and for the tens."""

_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}

_WORD = "|".join((*VALUES, *_SCALES))
_NUMBER = re.compile(rf"\b(?:{_WORD})(?:(?:[\s-]+|\s+and\s+)(?:{_WORD}))*\b", re.IGNORECASE)


def numbers(text: str) -> list[float]:
    """Return the numbers that `text` has in words, in order."""
    found = [re.findall(r"[a-z]+", match[0].lower()) for match in _NUMBER.finditer(text)]
    return [_value(words) for words in found if words not in (["one"], ["zero"])]


def _value(words: list[str]) -> float:
    whole = part = 0
    for word in words:
        if word in VALUES:
            part += VALUES[word]
        elif word == "hundred":
            part = max(part, 1) * 100
        elif word in _SCALES:
            whole, part = whole + max(part, 1) * _SCALES[word], 0
    return float(whole + part)
