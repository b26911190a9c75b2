"""Kinds of stress problems and their drafts, each with an answer and a second method that confirms it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from storm_calm.env.problem import AnswerKey, Problem
from storm_calm.env.problems.families.linear_model import LinearModel, agree, confirmed_answer
from storm_calm.env.problems.families.split import content_hash
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.stress_groups import SOURCE, Group

PRECISELY = (
    "Give the value to at least six decimals.",
    "State the result with six decimals or more.",
    "Do not round to fewer than six decimals.",
)
"""Sentences for problems whose answer is not an integer."""


Confirm = LinearModel | Callable[[], AnswerKey]
"""An independent method for an answer: a model to solve, or a function."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A drawn problem with its answer."""

    question: str
    """The question for the reasoner."""
    data: dict[str, Any]
    """The numbers of the question, by name, and "variant", the name of the variant."""
    answer: AnswerKey | Fraction
    """The answer, from the more exact of two methods."""
    confirm: Confirm
    """Gives the answer with the other method."""


def drafted(variant: str, question: str, answer: AnswerKey | Fraction, confirm: Confirm, /, **data: object) -> Draft:
    """Return a draft. data: the numbers of the question, by name."""
    return Draft(question=question, data={"variant": variant, **data}, answer=answer, confirm=confirm)


DrawVariant = Callable[[random.Random, Wording], Draft | None]
"""Draws a problem; None rejects numbers for which a wrong approach would give the right answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StressInstance:
    """A draft and the kind that drew it."""

    kind: str
    """Name of the kind."""
    group: Group
    draft: Draft

    @property
    def content(self) -> str:
        """Hash of kind and data, independent of the wording."""
        return content_hash(self.kind, self.draft.data)

    def problem(self) -> Problem:
        """Return the problem. Raises ArithmeticError if the two methods disagree: the generator has an error."""
        first = self.draft.answer
        answer: AnswerKey = first if isinstance(first, str) else float(first)
        confirm = self.draft.confirm
        second = confirmed_answer(confirm) if isinstance(confirm, LinearModel) else confirm()
        if not agree(answer, second):
            raise ArithmeticError(f"{self.kind}: one method gives {answer}, the other {second}, for {self.draft.data}")
        return Problem(
            id=f"{self.kind}-{self.content[:12]}",
            question=self.draft.question,
            answers=(answer,),
            rule="sirl",
            source=f"{SOURCE}: {self.group}",
            family=self.kind,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StressKind:
    """A generator of instances from several variants."""

    name: str
    """Unique name, used on the command line."""
    group: Group
    variants: tuple[DrawVariant, ...]

    def instance(self, rng: random.Random) -> StressInstance:
        """Draw one of the variants with equal probability, until it accepts its numbers."""
        draw = rng.choice(self.variants)
        while (draft := draw(rng, Wording(rng))) is None:
            pass
        return StressInstance(kind=self.name, group=self.group, draft=draft)


def apart(one: AnswerKey | Fraction, other: AnswerKey | Fraction) -> bool:
    """Return whether two answers are different under every scoring rule but the loosest."""
    if isinstance(one, str) or isinstance(other, str):
        return one != other
    first, second = float(one), float(other)
    return abs(first - second) > max(0.02, 1e-3 * abs(first))
