"""The settings of a reproduction: one frozen dataclass, whose field docstrings are the help texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from storm_calm.agents.runs.options import Option, check_options

MODEL = "nano-base"
"""The model that everything begins with."""

HELDOUT_SEED = 251004204
"""Seed of the held-out problems and of the draws on them: the same for all models and seeds, and used nowhere else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproduceConfig:
    """How much of everything."""

    group: ClassVar[str] = "Reproduction"

    problems: Annotated[int, Option(metavar="N", least=1)] = 550
    """Problems to curate, of the train split; the paper has 549."""
    epochs: Annotated[int, Option(metavar="N", least=1)] = 4
    """Times that SFT goes over its data."""
    steps: Annotated[int, Option(metavar="N", least=1)] = 24
    """Steps of each GRPO training, 8 problems with 8 rollouts each."""
    heldout: Annotated[int, Option(metavar="N", least=1)] = 240
    """Held-out problems that every model is evaluated on."""

    def __post_init__(self) -> None:
        check_options(self)


QUICK = ReproduceConfig(problems=24, epochs=2, steps=2, heldout=24)
"""Everything once and tiny: shows that it runs, and nothing else."""
