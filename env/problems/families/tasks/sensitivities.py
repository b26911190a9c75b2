"""Ask what more of a limit is worth, and what the optimum becomes if a limit is tighter."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from storm_calm.env.problems.families.scaled.limits import DataLimit, in_turn, limits_in
from storm_calm.env.problems.families.scaled.plan_schema import Schema, plan_schema
from storm_calm.env.problems.families.tasks import limit_words
from storm_calm.env.problems.families.tasks.explanation import EXPLANATION, Explanation
from storm_calm.env.problems.families.tasks.file_changes import Differences, differences
from storm_calm.env.problems.families.tasks.solved import Range, Solved, solve_or_prove

COUNT = 3
"""Changes in a question, of which at most one has no effect, and at most one leaves no plan."""
ATTEMPTS = 12
"""The most changes that are examined."""
CLEAR = 10
"""The least effect of a change, relative to the errors of programs."""
SHARE = 0.2
"""How much more of a limit is asked about with integers, since solvers leave a gap. Otherwise it is one unit."""
NUMBER: Schema = {"type": "number"}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A changed limit, and the problem after it."""

    limit: DataLimit
    value: float
    """Its new value."""
    after: Solved | None
    """None if no plan is possible."""


def worth(rng: random.Random, solved: Solved) -> Explanation | None:
    """Return a question about the worth of more of some limits, or None if too few have a clear effect."""

    def more(limit: DataLimit) -> float:
        value = limit.value(solved.data)
        return round(value + (max(1, round(value * SHARE)) if solved.whole else 1), 6)

    cases = _cases(rng, solved, more)
    if cases is None or any(case.after is None for case in cases.values()):
        return None
    truth = {label: _improvement(solved, case.after) for label, case in cases.items() if case.after is not None}
    better = "greater" if solved.maximized else "lower"
    return Explanation(
        kind="worth",
        question=f"What would these changes be worth?\n{_lines(solved, cases)}\n\nMake each change alone, solve again "
        f"to optimality, and compare the optimal objective values. Write into {EXPLANATION} by how much each change "
        f"improves the optimum: a positive number if it gets {better}, 0 if it stays the same, and a negative number "
        f"if it gets worse. Answer with the greatest of these numbers.{_exact(solved)}",
        schema=plan_schema(improvement=plan_schema(**dict.fromkeys(cases, NUMBER))),
        truth={"improvement": {label: [one.low, one.high] for label, one in truth.items()}, "first": "greatest"},
        answers=(round(max(one.middle for one in truth.values()), 6),),
        changes=_changes(solved, cases),
    )


def tighter(rng: random.Random, solved: Solved) -> Explanation | None:
    """Return a question about the optima with tighter limits, or None if too few have a clear effect."""

    def less(limit: DataLimit) -> float:
        return limit.stricter(solved.data, rng.uniform(0.1, 0.5))

    cases = _cases(rng, solved, less)
    if cases is None:
        return None
    optima = {
        label: None if case.after is None else case.after.optimum.widened(case.after.error)
        for label, case in cases.items()
    }
    possible = [one.middle for one in optima.values() if one is not None]
    return Explanation(
        kind="tighter",
        question=f"What if limits become tighter?\n{_lines(solved, cases)}\n\nMake each change alone, and solve again "
        f"to optimality. Write the optimal objective value after each change into {EXPLANATION}, or null if no plan is "
        f"possible. Answer with the worst of these values.{_exact(solved)}",
        schema=plan_schema(optimum=plan_schema(**dict.fromkeys(cases, NUMBER_OR_NULL))),
        truth={
            "optimum": {label: None if one is None else [one.low, one.high] for label, one in optima.items()},
            "first": "least" if solved.maximized else "greatest",
        },
        answers=(min(possible) if solved.maximized else max(possible),),
        changes=_changes(solved, cases),
    )


def _cases(rng: random.Random, solved: Solved, new_value: Callable[[DataLimit], float]) -> dict[str, Case] | None:
    """Return changes by label, most of them with a clear effect, or None if there are too few."""
    limits = limits_in(solved.family.limits, solved.data)
    cases: list[Case] = []
    groups: list[str] = []
    for limit in in_turn(rng, limits)[:ATTEMPTS]:
        value = new_value(limit)
        after = solve_or_prove(solved.family, limit.changed(solved.data, value))
        if after is True or value == limit.value(solved.data):
            continue
        case = Case(limit=limit, value=value, after=after if isinstance(after, Solved) else None)
        group = _effect(solved, case.after)
        if group != "vague" and (group == "clear" or group not in groups):
            cases.append(case)
            groups.append(group)
        if len(cases) == COUNT and "clear" in groups:
            return limit_words.labelled("L", cases)
    return None


def _effect(solved: Solved, after: Solved | None) -> str:
    """Return "clear", "nothing", "impossible", or "vague" between the first two."""
    if after is None:
        return "impossible"
    found = _improvement(solved, after)
    if abs(found.middle) >= CLEAR * found.half_width:
        return "clear"
    return "nothing" if abs(found.middle) <= found.half_width / 2 else "vague"


def _improvement(solved: Solved, after: Solved) -> Range:
    """Return by how much the optimum improves, with the errors of programs that find both optima."""
    gain = after.optimum - solved.optimum if solved.maximized else solved.optimum - after.optimum
    return gain.widened(solved.error + after.error)


def _exact(solved: Solved) -> str:
    """Return how exact the numbers must be, if programs leave a gap."""
    return f" Optima within {100 * solved.gap:g}% of the best objective value are exact enough." if solved.whole else ""


def _lines(solved: Solved, cases: dict[str, Case]) -> str:
    return limit_words.listing(
        {label: limit_words.change_words(solved, case.limit, case.value) for label, case in cases.items()}
    )


def _changes(solved: Solved, cases: dict[str, Case]) -> dict[str, Differences]:
    tables, data = solved.family.tables, solved.data
    return {label: differences(tables, data, case.limit.changed(data, case.value)) for label, case in cases.items()}
