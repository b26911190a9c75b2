"""Ask which limits bind: all optimal plans use them up."""

import random

from storm_calm.env.problems.families.scaled.limits import DataLimit, in_turn, limits_in
from storm_calm.env.problems.families.scaled.optimum import CONFIRMED
from storm_calm.env.problems.families.scaled.plan_schema import listing, plan_schema
from storm_calm.env.problems.families.tasks import limit_words
from storm_calm.env.problems.families.tasks.explanation import EXPLANATION, Explanation
from storm_calm.env.problems.families.tasks.file_changes import differences
from storm_calm.env.problems.families.tasks.solved import Solved, solve_or_prove
from storm_calm.env.problems.families.tasks.tightness import UNUSED, Tightness, tightness, usage_of

COUNT = 3
"""The most limits that bind, and the most that do not."""
ATTEMPTS = 16
"""The most limits that are examined."""


def binding(rng: random.Random, solved: Solved) -> Explanation | None:
    """Return a question about limits of both kinds, or None if one kind is missing or would take too long to find."""
    if solved.whole and solved.variables > CONFIRMED:
        return None
    limits = [one for one in limits_in(solved.family.limits, solved.data) if one.kind.sense == "at most"]
    found: dict[str, list[DataLimit]] = {"tight": [], "slack": [], "unclear": []}
    for limit in in_turn(rng, limits)[:ATTEMPTS]:
        if min(len(found["tight"]), len(found["slack"])) == COUNT:
            break
        found[examine(solved, limit)].append(limit)
    tight, slack = found["tight"][:COUNT], found["slack"][:COUNT]
    if not tight or not slack or len(tight) + len(slack) < COUNT:
        return None
    chosen = rng.sample(tight + slack, len(tight) + len(slack))
    lines = limit_words.labelled(
        "L", [f"{limit_words.with_place(solved, one)}, {one.shown(one.value(solved.data))}" for one in chosen]
    )
    labels = [label for label, limit in zip(lines, chosen, strict=True) if limit in tight]
    return Explanation(
        kind="binding",
        question="Which of these limits bind? A limit binds if every optimal plan uses all of it, so that with less of "
        f"it the optimum would be worse.\n{limit_words.listing(lines)}\n\n"
        f"List those that bind in {EXPLANATION}, and answer with their number.",
        schema=plan_schema(binding=listing(len(lines), {"enum": list(lines)})),
        truth={"binding": labels},
        answers=(float(len(labels)),),
        changes={
            label: differences(solved.family.tables, solved.data, _cut(solved, limit))
            for label, limit in zip(lines, chosen, strict=True)
        },
    )


def examine(solved: Solved, limit: DataLimit) -> Tightness:
    """Return whether a limit binds. A binding one is only clear if a small cut of it has a clear effect."""
    usage = usage_of(solved.family, solved.data, limit)
    found = "unclear" if usage is None else tightness(solved, usage, limit.value(solved.data))
    if found != "tight":
        return found
    after = solve_or_prove(solved.family, _cut(solved, limit))
    if not isinstance(after, Solved):
        return "unclear" if after else "tight"
    effect = abs(after.objective - solved.objective)
    return "tight" if effect > 2 * solved.same_gap * abs(solved.objective) else "unclear"


def _cut(solved: Solved, limit: DataLimit) -> dict[str, object]:
    """Return data with so much less of a limit that plans which do not use it up remain possible."""
    return limit.changed(solved.data, round(limit.value(solved.data) * (1 - UNUSED), 6))
