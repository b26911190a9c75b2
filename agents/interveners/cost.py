"""The cost of an intervener: requests, tokens, seconds and money."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """The usage and cost of an intervener; 0 for rules."""

    calls: int = 0
    """Requests to an endpoint."""
    cached: int = 0
    """Requests answered from the cache."""
    input_tokens: int = 0
    """Tokens sent, as the endpoint counts them; without cached requests."""
    output_tokens: int = 0
    """Tokens received, likewise."""
    price: float = 0.0
    """The cost in the currency of the given prices; 0 without prices."""
    seconds: float = 0.0
    """Wall seconds of waiting, including pauses before retries."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """The prices of an endpoint's tokens, in any currency."""

    input: float = 0.0
    """Price of a million tokens sent."""
    output: float = 0.0
    """Price of a million tokens received."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse prices such as "1.25,10"; "" gives 0. Raises ValueError."""
        if not text:
            return cls()
        try:
            input, output = (float(part) for part in text.split(","))
        except ValueError:
            input = output = math.nan
        if not (0 <= input < math.inf and 0 <= output < math.inf):
            raise ValueError(f'"{text}" is not two prices, of a million tokens in and out. Example: 1.25,10')
        return cls(input=input, output=output)

    def of(self, input_tokens: int, output_tokens: int) -> float:
        return (self.input * input_tokens + self.output * output_tokens) / 1e6
