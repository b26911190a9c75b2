"""The settings of a curation. The docstrings of fields are the help texts of `storm curate`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from storm_calm.agents.graphs.hint_share import MAX_HINT_SHARE
from storm_calm.agents.runs.intervener_options import IntervenerOptions
from storm_calm.agents.runs.options import Config, Option, check_options
from storm_calm.agents.runs.price_options import PriceOptions
from storm_calm.agents.runs.problem_options import ProblemOptions
from storm_calm.agents.runs.sandbox_options import EpisodeOptions


@dataclass(frozen=True, kw_only=True)
class CurateConfig(ProblemOptions, PriceOptions, IntervenerOptions, EpisodeOptions, Config):
    """The problems, the reasoner, the intervener and the limits of a curation."""

    group: ClassVar[str] = "Curation"

    reasoner: str = "nano-base"
    confidence_floor: Annotated[float, Option(metavar="F", least=0, most=1)] = 0.0
    """The lowest confidence, from 0 to 1, with which a finding of the intervener counts."""
    patience: Annotated[int, Option(metavar="N", least=0)] = 0
    """Stop intervening after this many hints in a row for the same trigger; 0 for no such limit."""
    max_interventions: Annotated[int, Option(metavar="N", least=0)] = 5
    """The most hints per trajectory."""
    max_hint_share: Annotated[float, Option(metavar="SHARE", least=0, most=1)] = MAX_HINT_SHARE
    """The largest share of hint tokens among the model and hint tokens of a golden trajectory, from 0 to 1."""
    workers: Annotated[int, Option(metavar="N", least=1)] = 4
    """Problems in flight at the same time; results do not depend on it."""

    def __post_init__(self) -> None:
        from storm_calm.agents.interveners.open_intervener import check_intervener

        if bool(self.problems) == bool(self.families):
            raise ValueError("give a file of problems or families, only one of these: --problems FILE, --families all")
        self.check_size()
        check_options(self)
        _ = self.chosen_shard  # Raises for an invalid one.
        self.check_cost()
        check_intervener(
            self.intervener, url=self.intervener_url, model=self.intervener_model, price=self.intervener_price
        )
