"""Every kind of stress problem, by its name, and problems of them without end."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice

from storm_calm.env.problem import Problem
from storm_calm.env.problems.stress.bounds import derive_bound
from storm_calm.env.problems.stress.counting import no_solver_needed
from storm_calm.env.problems.stress.draft import StressInstance, StressKind
from storm_calm.env.problems.stress.games import matrix_games
from storm_calm.env.problems.stress.graphs import graph_problems
from storm_calm.env.problems.stress.networks import network_design
from storm_calm.env.problems.stress.objectives import multi_objective
from storm_calm.env.problems.stress.queues import queueing
from storm_calm.env.problems.stress.reductions import see_reduction
from storm_calm.env.problems.stress.robust import robust
from storm_calm.env.problems.stress.spins import ising, qubo
from storm_calm.env.problems.stress.stochastic import two_stage_stochastic
from storm_calm.env.problems.stress.stress_groups import GROUPS
from storm_calm.env.problems.stress.tolerance import misleading_tolerance

KINDS: dict[str, StressKind] = {
    draw.__name__: StressKind(name=draw.__name__, group="outside", draw=draw)
    for draw in (
        matrix_games,
        qubo,
        ising,
        network_design,
        two_stage_stochastic,
        robust,
        multi_objective,
        graph_problems,
        queueing,
    )
} | {
    draw.__name__: StressKind(name=draw.__name__, group="mixed", draw=draw)
    for draw in (derive_bound, see_reduction, no_solver_needed, misleading_tolerance)
}
"""Every kind by its name."""


def choose(names: Sequence[str]) -> list[StressKind]:
    """The kinds of these names; "all", "outside" and "mixed" stand for several.

    Raises ValueError naming an unknown kind and the known ones.
    """
    known = f"known: all, {', '.join(GROUPS)}, {', '.join(KINDS)}"
    chosen: dict[str, StressKind] = {}
    for name in names:
        if name in KINDS:
            chosen[name] = KINDS[name]
        elif name in ("all", *GROUPS):
            chosen |= {kind.name: kind for kind in KINDS.values() if name in ("all", kind.group)}
        else:
            raise ValueError(f'unknown kind of stress problem "{name}"; {known}')
    if not chosen:
        raise ValueError(f"no kind of stress problem given; {known}")
    return list(chosen.values())


def instances(kinds: Sequence[StressKind], *, seed: int) -> Iterator[StressInstance]:
    """Endless instances, the kinds in turn, no content twice."""
    seen: set[str] = set()
    for turn in count():
        for kind in kinds:
            rng = random.Random(f"{seed}/stress/{kind.name}/{turn}")
            while (instance := kind.instance(rng)).content in seen:
                pass
            seen.add(instance.content)
            yield instance


def generate(names: Sequence[str], *, seed: int, limit: int) -> Iterator[Problem]:
    """`limit` problems of the named kinds, the same for the same seed.

    names: kinds, or "all", "outside", "mixed". Raises ValueError for an unknown kind.
    """
    for instance in islice(instances(choose(names), seed=seed), limit):
        yield instance.problem()
