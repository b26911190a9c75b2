"""Options that select problems, for the commands that run on many."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from storm_calm.agents.runs.options import Option

if TYPE_CHECKING:
    from storm_calm.env import Problem

FAMILY_LIMIT = 100
"""The default number of problems from families, which are unlimited."""


@dataclass(frozen=True, kw_only=True)
class ProblemOptions:
    """A file of problems, or problem families."""

    group: ClassVar[str] = "Problems"

    problems: Annotated[str, Option(metavar="FILE")] = ""
    """File of problems with "id", "question" and "answer": JSON Lines, a JSON array or CSV; instead of families."""
    families: Annotated[tuple[str, ...], Option(metavar="NAME,...")] = ()
    """Problem families to draw from, separated by commas. "all", "easy" and "complex" select several."""
    split: Literal["train", "heldout"] = "train"
    """Split of the families to draw from; "heldout" is for evaluation only."""
    limit: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Number of problems; by default all of a file, or 100 of families."""
    seed: Annotated[int, Option(metavar="S")] = 0
    """Seed of the problems and of sampling; the same settings and seed give the same results."""

    def read_problems(self) -> tuple[Problem, ...]:
        """Return the problems in order. Raises ValueError or OSError for an unusable file."""
        if self.problems:
            from storm_calm.env import read_problems

            return read_problems(self.problems)[: self.limit]
        from storm_calm.env.problems.families import generate

        return tuple(generate(self.families, split=self.split, seed=self.seed, limit=self.limit or FAMILY_LIMIT))


def digest(problems: Iterable[Problem]) -> str:
    """Return a hash of the problems, which a run folder compares on --resume. It is independent of their folder."""
    from storm_calm.env.problem_line import problem_to_json

    lines = []
    for problem in problems:
        data = problem_to_json(problem)
        data.pop("folder", None)
        lines.append(json.dumps(data, sort_keys=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
