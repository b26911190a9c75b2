"""The plan behind an answer, as data of the page."""

from typing import Any

from storm_calm.agents.verdict import recorded_answer
from storm_calm.env import Episode
from storm_calm.env.plans.checks import check
from storm_calm.env.plans.explanation import check_text
from storm_calm.env.plans.plan import plan_of
from storm_calm.env.plans.words import number_text

MAX_LINES = 200
"""Variables of a plan on the page."""


def plan_entry(episode: Episode) -> dict[str, Any] | None:
    """Return the check and the plan of the solve behind the answer; None if it was not recorded.

    The page has no sandbox, so the model is not solved again.
    """
    recorded = recorded_answer(episode)
    if recorded is None:
        return None
    checked, plan = check(recorded.solve), plan_of(recorded.solve)
    used = plan.used if plan is not None else ()
    return {
        "outcome": checked.outcome,
        "check": check_text(recorded.solve, checked),
        "lines": [[line.name, number_text(line.value)] for line in used[:MAX_LINES]],
        "left_out": max(0, len(used) - MAX_LINES),
        "zero": len(plan.lines) - len(used) if plan is not None else 0,
    }
