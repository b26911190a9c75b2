"""The sizes of a sweep. The field docstrings are the help texts."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from storm_calm.agents.runs.options import Option, check_options


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepConfig:
    """The sizes of a sweep, the same for all of its models."""

    group: ClassVar[str] = "Sizes"

    problems: Annotated[int, Option(metavar="N", least=1)] = 600
    """Training problems that each seed curates."""
    golden: Annotated[int, Option(metavar="N", least=1)] = 112
    """Trajectories of each SFT mixture, except in the study of their number; the paper has 112."""
    sft_steps: Annotated[int, Option(metavar="N", least=1)] = 70
    """Steps of each SFT, with 8 trajectories per step."""
    grpo_steps: Annotated[int, Option(metavar="N", least=1)] = 14
    """Steps of each GRPO, with 32 rollouts per step."""
    heldout: Annotated[int, Option(metavar="N", least=1)] = 240
    """Held-out problems that every model is evaluated on."""

    def __post_init__(self) -> None:
        check_options(self)


QUICK = SweepConfig(problems=48, golden=16, sft_steps=4, grpo_steps=2, heldout=24)
"""The smallest useful sizes, to check that every stage works."""
