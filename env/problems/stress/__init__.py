"""Stress sets: generated problems unlike any problem family, for evaluation only.

    from storm_calm.env.problems.stress.kinds import generate
    for problem in generate(["all"], seed=7, limit=60): ...

"outside" kinds are domains without a family, such as games, spin models, networks or queues. "mixed" kinds need thought
before computation: a bound to derive, a reduction, a closed form, or misleading solver tolerances. Two independent
methods compute every answer. `env.problems.stress.kinds.KINDS` has the kinds by name.
"""

from storm_calm.env.problems.stress.stress_groups import GROUPS, group_of

__all__ = ["GROUPS", "group_of"]
