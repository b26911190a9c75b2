"""The options with the prices of the reasoner's tokens and the limit of the cost, for runs over many problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from storm_calm.agents.runs.options import Option, OptionError
from storm_calm.agents.runs.reasoner_options import ReasonerOptions

if TYPE_CHECKING:
    from storm_calm.agents.interveners.cost import Prices
    from storm_calm.agents.runs.job_usage import JobUsage


COST_SETTINGS = frozenset({"price", "max_cost", "rpm", "tpm", "intervener_rpm", "intervener_tpm"})
"""Settings of cost and speed, which change no result: they may change on --resume, and between shards."""


@dataclass(frozen=True, kw_only=True)
class PriceOptions(ReasonerOptions):
    """The reasoner and its prices."""

    group: ClassVar[str] = ReasonerOptions.group

    price: Annotated[str, Option(metavar="IN,OUT")] = ""
    """Prices of a million input and output tokens of the reasoner, such as 1.25,10; shown with the progress."""
    max_cost: Annotated[float | None, Option(metavar="MONEY", above=0)] = None
    """Start no more problems once the run has cost this much, in the currency of the prices, over all its sessions.
    Problems in flight are finished, so it costs a little more. --resume with a larger value continues."""

    @property
    def prices(self) -> Prices | None:
        """The prices; None if they are not given. Raises OptionError for invalid ones."""
        from storm_calm.agents.interveners.cost import Prices

        try:
            return Prices.read(self.price) if self.price else None
        except ValueError as error:
            raise OptionError("price", str(error)) from None

    @property
    def has_prices(self) -> bool:
        """Whether the prices of the reasoner or of the intervener are known."""
        return bool(self.price or getattr(self, "intervener_price", ""))

    def price_of(self, usage: JobUsage) -> float:
        """Return the price of the reasoner's tokens; 0 if it is unknown."""
        prices = self.prices
        return 0.0 if prices is None else prices.of(usage.input_tokens, usage.output_tokens)

    def check_cost(self) -> None:
        """Raise OptionError for invalid prices, and for a limit of the cost without any prices."""
        _ = self.prices
        if self.max_cost is not None and not self.has_prices:
            raise OptionError("max_cost", "needs the prices of tokens, such as --price 1.25,10")
