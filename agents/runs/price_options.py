"""The option with the prices of the reasoner's tokens, for the commands that run on many problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from storm_calm.agents.runs.options import Option, OptionError
from storm_calm.agents.runs.reasoner_options import ReasonerOptions

if TYPE_CHECKING:
    from storm_calm.agents.interveners.cost import Prices


@dataclass(frozen=True, kw_only=True)
class PriceOptions(ReasonerOptions):
    """The reasoner and its prices."""

    group: ClassVar[str] = ReasonerOptions.group

    price: Annotated[str, Option(metavar="IN,OUT")] = ""
    """Prices of a million input and output tokens of the reasoner, such as 1.25,10; shown with the progress."""

    @property
    def prices(self) -> Prices | None:
        """The prices; None if they are not given. Raises OptionError for invalid ones."""
        from storm_calm.agents.interveners.cost import Prices

        try:
            return Prices.read(self.price) if self.price else None
        except ValueError as error:
            raise OptionError("price", str(error)) from None
