"""What an intervener costs: requests, tokens, seconds and money.

    cost = Cost(calls=1, input_tokens=900, output_tokens=50, price=Prices.read("1.25,10").of(900, 50))

Rules cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What an intervener used and what that costs. Rules use nothing."""

    calls: int = 0
    """Requests to an endpoint."""
    cached: int = 0
    """Requests that were answered from earlier ones."""
    input_tokens: int = 0
    """Tokens sent, as the endpoint counts them; those of cached answers are not in it."""
    output_tokens: int = 0
    """Tokens received, likewise."""
    price: float = 0.0
    """What that costs, in the currency of the prices that were given; 0 without prices."""
    seconds: float = 0.0
    """Wall seconds of waiting, those before another try included."""

    def __add__(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What an endpoint's tokens cost, in any currency."""

    input: float = 0.0
    """A million tokens sent."""
    output: float = 0.0
    """A million tokens received."""

    @classmethod
    def read(cls, text: str) -> Self:
        """The prices in a text like "1.25,10"; 0 for "". Raises ValueError for anything else."""
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
        """What so many tokens cost."""
        return (self.input * input_tokens + self.output * output_tokens) / 1e6
