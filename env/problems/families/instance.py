"""Problem families and their instances: question, data and linear model."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from storm_calm.env.problem import Problem
from storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer
from storm_calm.env.problems.families.split import Split, content_hash, split_of
from storm_calm.env.problems.families.wording import Wording

Difficulty = Literal["easy", "complex"]

Drawn = tuple[str, dict[str, Any], LinearModel]
"""Question, data and model of an instance."""

G = TypeVar("G")


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A problem with its data and model, before its answer is computed."""

    family: str
    """Name of its problem family."""
    difficulty: Difficulty
    question: str
    """The question for the reasoner."""
    data: dict[str, Any]
    """The numbers of the question, by name; the nano model's programs use them."""
    model: LinearModel
    """The linear model whose optimum is the answer."""

    @property
    def content(self) -> str:
        """Hash of family and data, independent of the wording."""
        return content_hash(self.family, self.data)

    @property
    def split(self) -> Split:
        """The split of its content."""
        return split_of(self.content)

    def problem(self) -> Problem:
        """Return the problem with its confirmed answer."""
        return Problem(
            id=f"{self.family}-{self.content[:12]}",
            question=self.question,
            answers=(confirmed_answer(self.model),),
            rule="sirl",
            source="generated",
            family=self.family,
            difficulty=self.difficulty,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """A generator of instances of one kind."""

    name: str
    """Unique name, used on the command line."""
    difficulty: Difficulty
    draw: Callable[[random.Random, Wording], Drawn]
    """Draws question, data and model."""

    def instance(self, rng: random.Random) -> Instance:
        """Draw an instance."""
        question, data, model = self.draw(rng, Wording(rng))
        return Instance(family=self.name, difficulty=self.difficulty, question=question, data=data, model=model)


def choose_by_name(
    names: Sequence[str], known: Mapping[str, G], groups: Sequence[str], group_of: Callable[[G], str], what: str
) -> list[G]:
    """Return the known generators with these names or in these groups. Raises ValueError for an unknown name."""
    available = f"known: all, {', '.join(groups)}, {', '.join(known)}"
    chosen: dict[str, G] = {}
    for name in names:
        if name in known:
            chosen[name] = known[name]
        elif name in ("all", *groups):
            chosen |= {key: one for key, one in known.items() if name in ("all", group_of(one))}
        else:
            raise ValueError(f'unknown {what} "{name}"; {available}')
    if not chosen:
        raise ValueError(f"no {what} given; {available}")
    return list(chosen.values())
