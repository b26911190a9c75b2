"""Draw a change of a solved problem that matters: it makes the plan infeasible or suboptimal.

    change = revise(rng, solved, "number")
    change.request          # "The capacity of plant PL-07 (capacity_t in plants.csv) falls from 320 to 250 t."
    change.after            # The revised problem, solved.

A number becomes stricter. The other kinds of changes are those that the family declares.
"""

import random
from dataclasses import dataclass

from storm_calm.env.problems.families.scaled.limits import in_turn, limits_in
from storm_calm.env.problems.families.scaled.tables import Data
from storm_calm.env.problems.families.tasks import limit_words
from storm_calm.env.problems.families.tasks.solved import Solved, solve

ATTEMPTS = 8
"""Draws of changes that are solved."""
DRAWS = 200
"""Limits that are compared with the plan."""
CLEAR = 10
"""The least gap of the old plan, relative to the tolerance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change of a solved problem."""

    kind: str
    """A variant of the task "revise": "number", "objective" or "constraint"."""
    request: str
    """The change in words."""
    after: Solved


def revise(rng: random.Random, solved: Solved, kind: str) -> Change | None:
    """Draw a change of this kind that matters, or None if none was found."""
    return _number(rng, solved) if kind == "number" else _revision(rng, solved, kind)


def _revision(rng: random.Random, solved: Solved, kind: str) -> Change | None:
    kinds = [one for one in solved.family.revisions if one.kind == kind]
    for revision in rng.sample(kinds, len(kinds)):
        for _ in range(ATTEMPTS):
            data = revision.apply(rng, solved.data, solved.plan)
            after = None if data is None else _matters(solved, data)
            if after is not None:
                return Change(kind=kind, request=revision.request(after.data), after=after)
            if data is None:
                break
    return None


def _number(rng: random.Random, solved: Solved) -> Change | None:
    """Make a limit tighter, so that the plan becomes infeasible."""
    attempts = 0
    for limit in in_turn(rng, limits_in(solved.family.limits, solved.data))[:DRAWS]:
        new = limit.stricter(solved.data, rng.uniform(0.1, 0.5))
        data = limit.changed(solved.data, new)
        if not solved.family.check(data, solved.plan).violations:
            continue
        after = _matters(solved, data)
        if after is not None and _distance(after.objective, solved.objective) > after.gap:
            words = limit_words.change_words(solved, limit, new)
            return Change(kind="number", request=f"{words[:1].upper()}{words[1:]}.", after=after)
        attempts += 1
        if attempts == ATTEMPTS:
            break
    return None


def _matters(solved: Solved, data: Data) -> Solved | None:
    """Return the revised problem, solved, if a plan is possible and the old one is not right; otherwise None."""
    after = solve(solved.family, data)
    if after is None:
        return None
    old = solved.family.check(data, solved.plan)
    if old.violations or old.objective is None:
        return after
    return after if _distance(old.objective, after.objective) > CLEAR * after.gap else None


def _distance(one: float, other: float) -> float:
    return abs(one - other) / max(1.0, abs(other))
