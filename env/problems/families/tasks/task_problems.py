"""Generate variants of problems, and tasks about solved ones.

Variants and tasks of the same data are in the same split, and have the hash of the original data in their ids.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

from storm_calm.env.problem import Output, Problem
from storm_calm.env.problems.families.scaled.scaled_family import PLAN, ScaledFamily
from storm_calm.env.problems.families.scaled.scaled_problems import (
    MAX_DRAWS,
    check_size,
    draw_new,
    scaled_problem,
    seconds_for,
    tolerance_words,
    wording_of,
)
from storm_calm.env.problems.families.scaled.tables import Data, write_tables
from storm_calm.env.problems.families.scaled.workspace_files import write_files
from storm_calm.env.problems.families.split import Split
from storm_calm.env.problems.families.tasks.binding import binding
from storm_calm.env.problems.families.tasks.conflicts import conflict
from storm_calm.env.problems.families.tasks.current_program import write_program
from storm_calm.env.problems.families.tasks.explanation import EXPLANATION, Explanation
from storm_calm.env.problems.families.tasks.explanation_programs import explanation_program
from storm_calm.env.problems.families.tasks.file_changes import differences
from storm_calm.env.problems.families.tasks.revise import Change, revise
from storm_calm.env.problems.families.tasks.sensitivities import tighter, worth
from storm_calm.env.problems.families.tasks.solved import Solved, solve
from storm_calm.env.problems.families.tasks.stored_task import StoredTask, read_stored, task_problem, write_task
from storm_calm.env.problems.families.tasks.task_kinds import ORIGINAL, chosen_variants, id_of
from storm_calm.env.problems.families.tasks.task_questions import (
    CURRENT_MODEL,
    PREVIOUS_PLAN,
    Reworded,
    explain_question,
    revise_question,
)
from storm_calm.env.problems.families.wording import Wording

EXPLANATIONS: dict[str, Callable[[random.Random, Solved], Explanation | None]] = {
    "binding": binding,
    "worth": worth,
    "tighter": tighter,
    "conflict": conflict,
}
"""The questions of explain tasks, by variant."""
SOLVES = 3
"""Time limits of a single program that an explain task has, since its program solves several problems."""


def task_problems(
    families: Sequence[ScaledFamily],
    *,
    task: str,
    variants: Sequence[str],
    split: Split,
    seed: int,
    size: int,
    folder: Path,
) -> Iterator[Problem]:
    """Yield endless distinct problems of one split, the families in turn.

    variants: see `chosen_variants`. Of the task "plan", each data have all variants, one after the other; of the other
    tasks one variant, in turn. size and folder: as in `scaled_problems`. Raises ValueError for unknown variants, or if
    a family has none of them.
    """
    by_family = {family.name: _possible(family, task, chosen_variants(task, variants)) for family in families}
    check_size(size)
    seen: set[str] = set()
    tried = Counter[str]()
    for turn in count():
        for family in families:
            rng = random.Random(f"{seed}/{family.name}/{size}/{turn}")
            for _ in range(MAX_DRAWS):
                content, data, question = draw_new(family, rng, split=split, size=size, seen=seen)
                base = Base(family=family, data=data, question=question, content=content, size=size, folder=folder)
                chosen = by_family[family.name]
                problems = base.plans(chosen) if task == "plan" else base.first(task, chosen, tried)
                if problems:
                    yield from problems
                    break
            else:
                raise ValueError(
                    f"{family.name}: in {MAX_DRAWS} draws of size {size}, none has the task {task} with the variants "
                    f"{', '.join(chosen)}; choose others or another size"
                )


def _possible(family: ScaledFamily, task: str, variants: Sequence[str]) -> tuple[str, ...]:
    """Return the variants that a family can have. Raises ValueError if it has none or, for plans, not all."""
    kinds = {revision.kind for revision in family.revisions} | {ORIGINAL, "wording"}
    if family.limits:
        kinds |= {"number", *EXPLANATIONS}
    found = tuple(name for name in variants if name in kinds)
    if not found or (task == "plan" and found != tuple(variants)):
        missing = ", ".join(name for name in variants if name not in kinds)
        raise ValueError(f"the family {family.name} has no variant {missing}; choose other families or variants")
    return found


@dataclass(kw_only=True)
class Base:
    """Data from which variants and tasks are made."""

    family: ScaledFamily
    data: Data
    question: str
    content: str
    """Their hash."""
    size: int
    folder: Path

    @cached_property
    def solved(self) -> Solved | None:
        return solve(self.family, self.data)

    def plans(self, variants: Sequence[str]) -> list[Problem] | None:
        """Return the problem in these variants, or None if it does not have all of them."""
        found: dict[str, Problem | None] = {}
        # The first two can be impossible.
        for variant in ("objective", "constraint", "original", "wording"):
            if variant in variants:
                found[variant] = self.problem("plan", variant)
                if found[variant] is None:
                    return None
        return [problem for name in variants if (problem := found[name]) is not None]

    def first(self, task: str, variants: Sequence[str], tried: Counter[str]) -> list[Problem]:
        """Return a variant of a task, one that was tried least; nothing if the data have none.

        tried: how often each variant of each family was tried, which this call counts too.
        """
        for variant in sorted(variants, key=lambda variant: tried[f"{self.family.name} {variant}"]):
            tried[f"{self.family.name} {variant}"] += 1
            problem = self.problem(task, variant)
            if problem is not None:
                return [problem]
        return []

    def problem(self, task: str, variant: str) -> Problem | None:
        """Return the problem and write its files, or None if the data do not have this variant."""
        id = id_of(self.family.name, task, variant, self.size, self.content)
        rng = random.Random(f"{self.content}/{task}/{variant}")
        if variant == ORIGINAL:
            return scaled_problem(self.family, self.data, self.question, id=id, folder=self.folder)
        if variant == "wording":
            question = self.family.question(self.data, Reworded(rng))
            return scaled_problem(self.family, self.data, question, id=id, folder=self.folder)
        own = self.folder.absolute() / id
        stored = read_stored(own)
        if stored is None:
            made = None if self.solved is None else self._task(self.solved, task, variant, rng)
            if made is None:
                return None
            stored, files = made
            write_files(own, files)
            write_task(own, stored)
        return task_problem(own, stored, id=id, family=self.family.name, difficulty=self.family.difficulty)

    def _task(
        self, solved: Solved, task: str, variant: str, rng: random.Random
    ) -> tuple[StoredTask, dict[str, bytes]] | None:
        if task == "explain":
            return self._explain_task(solved, EXPLANATIONS[variant], rng)
        change = revise(rng, solved, variant)
        if change is None:
            return None
        return self._variant(change) if task == "plan" else self._revise_task(solved, change, rng)

    def _variant(self, change: Change) -> tuple[StoredTask, dict[str, bytes]]:
        """Return the changed problem by itself."""
        data = change.after.data
        question = f"{self.family.question(data, wording_of(self.content))} {tolerance_words(change.after.gap)}"
        return self._plan_task(change.after, question, write_tables(self.family.tables, data), "")

    def _revise_task(self, solved: Solved, change: Change, rng: random.Random) -> tuple[StoredTask, dict[str, bytes]]:
        question = revise_question(solved, self.question, change, Wording(rng))
        changes = differences(self.family.tables, self.data, change.after.data).program()
        return self._plan_task(change.after, question, self._solved_files(solved), changes)

    def _plan_task(
        self, after: Solved, question: str, files: dict[str, bytes], changes: str
    ) -> tuple[StoredTask, dict[str, bytes]]:
        """Return a task that wants an optimal plan. changes: a program that makes the files those of `after`."""
        program = write_program(self.family, after.data, after.gap / 2)
        task = StoredTask(
            question=question, answers=(after.objective,), files=tuple(files),
            output=Output(path=PLAN, schema=self.family.schema(after.data)), tolerance=after.gap,
            seconds=seconds_for(after.variables), program=f"{changes}\n\n{program}".lstrip(), data=after.data,
        )  # fmt: skip
        return task, files

    def _explain_task(
        self, solved: Solved, explanation: Callable[[random.Random, Solved], Explanation | None], rng: random.Random
    ) -> tuple[StoredTask, dict[str, bytes]] | None:
        found = explanation(rng, solved)
        if found is None:
            return None
        files = self._solved_files(solved)
        task = StoredTask(
            question=explain_question(solved, self.question, found.question, Wording(rng)), answers=found.answers,
            files=tuple(files), output=Output(path=EXPLANATION, schema=found.schema), tolerance=solved.gap,
            seconds=SOLVES * seconds_for(solved.variables), truth=found.truth,
            program=explanation_program(
                found.kind, found.changes, sense="maximize" if solved.maximized else "minimize", gap=solved.same_gap
            ),
        )  # fmt: skip
        return task, files

    def _solved_files(self, solved: Solved) -> dict[str, bytes]:
        """Return the data files, the plan, and the program that found it."""
        return write_tables(self.family.tables, self.data) | {
            PREVIOUS_PLAN: json.dumps(solved.plan).encode(),
            CURRENT_MODEL: write_program(self.family, self.data, solved.gap / 2).encode(),
        }
