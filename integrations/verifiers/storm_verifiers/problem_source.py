"""Where problems come from, and how their accepted answers are confirmed again.

    for source in draw(["easy"], split="train", seed=7):
        source.problem, confirm(source)

The model of a small problem is kept beside it, since its question alone could not be solved again.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from storm_calm.env import Problem, read_problems, score
from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families import SCALED, choose, generate, instances
from storm_calm.env.problems.families.linear_model import LinearModel, agree, confirmed_answer
from storm_calm.env.problems.families.scaled.answer import proven_answer
from storm_calm.env.problems.families.scaled.workspace_files import read_data
from storm_calm.env.problems.families.split import Split
from storm_verifiers.rollout_record import boxed_episode


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemSource:
    """A problem and what it was generated from."""

    problem: Problem
    model: LinearModel | None = None
    """The model of a small generated problem; None for others."""


def draw(
    families: Sequence[str], *, split: Split, seed: int, size: int | None = None, folder: Path | None = None
) -> Iterator[ProblemSource]:
    """Yield endless problems of the families, see `generate`. Raises ValueError for unknown names and sizes."""
    if size is None:
        for instance in instances(choose(families), split=split, seed=seed):
            yield ProblemSource(problem=instance.problem(), model=instance.model)
        return
    for problem in generate(families, split=split, seed=seed, limit=sys.maxsize, size=size, folder=folder):
        yield ProblemSource(problem=problem)


def read(path: Path) -> Iterator[ProblemSource]:
    """Yield the problems of a file, see `read_problems`. Raises ValueError with file and line for an invalid one."""
    for problem in read_problems(path):
        yield ProblemSource(problem=problem)


def confirm(source: ProblemSource) -> bool | None:
    """Solve a generated problem again, with two solvers that share no code, and compare with its accepted answers.

    Returns None for a problem without a known model, such as one of a file. Raises ArithmeticError if the solvers
    disagree.
    """
    problem = source.problem
    tolerance = 0.0
    if source.model is not None:
        found: AnswerKey = confirmed_answer(source.model)
    elif problem.checker is not None and problem.checker.function == "family":
        family = SCALED[problem.family]
        proven = proven_answer(family, read_data(family, problem))
        if proven is None:
            return None
        found, tolerance = proven.answer, problem.tolerance
    else:
        return None
    return any(_same(found, accepted, tolerance) for accepted in problem.answers) and _earns(problem, found)


def _same(found: AnswerKey, accepted: AnswerKey, tolerance: float) -> bool:
    """Return whether both are the same status or number. tolerance: relative; the optimum is proven up to it."""
    if isinstance(found, str) or isinstance(accepted, str):
        return found == accepted
    return agree(found, accepted) or abs(found - accepted) <= tolerance * max(1.0, abs(accepted))


def _earns(problem: Problem, answer: AnswerKey) -> bool:
    """Return whether the answer, boxed as a model writes it, is correct; a plan's objective needs the plan, too."""
    if problem.outputs and not isinstance(answer, str):
        return True
    return score(boxed_episode(problem, answer)).reward == 1.0
