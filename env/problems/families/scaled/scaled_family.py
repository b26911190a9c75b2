"""A problem family whose size is a dial: functions on plain data, from which everything about a problem follows.

    data = family.draw(random.Random(7), 5000)         # Tables and scalars, no words.
    files = write_tables(family.tables, data)          # CSV files.
    family.question(data, Wording(rng))                # The question, without the data in the tables.
    family.model(data)                                 # A linear model; its optimum is the answer.
    family.check(read_tables(family.tables, files), plan)

A function that changes data, such as one that adds a scalar or rescales a column, is a revision of the problem: files,
question, model, checker and program all follow the data. A requirement that only some problems have is an optional key
or field of the data. `data["goal"]` names another objective than the usual one; it is in no file, only in the question.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storm_calm.env.problem import TOLERANCE
from storm_calm.env.problems.families.instance import Difficulty
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import Schema
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.tables import Data, Parameters, Table
from storm_calm.env.problems.families.wording import Wording

EXACT_SIZE = 100
"""The most variables of a problem that has `env.problem.TOLERANCE` in every family."""
LARGE_TOLERANCE = 1e-3
"""The tolerance of larger problems whose optimum is hard to prove."""
PLAN = "plan.json"
"""The file of a plan."""

Plan = dict[str, Any]
"""The content of a plan file, which fits its schema."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanCheck:
    """The result of checking a plan against the data."""

    objective: float | None
    """The plan's objective value; None if it has none, such as for an unknown identifier."""
    violations: list[str] = field(default_factory=list)
    """Violated requirements in words, not all if they are many; empty for a feasible plan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaledFamily:
    """A generator of problems of one kind and any size, with data in files."""

    name: str
    """The name of the problem family, as in `FAMILIES`."""
    difficulty: Difficulty
    tables: tuple[Table | Parameters, ...]
    """The files, and the keys of the data that they contain: all that the checker needs."""
    draw: Callable[[random.Random, int], Data]
    """Draws data with about so many decision variables."""
    question: Callable[[Data, Wording], str]
    """Words the question: what is in the files, the requirements, and the objective with its unit."""
    model: Callable[[Data], LinearModel]
    plan: Callable[[Data, Sequence[float]], Plan]
    """Returns the plan for values of the model's variables."""
    schema: Callable[[Data], Schema]
    """Returns the schema of a plan."""
    check: Callable[[Data, Plan], PlanCheck]
    """Checks a plan that fits the schema, from the data alone: shares nothing with the model."""
    program: Callable[[Data], str]
    """Returns a Python program that reads the files, writes an optimal plan, and prints the objective value."""
    tolerance: float = TOLERANCE
    """The largest gap of a correct plan of a problem with more than `EXACT_SIZE` variables.

    `LARGE_TOLERANCE` for integer models of which solvers prove the last tenth of a percent in no reasonable time.
    """
    limits: tuple[Limit, ...] = ()
    """The limits that tasks (`families.tasks`) change and ask about."""
    revisions: tuple[Revision, ...] = ()
    """The other objectives and further requirements that variants and tasks have."""

    def gap(self, model: LinearModel) -> float:
        """Return the largest gap of a correct plan, which is also the largest of the answer's proof."""
        return self.tolerance if len(model.costs) > EXACT_SIZE else TOLERANCE

    def program_within(self, data: Data, gap: float) -> str:
        """Return the program with this gap in its line "GAP = 1e-4", if it has one."""
        return self.program(data).replace("\nGAP = 1e-4\n", f"\nGAP = {gap:g}\n")


def program_of(name: str, **goals: tuple[tuple[str, str], ...]) -> Callable[[Data], str]:
    """Return the `program` of a family whose program, in the folder programs/, reads everything from the files.

    goals: for each other goal (`data["goal"]`) the replacements in the program, as (old, new).
    """

    def program(data: Data) -> str:
        text = (Path(__file__).parent / "programs" / f"{name}.py").read_text(encoding="utf-8")
        for old, new in goals[data["goal"]] if "goal" in data else ():
            if text.count(old) != 1:
                raise ValueError(f"programs/{name}.py must have this once: {old}")
            text = text.replace(old, new)
        return text

    return program
