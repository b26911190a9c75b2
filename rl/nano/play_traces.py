"""Play the traces that the nano model is pretrained on: correct, flawed, repaired and hinted ones.

A trace is played through the `SolverEnv` of curation and training. So its programs run, its outputs come from solvers,
and its tokens are split into segments exactly as at inference. The kind of each trace is sampled from `MIX`.
"""

import random
from dataclasses import dataclass

from storm_calm.env.episode import Episode
from storm_calm.env.problem import Problem
from storm_calm.env.problems.families import Instance
from storm_calm.env.problems.families.instance import Difficulty
from storm_calm.env.solver_env import SolverEnv
from storm_calm.rl.nano.trace_builder import TraceBuilder, UnsuitableInstanceError
from storm_calm.rl.nano.trace_kinds import TRACE_KINDS

MIX: dict[Difficulty, dict[str, float]] = {
    "easy": {
        "direct": 0.36, "mended_error": 0.08,
        "by_hand": 0.14, "fragment": 0.05, "imagined_output": 0.04, "overruled": 0.08,
        "wrong_sense": 0.05, "missing_constraint": 0.08, "wrong_type": 0.06,
        "misread_number": 0.03, "status_ignored": 0.01, "unmended_error": 0.02,
    },
    "complex": {
        "direct": 0.12, "mended_error": 0.18, "mended_zero": 0.18,
        "by_hand": 0.07, "fragment": 0.05, "imagined_output": 0.02, "overruled": 0.07,
        "wrong_sense": 0.05, "missing_constraint": 0.10, "wrong_type": 0.06,
        "misread_number": 0.04, "status_ignored": 0.01, "unmended_error": 0.05,
    },
}  # fmt: skip
"""Share of each of the `TRACE_KINDS` among traces without a hint, by difficulty. Unsuitable kinds are sampled again."""

HINTED_SHARE = 0.35
"""Share of all traces in which a hint replaces a flaw and the rest is correct."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A played trace with its labels."""

    episode: Episode
    kind: str
    """One of `TRACE_KINDS`; with a hint, the kind of the replaced flaw."""
    hinted: bool
    """Whether a hint replaced the flaw."""
    flaw_offset: int | None
    """The offset of the flaw in the transcript's text; None without a flaw, or if a hint replaced it."""
    learn_from: int
    """Index of the first span with loss. Text before a hint has none, since learning it would make flaws likelier."""


THOUGHTS: dict[str, tuple[str, ...]] = {
    "product_mix": ("Choose how much of each product to make; each resource limits the total use.",
                    "The amounts of the products are the decisions, the resources are the limits."),
    "knapsack": ("Each item is taken or not, and one limit holds for the total weight.",
                 "One yes or no decision for each item, with a limit on the weight."),
    "diet": ("Choose the amount of each ingredient; every nutrient has a lower bound.",
             "The amounts are the decisions, and each requirement is a lower bound."),
    "assignment": ("Each person takes one task and each task one person.",
                   "This is an assignment: one task in each row and column."),
    "transportation": ("Ship from each source to each destination within supply so that demand is met.",
                       "The flows are the decisions; supply bounds them above, demand below."),
    "investment": ("Spread the budget over the assets within their caps.",
                   "The amounts are the decisions, with a budget, caps and one minimum."),
    "production": ("Decide production and stock for each period; stock balances carry over.",
                   "For each period: stock before plus production equals demand plus stock after."),
    "facility": ("Open a site or not, and send amounts only from open sites.",
                 "Opening is a yes or no decision, and capacity holds only where a site is open."),
    "covering": ("Build each one or not so that everything is covered.",
                 "This is a set covering: each zone needs at least one."),
    "bin_packing": ("Put each thing into one bin and count the bins used.",
                    "This is bin packing: capacity holds for each bin that is used."),
    "scheduling": ("Put each job on one machine; the end is after every machine's total.",
                   "The makespan is at least the load of each machine."),
    "blending": ("Choose the amount of each ingredient; amounts add up to the total and the content is high enough.",
                 "The amounts are the decisions: a total, a content and the stocks."),
}  # fmt: skip


def play(env: SolverEnv, instance: Instance, problem: Problem, kind: str, *, hinted: bool, rng: random.Random) -> Trace:
    """Play one trace of this kind through the environment.

    Raises UnsuitableInstanceError if the instance does not allow it, for example without an integer variable to relax.
    """
    env.reset(problem)
    builder = TraceBuilder(env, instance, rng, hinted)
    builder.think(rng.choice(THOUGHTS[instance.family]) + "\n")
    TRACE_KINDS[kind](builder)
    if hinted and builder.learn_from == 0:
        raise UnsuitableInstanceError("no flaw to replace by a hint")
    offset, learn_from = builder.flaw_offset, builder.learn_from
    return Trace(episode=env.episode, kind=kind, hinted=hinted, flaw_offset=offset, learn_from=learn_from)
