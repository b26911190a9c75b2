"""Changes of limits that no plan satisfies together, and all of their smallest conflicting sets.

    changes, sets = conflicting_changes(rng, family, data)
    sets        # [{0, 3}]: a plan is possible with change 0 or 3, but not with both.

Two solvers must find a conflict. Otherwise there is a plan that the family's checker accepts.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled import optimum
from storm_calm.env.problems.families.scaled.limits import DataLimit, limits_in
from storm_calm.env.problems.families.scaled.plan_schema import listing, plan_schema
from storm_calm.env.problems.families.scaled.scaled_family import ScaledFamily
from storm_calm.env.problems.families.scaled.tables import Data
from storm_calm.env.problems.families.tasks import limit_words
from storm_calm.env.problems.families.tasks.explanation import EXPLANATION, Explanation
from storm_calm.env.problems.families.tasks.file_changes import differences
from storm_calm.env.problems.families.tasks.solved import Solved, contradicts_itself, decide

COUNT = 5
"""Changes in a question."""
MOST = 3
"""Changes in a conflicting set."""
ATTEMPTS = 30
"""Draws of changes."""
HALVINGS = 5
"""Steps of the search for the mildest changes that conflict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitChange:
    """A limit and its new value."""

    limit: DataLimit
    value: float

    def applied(self, data: Data) -> Data:
        return self.limit.changed(data, self.value)


def apply_all(data: Data, changes: Iterable[LimitChange]) -> Data:
    """Return the data with all changes, which are of different limits."""
    for change in changes:
        data = change.applied(data)
    return data


def conflict(rng: random.Random, solved: Solved) -> Explanation | None:
    """Return a question about changes that conflict, or None if none were found."""
    drawn = conflicting_changes(rng, solved.family, solved.data)
    if drawn is None:
        return None
    changes, sets = limit_words.labelled("C", drawn[0]), drawn[1]
    lines = {label: limit_words.change_words(solved, change.limit, change.value) for label, change in changes.items()}
    labels = list(changes)
    tables, data = solved.family.tables, solved.data
    return Explanation(
        kind="conflict",
        question="These changes were requested, but no plan is possible with all of them:\n"
        f"{limit_words.listing(lines)}\n\n"
        "Why? Name changes that are not possible together, although a plan would be possible without any one of them. "
        "The changes that you do not name are not made. If several sets of changes conflict, name one of them. List "
        f"the named changes in {EXPLANATION}, and answer with their number.",
        schema=plan_schema(conflict=listing(len(labels), {"enum": labels})),
        truth={"conflict": [sorted(labels[index] for index in one) for one in sets]},
        answers=tuple(float(size) for size in sorted({len(one) for one in sets})),
        changes={label: differences(tables, data, change.applied(data)) for label, change in changes.items()},
    )


def conflicting_changes(
    rng: random.Random, family: ScaledFamily, data: Data
) -> tuple[list[LimitChange], list[frozenset[int]]] | None:
    """Draw changes that have a plan one by one, but not together. Return them and their smallest conflicting sets.

    None if no draw gives a set of at least two changes and a change that is in no set.
    """
    found = limits_in(family.limits, data)
    if len(found) < COUNT:
        return None
    for _ in range(ATTEMPTS):
        limits = _mixed(rng, found)
        shares = [rng.uniform(0.6, 1.0) for _ in limits]
        severity = _least_severity(family, data, limits, shares)
        if severity is None:
            continue
        # The mildest conflicting changes are often all in the conflict.
        changes = _changes(data, limits, shares, min(1.0, severity * rng.choice((1.0, 1.1, 1.2, 1.3))))
        sets = conflicts(family, data, changes)
        if sets and all(1 < len(one) <= MOST for one in sets) and len(frozenset.union(*sets)) < COUNT:
            return changes, sets
    return None


def _mixed(rng: random.Random, found: Sequence[DataLimit]) -> list[DataLimit]:
    """Draw limits, more of those from above than from below if there are enough, in a random order."""
    above = [one for one in found if one.kind.sense == "at most"]
    chosen = rng.sample(above, min(len(above), COUNT - 1))
    chosen += rng.sample([one for one in found if one not in chosen], COUNT - len(chosen))
    return rng.sample(chosen, COUNT)


def conflicts(family: ScaledFamily, data: Data, changes: Sequence[LimitChange]) -> list[frozenset[int]] | None:
    """Return all sets of changes that have no plan, although they have one without any of them.

    None if the solvers do not decide a set within their limits.
    """
    smallest: list[frozenset[int]] = []
    for size in range(1, len(changes) + 1):
        for chosen in map(frozenset, combinations(range(len(changes)), size)):
            if not any(one <= chosen for one in smallest):
                revised = apply_all(data, (changes[index] for index in sorted(chosen)))
                possible = _has_plan(family, revised)
                if possible is None or (not possible and not _is_confirmed(family, revised)):
                    return None
                if not possible:
                    smallest.append(chosen)
    return smallest


def _has_plan(family: ScaledFamily, data: Data) -> bool | None:
    """Return whether there is a plan that the checker accepts, or None if the solver does not decide it."""
    found = decide(_any_plan(family, data))
    if found.status != "optimal":
        return False if found.status == "infeasible" else None
    return True if not family.check(data, family.plan(data, found.values)).violations else None


def _is_confirmed(family: ScaledFamily, data: Data) -> bool:
    """Return whether HiGHS finds no plan either."""
    model = _any_plan(family, data)
    return contradicts_itself(model) or optimum.with_highs(model, 0.0).status == "infeasible"


def _any_plan(family: ScaledFamily, data: Data) -> LinearModel:
    """Return the model without an objective."""
    model = family.model(data)
    return replace(model, costs=[0.0] * len(model.costs))


def _least_severity(
    family: ScaledFamily, data: Data, limits: Sequence[DataLimit], shares: Sequence[float]
) -> float | None:
    """Return about the least severity at which the changes conflict, or None if they never do."""

    def possible(severity: float) -> bool | None:
        return _has_plan(family, apply_all(data, _changes(data, limits, shares, severity)))

    if possible(1.0) is not False:
        return None
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if possible(middle) is False else (middle, high)
    return high


def _changes(data: Data, limits: Sequence[DataLimit], shares: Sequence[float], severity: float) -> list[LimitChange]:
    """Return the changes of a severity from 0 (none) to 1."""
    return [
        LimitChange(limit=limit, value=limit.stricter(data, severity * share))
        for limit, share in zip(limits, shares, strict=True)
    ]
