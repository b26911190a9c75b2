"""Stress sets: endless problems that are like none of the families, for measuring only.

    from storm_calm.env.problems.stress.kinds import generate
    for problem in generate(["all"], seed=7, limit=60): ...

Two groups of kinds. "outside" are domains that no family has: games, quadratic and spin models, networks, scenarios,
robust plans, several objectives, graphs, queues. "mixed" are problems in which thinking comes before computing: a bound
to derive, a reduction to see, a closed form that makes a solver a detour, a solver that misleads by its tolerances.
Every answer was found in one way and confirmed in another one. `env.problems.stress.kinds.KINDS` has the kinds by name.
"""

from __future__ import annotations

from storm_calm.env.problems.stress.stress_groups import GROUPS, group_of

__all__ = ["GROUPS", "group_of"]
