"""What an intervener says after it has looked at a run: a finding, a clean hint, what was refused, and what it took.

seen = intervener.inspect(episode, refuse)
if seen.finding and seen.hint: env.intervene(seen.finding, seen.hint)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

from storm_calm.env.intervention import TRIGGERS, Finding, Trigger
from storm_calm.env.plain import arguments

RefusalReason = Literal[
    "length", "voice", "marks", "code", "number", "answer",
    "quote", "format", "trigger",
]  # fmt: skip
"""Why something that an intervener said was refused.

length to answer: a hint that is no light thought in the reasoner's own voice, see `agents.interveners.leak_check`.
quote: the words where the flaw begins do not stand in the run, or more than once. format: not the object that was asked
for. trigger: a kind of flaw that there is none of.
"""

REFUSALS: tuple[RefusalReason, ...] = get_args(RefusalReason)
"""All of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Something that an intervener said and that was not used."""

    reason: RefusalReason
    """Why."""
    trigger: Trigger | None = None
    """The kind of flaw that it was about; None where that could not be read."""
    text: str = ""
    """What was refused: the hint, the quote, or the beginning of a reply."""

    def __post_init__(self) -> None:
        if self.reason not in REFUSALS:
            raise ValueError(f"reason {self.reason!r} is none of {', '.join(REFUSALS)}")
        if self.trigger is not None and self.trigger not in TRIGGERS:
            raise ValueError(f"trigger {self.trigger!r} is none of {', '.join(TRIGGERS)}")

    def to_dict(self) -> dict[str, Any]:
        """The refusal as JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The refusal that `to_dict` gave. Raises ValueError for what no refusal can have."""
        return cls(**arguments(cls, data))


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What inspecting took. Rules take none of it."""

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

    def __add__(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def to_dict(self) -> dict[str, Any]:
        """The sums as JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The sums that `to_dict` gave."""
        return cls(**arguments(cls, data))


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What came of one look at a run."""

    finding: Finding | None = None
    """The first flaw; None where there is none."""
    hint: str | None = None
    """One or two sentences in the reasoner's own voice; None without a finding, and where no hint was clean."""
    refusals: tuple[Refusal, ...] = ()
    """What was refused on the way."""
    spent: Spent = field(default_factory=Spent)
    """What it took."""
    usable: bool = True
    """Whether there is a judgement at all; False where every reply was refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is wrong with a hint."""

    reason: RefusalReason
    """Which rule it breaks."""
    message: str
    """The same in words, with the fix; it does not say what the answer is."""


Refuse = Callable[[str], Fault | None]
"""Says what is wrong with a hint; None for a clean one. It knows the accepted answers, whoever calls it does not."""
