"""What a kind of stress problem is: a seeded source of drafts, each with an answer and a second way to it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from storm_calm.env.problem import AnswerKey, Problem
from storm_calm.env.problems.families.linear_model import AGREEMENT
from storm_calm.env.problems.families.split import content_hash
from storm_calm.env.problems.stress.stress_groups import SOURCE, Group

PRECISELY = (
    "Give the value to at least six decimals.",
    "State the result with six decimals or more.",
    "Do not round to fewer than six decimals.",
)
"""The sentence of problems whose answer is no whole number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """One drawn problem: what it says, what is behind it, and its answer."""

    question: str
    """The words that a reasoner reads."""
    data: dict[str, Any]
    """The numbers behind the words, by name, and "variant", which says what is asked."""
    answer: AnswerKey | Fraction
    """The answer, found in the more exact of two ways."""
    confirm: Callable[[], AnswerKey]
    """The answer, found in a way that shares no code with the first."""


Draw = Callable[[random.Random], Draft]
"""Draws a problem."""

DrawVariant = Callable[[random.Random], Draft | None]
"""Draws a problem, or refuses: None for numbers under which a wrong approach would give the right answer."""


def draw_variant(rng: random.Random, *variants: DrawVariant) -> Draft:
    """A draft of one of these variants, each of them as likely, however often it refuses."""
    chosen = rng.choice(variants)
    while (draft := chosen(rng)) is None:
        pass
    return draft


@dataclass(frozen=True, kw_only=True, slots=True)
class StressInstance:
    """A draft and the kind that drew it."""

    kind: str
    """Name of the kind."""
    group: Group
    """Its group."""
    draft: Draft
    """What was drawn."""

    @property
    def content(self) -> str:
        """Hash of kind and data, whatever the wording."""
        return content_hash(self.kind, self.draft.data)

    def problem(self) -> Problem:
        """The Problem. Raises ArithmeticError where the two ways do not agree: then a generator is wrong."""
        first = self.draft.answer
        answer: AnswerKey = first if isinstance(first, str) else float(first)
        second = self.draft.confirm()
        if not _agree(answer, second):
            raise ArithmeticError(f"{self.kind}: one way gives {answer}, another gives {second}: {self.draft.data}")
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
    """A generator of instances of one kind."""

    name: str
    """Unique name, used on the command line."""
    group: Group
    """The group it belongs to."""
    draw: Draw
    """Draws a draft."""

    def instance(self, rng: random.Random) -> StressInstance:
        """The next instance that `rng` gives."""
        return StressInstance(kind=self.name, group=self.group, draft=self.draw(rng))


def apart(one: AnswerKey | Fraction, other: AnswerKey | Fraction) -> bool:
    """Whether two answers differ by so much that no scoring rule but the roughest takes one for the other."""
    if isinstance(one, str) or isinstance(other, str):
        return one != other
    first, second = float(one), float(other)
    return abs(first - second) > max(0.02, 1e-3 * abs(first))


def _agree(one: AnswerKey, other: AnswerKey) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return abs(one - other) <= AGREEMENT * max(1.0, abs(one))
