"""Options that select problems, for the commands that run on many."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from storm_calm.agents.runs.options import Option, OptionError
from storm_calm.agents.runs.shard import Shard

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
    size: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Approximate number of variables of the families' problems. The data are then in files, and the plan is checked.
    By default small problems with all numbers in the text."""
    task: Literal["plan", "revise", "explain"] = "plan"
    """With --size: what is wanted. revise: a new plan after a change of a solved problem. explain: answers about a
    solved problem."""
    variant: Annotated[tuple[str, ...], Option(metavar="NAME,...")] = ()
    """With --size: variants of the task, separated by commas. plan: original (default), wording, objective,
    constraint. revise: number, objective, constraint. explain: binding, worth, tighter, conflict. By default all."""
    limit: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Number of problems; by default all of a file, or 100 of families."""
    seed: Annotated[int, Option(metavar="S")] = 0
    """Seed of the problems and of sampling; the same settings and seed give the same results."""
    shard: Annotated[str, Option(metavar="I/N")] = ""
    """Work on part I of N of the problems, such as 2/8, to run the parts on several machines. --limit counts the
    problems of all parts. `storm merge` joins the run folders."""

    @property
    def chosen_shard(self) -> Shard | None:
        """The shard of `shard`; None for all problems. Raises OptionError for an invalid one."""
        try:
            return Shard.parse(self.shard) if self.shard else None
        except ValueError as error:
            raise OptionError("shard", str(error)) from None

    def in_shard(self, problems: Sequence[Problem]) -> Sequence[Problem]:
        """Return the problems of the shard among all problems, in order."""
        shard = self.chosen_shard
        if shard is None:
            return problems
        from storm_calm.agents.runs.stored_problems import StoredProblems

        if isinstance(problems, StoredProblems):
            return problems.where(lambda problem: shard.holds(problem.id))
        return tuple(problem for problem in problems if shard.holds(problem.id))

    def check_size(self) -> None:
        """Raise OptionError for a size without families, and for a task or variant without a size or unknown."""
        if self.size is not None and not self.families:
            raise OptionError("size", "goes with --families, such as --families all --size 500")
        if self.size is None and self.task != "plan":
            raise OptionError("task", f"goes with --size, such as --families facility --size 500 --task {self.task}")
        if self.size is None and self.variant:
            raise OptionError("variant", "goes with --size, such as --families facility --size 500 --variant wording")
        if self.size is not None:
            from storm_calm.env.problems.families.tasks import chosen_variants

            try:
                chosen_variants(self.task, self.variant)
            except ValueError as error:
                raise OptionError("variant", str(error)) from error

    def read_problems(self, workspaces: Path | None = None) -> Sequence[Problem]:
        """Return the problems of all shards in order. Raises ValueError or OSError for an unusable file.

        Many are in a temporary file, see `agents.runs.stored_problems`.

        workspaces: the folder in which generated problems with a size get their files.
        """
        from storm_calm.agents.runs.stored_problems import stored_problems

        if self.problems:
            from storm_calm.env.records import each_problem

            # All are read, so that an invalid one is an error with any limit.
            every = enumerate(each_problem(self.problems))
            return stored_problems(problem for number, problem in every if self.limit is None or number < self.limit)
        from storm_calm.env.problems.families import generate

        limit = self.limit or FAMILY_LIMIT
        drawn = generate(
            self.families, split=self.split, seed=self.seed, limit=limit, size=self.size, folder=workspaces,
            task=self.task, variants=self.variant,
        )  # fmt: skip
        return stored_problems(drawn)


def digest(problems: Iterable[Problem]) -> str:
    """Return a hash of the problems, which a run folder compares on --resume. It is independent of their folder."""
    from storm_calm.env.problem_line import problem_to_json

    digest, separator = hashlib.sha256(), ""
    for problem in problems:
        data = problem_to_json(problem)
        data.pop("folder", None)
        digest.update((separator + json.dumps(data, sort_keys=True)).encode())
        separator = "\n"
    return digest.hexdigest()[:16]
