"""The settings of a reproduction. The field docstrings are the help texts."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from storm_calm.agents.runs.options import Option, check_options

MODEL = "nano-base"
"""The base model."""

HELDOUT_SEED = 251004204
"""Seed of the held-out problems and of sampling on them; the same for all models and seeds, and not used elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproduceConfig:
    """The sizes of a reproduction."""

    group: ClassVar[str] = "Reproduction"

    problems: Annotated[int, Option(metavar="N", least=1)] = 550
    """Training problems to curate; the paper has 549."""
    epochs: Annotated[int, Option(metavar="N", least=1)] = 4
    """Epochs of SFT."""
    steps: Annotated[int, Option(metavar="N", least=1)] = 24
    """Steps of each GRPO training, with 8 problems and 8 rollouts per problem."""
    heldout: Annotated[int, Option(metavar="N", least=1)] = 240
    """Held-out problems that every model is evaluated on."""

    def __post_init__(self) -> None:
        check_options(self)


QUICK = ReproduceConfig(problems=24, epochs=2, steps=2, heldout=24)
"""The smallest useful sizes, to check that every stage works."""
