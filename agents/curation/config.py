"""The settings of a curation: one frozen dataclass, whose field docstrings are the help texts of `storm curate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

from storm_calm.agents.graphs.hint_share import MAX_HINT_SHARE
from storm_calm.agents.interveners.open_intervener import check_intervener
from storm_calm.agents.runs.settings import FAMILY_LIMIT
from storm_calm.env import Problem, read_problems
from storm_calm.sandbox import Isolation


@dataclass(frozen=True, kw_only=True, slots=True)
class CurateConfig:
    """What to curate, with which reasoner, within which limits."""

    problems: str = ""
    """File of problems, one JSON object a line with "id", "question" and "answer"; instead of families."""
    families: tuple[str, ...] = ()
    """Problem families to draw from, separated by commas; "all", "easy" and "complex" stand for several."""
    split: str = "train"
    """Which split of the families to draw from: "train", or "heldout", which is for measuring only."""
    limit: int | None = None
    """How many problems to take; if left out, all of a file, or 100 of families."""
    seed: int = 0
    """For the same problems and the same draws again, whatever runs beside them."""
    reasoner: str = "nano-base"
    """Who solves: "nano-base", "nano", a nano model's folder, a server's address, or chat: and an address."""
    model: str = ""
    """The model's name, where a server has more than one."""
    tokenizer: str = ""
    """A server's model's tokenizer.json: only with it do runs have the token ids that training wants."""
    temperature: float | None = None
    """How freely tokens are drawn, 0 for the likeliest; if left out, the reasoner's own."""
    intervener: str = "rules"
    """Who watches: "rules", "llm" for a language model, or "rules+llm" for one that looks where no rule speaks."""
    intervener_url: str = ""
    """An llm's endpoint with chat completions. Its key is read from STORM_INTERVENER_KEY, or else OPENAI_API_KEY."""
    intervener_model: str = ""
    """The llm's name, where its endpoint has more than one."""
    intervener_price: str = ""
    """What a million tokens in and out of the llm cost, such as 1.25,10; for the sum in the summary."""
    confidence_floor: float = 0.0
    """How sure the intervener has to be for a finding to count, from 0 to 1."""
    patience: int = 0
    """After so many hints in a row for the same kind of flaw, no more are given; 0 for no such end."""
    max_interventions: int = 5
    """The most hints that one run may get."""
    max_hint_share: float = MAX_HINT_SHARE
    """The most that hints may make up of a golden run's model and hint tokens, from 0 to 1."""
    minimum_isolation: str = "landlock"
    """The weakest sandbox to accept: "full", "landlock" or "limits"."""
    workers: int = 4
    """Problems in flight at once; results do not depend on it."""

    def __post_init__(self) -> None:
        if bool(self.problems) == bool(self.families):
            raise ValueError("give a file of problems or families, one of them: --problems FILE, or --families all")
        if self.split not in ("train", "heldout"):
            raise ValueError(f'split is {self.split!r}; give "train" or "heldout"')
        if self.minimum_isolation not in get_args(Isolation):
            raise ValueError(
                f"minimum_isolation is {self.minimum_isolation!r}; give one of {', '.join(get_args(Isolation))}"
            )
        check_intervener(
            self.intervener, url=self.intervener_url, model=self.intervener_model, price=self.intervener_price
        )
        for name, least in (("limit", 1), ("workers", 1), ("max_interventions", 0), ("patience", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise ValueError(f"{name} is {value!r}; give a whole number of at least {least}")
        for name in ("max_hint_share", "confidence_floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; give a number from 0 to 1")
        if self.temperature is not None and not self.temperature >= 0:
            raise ValueError(f"temperature is {self.temperature!r}; give 0 or more")


def load_problems(config: CurateConfig) -> tuple[Problem, ...]:
    """The problems to curate, in order. Raises ValueError or OSError for a file that cannot be used."""
    if config.problems:
        return read_problems(config.problems)[: config.limit]
    from storm_calm.env.problems.families import Split, generate

    split = cast(Split, config.split)
    return tuple(generate(config.families, split=split, seed=config.seed, limit=config.limit or FAMILY_LIMIT))
