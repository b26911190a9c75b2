"""The kinds of stress problems by name, and the generation of problems."""

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice

from storm_calm.env.problem import Problem
from storm_calm.env.problems.families.instance import choose_by_name
from storm_calm.env.problems.stress import (
    bounds,
    counting,
    games,
    graphs,
    matchings,
    networks,
    objectives,
    queues,
    reductions,
    robust,
    spins,
    stochastic,
    tolerance,
    vertices,
)
from storm_calm.env.problems.stress.draft import DrawVariant, StressInstance, StressKind
from storm_calm.env.problems.stress.stress_groups import GROUPS

# A variant that is listed twice is drawn twice as often.
OUTSIDE: dict[str, tuple[DrawVariant, ...]] = {
    "matrix_games": (games.zero_sum, games.zero_sum, games.equilibrium),
    "qubo": (spins.binary_choice,),
    "ising": (spins.spin_energy,),
    "network_design": (networks.fixed_charge, networks.steiner_tree, networks.bounded_degrees),
    "two_stage_stochastic": (stochastic.order_quantity, stochastic.booked_capacity, stochastic.opened_sites),
    "robust": (robust.deviations, robust.ranges, robust.scenarios),
    "multi_objective": (objectives.weighted_sum, objectives.lexicographic, objectives.limited),
    "graph_problems": (
        graphs.maximum_flow,
        graphs.shortest_tour,
        graphs.shortest_path,
        vertices.chosen_vertices,
        vertices.coloring,
    ),
    "queueing": (queues.average_delay, queues.number_of_servers, queues.best_speed, queues.blocking),
}
MIXED: dict[str, tuple[DrawVariant, ...]] = {
    "derive_bound": (bounds.single_machine, bounds.scrap, bounds.discount, bounds.batches),
    "see_reduction": (
        matchings.covering_lines,
        reductions.bookings,
        matchings.dominoes,
        matchings.boxes,
        reductions.closure,
        reductions.cheapest_walk,
    ),
    "no_solver_needed": (
        counting.floors,
        counting.largest_product,
        counting.forbidden_distance,
        counting.tournament,
        counting.breaks,
        counting.heavier_coin,
        counting.lot_size,
        counting.fence,
    ),
    "misleading_tolerance": (tolerance.poison, tolerance.exact_sum, tolerance.overflow, tolerance.tiny_margin),
}
KINDS: dict[str, StressKind] = {
    **{name: StressKind(name=name, group="outside", variants=variants) for name, variants in OUTSIDE.items()},
    **{name: StressKind(name=name, group="mixed", variants=variants) for name, variants in MIXED.items()},
}
"""The kinds by name."""


def choose(names: Sequence[str]) -> list[StressKind]:
    """Return the kinds of these names, or of "all", "outside" and "mixed". Raises ValueError for unknown names."""
    return choose_by_name(names, KINDS, GROUPS, lambda kind: kind.group, "kind of stress problem")


def instances(kinds: Sequence[StressKind], *, seed: int) -> Iterator[StressInstance]:
    """Yield endless distinct instances, the kinds in turn."""
    seen: set[str] = set()
    for turn in count():
        for kind in kinds:
            rng = random.Random(f"{seed}/stress/{kind.name}/{turn}")
            while (instance := kind.instance(rng)).content in seen:
                pass
            seen.add(instance.content)
            yield instance


def generate(names: Sequence[str], *, seed: int, limit: int) -> Iterator[Problem]:
    """Yield `limit` reproducible problems of the named kinds. Raises ValueError for an unknown kind."""
    for instance in islice(instances(choose(names), seed=seed), limit):
        yield instance.problem()
