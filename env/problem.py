"""Problems with their accepted answers. A reasoner sees only the question; the other fields are for scoring."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

AnswerKey = float | Literal["infeasible", "unbounded"]
"""An accepted answer: a number in the unit the question asks for, or why an optimum does not exist."""

Difficulty = Literal["easy", "complex", ""]
"""Difficulty of a generated problem; "" if unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One optimization problem in words, with its accepted answers."""

    id: str
    """Unique within a file of problems."""
    question: str
    """The problem in words, data included."""
    answers: tuple[AnswerKey, ...]
    """The accepted answers; any of them is correct. Empty if unknown, then the problem cannot be scored."""
    rule: str = "paper"
    """Name of the scoring rule (`env.reward.RULES`) for the answers."""
    source: str = ""
    """Origin of the problem and its answers, such as a data set and its release."""
    family: str = ""
    """Problem family of a generated problem, such as "knapsack"; "" for others."""
    difficulty: Difficulty = ""
    """Intended difficulty."""

    def __post_init__(self) -> None:
        for name in ("id", "question", "rule"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"{name} is {value!r}; give a text that is not empty")
        for name in ("source", "family"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give a text")
        if not isinstance(self.answers, tuple):
            raise ValueError(f"answers is {self.answers!r}; give a tuple")
        for answer in self.answers:
            check_answer(answer)
        if self.difficulty not in get_args(Difficulty):
            raise ValueError(f'difficulty is {self.difficulty!r}; give "easy", "complex" or ""')


def check_answer(answer: object) -> None:
    """Raise ValueError unless `answer` can be an `AnswerKey`: a finite number, "infeasible" or "unbounded"."""
    number = isinstance(answer, (int, float)) and not isinstance(answer, bool) and math.isfinite(answer)
    if not number and answer not in ("infeasible", "unbounded"):
        raise ValueError(f'answer is {answer!r}; give a finite number, "infeasible" or "unbounded"')
