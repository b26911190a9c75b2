"""The settings of a judge. The docstrings of fields are the help texts of `storm judge`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from storm_calm.agents.runs.endpoint_url import check_endpoint_url
from storm_calm.agents.runs.options import Config, Option, OptionError, check_options

if TYPE_CHECKING:
    from storm_calm.agents.interveners.cost import Prices

API_KEY_VARIABLE = "STORM_JUDGE_KEY"
"""The environment variable with the API key of the judge's endpoint."""


@dataclass(frozen=True, kw_only=True)
class JudgeConfig(Config):
    """The rubrics, and the model that judges."""

    group: ClassVar[str] = "Judge"

    rubric: Annotated[str, Option(metavar="DIR")] = ""
    """Folder of OR-Space, with the rubrics and the judge's prompt in evaluation/explain_evaluation."""
    url: Annotated[str, Option(metavar="URL")] = ""
    """URL of the judge's chat completions endpoint. Its key is STORM_JUDGE_KEY, or else OPENAI_API_KEY."""
    model: Annotated[str, Option(metavar="NAME")] = ""
    """Name of the judge; optional if the endpoint serves only one model."""
    price: Annotated[str, Option(metavar="IN,OUT")] = ""
    """Prices of a million input and output tokens of the judge, such as 1.25,10; for the cost in the results."""
    max_reply_tokens: Annotated[int, Option(metavar="N", least=1)] = 4000
    """The most tokens of a reply; give more for a judge that reasons first."""
    workers: Annotated[int, Option(metavar="N", least=1)] = 4
    """Requests in flight at the same time."""

    def __post_init__(self) -> None:
        check_options(self)
        if not self.rubric:
            raise OptionError("rubric", "give the folder of OR-Space, which has evaluation/explain_evaluation")
        if self.url:
            check_endpoint_url("url", self.url, key=API_KEY_VARIABLE)
        _ = self.prices  # Raises for invalid ones.

    @property
    def prices(self) -> Prices:
        """The prices; 0 if they are not given. Raises OptionError for invalid ones."""
        from storm_calm.agents.interveners.cost import Prices

        try:
            return Prices.read(self.price)
        except ValueError as error:
            raise OptionError("price", str(error)) from None
