"""What a problem family is: a seeded source of instances, each with its data, its wording and its model."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.env.problem import AnswerKey, Problem
from storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer
from storm_calm.env.problems.families.split import Split, content_hash, split_of

Difficulty = Literal["easy", "complex"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One drawn problem before it is a Problem: what it says, and what is behind it."""

    family: str
    """Name of the family that drew it."""
    difficulty: Difficulty
    """Easy or complex."""
    question: str
    """The words that a reasoner reads."""
    data: dict[str, Any]
    """The numbers behind the words, by name; what the nano model's programs are written from."""
    model: LinearModel
    """The linear model whose optimum is the answer."""

    @property
    def content(self) -> str:
        """Hash of family and data, whatever the wording."""
        return content_hash(self.family, self.data)

    @property
    def split(self) -> Split:
        """The split that its content belongs to."""
        return split_of(self.content)

    def problem(self) -> Problem:
        """The Problem, its answer computed by one solver and confirmed by another."""
        answer: AnswerKey = confirmed_answer(self.model)
        return Problem(
            id=f"{self.family}-{self.content[:12]}",
            question=self.question,
            answers=(answer,),
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
    """Easy or complex."""
    draw: Callable[[random.Random], tuple[str, dict[str, Any], LinearModel]]
    """Draws question, data and model."""

    def instance(self, rng: random.Random) -> Instance:
        """The next instance that `rng` gives."""
        question, data, model = self.draw(rng)
        return Instance(family=self.name, difficulty=self.difficulty, question=question, data=data, model=model)
