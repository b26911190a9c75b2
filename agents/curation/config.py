"""The settings of a curation: one frozen dataclass, whose field docstrings are the help texts of `storm curate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from storm_calm.agents.graphs.hint_share import MAX_HINT_SHARE
from storm_calm.agents.runs.intervener_options import IntervenerOptions
from storm_calm.agents.runs.options import Config, Option, check_options
from storm_calm.agents.runs.problem_options import ProblemOptions
from storm_calm.agents.runs.reasoner_options import ReasonerOptions
from storm_calm.agents.runs.sandbox_options import EpisodeOptions


@dataclass(frozen=True, kw_only=True)
class CurateConfig(ProblemOptions, ReasonerOptions, IntervenerOptions, EpisodeOptions, Config):
    """What to curate, with which reasoner, within which limits."""

    group: ClassVar[str] = "Curation"

    reasoner: str = "nano-base"
    confidence_floor: Annotated[float, Option(metavar="F", least=0, most=1)] = 0.0
    """How sure the intervener has to be for a finding to count, from 0 to 1."""
    patience: Annotated[int, Option(metavar="N", least=0)] = 0
    """After so many hints in a row for the same kind of flaw, no more are given; 0 for no such end."""
    max_interventions: Annotated[int, Option(metavar="N", least=0)] = 5
    """The most hints that one trajectory may get."""
    max_hint_share: Annotated[float, Option(metavar="SHARE", least=0, most=1)] = MAX_HINT_SHARE
    """The most that hints may make up of a golden trajectory's model and hint tokens, from 0 to 1."""
    workers: Annotated[int, Option(metavar="N", least=1)] = 4
    """Problems in flight at once; results do not depend on it."""

    def __post_init__(self) -> None:
        from storm_calm.agents.interveners.open_intervener import check_intervener

        if bool(self.problems) == bool(self.families):
            raise ValueError("give a file of problems or families, one of them: --problems FILE, or --families all")
        check_options(self)
        check_intervener(
            self.intervener, url=self.intervener_url, model=self.intervener_model, price=self.intervener_price
        )
