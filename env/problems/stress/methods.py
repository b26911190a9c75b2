"""Solution methods that several kinds share."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def subsets(items: Iterable[T], *, smallest: int = 0) -> Iterator[tuple[T, ...]]:
    """Return all subsets of at least `smallest` items, in order of size."""
    pool = tuple(items)
    sizes = range(smallest, len(pool) + 1)
    return itertools.chain.from_iterable(itertools.combinations(pool, size) for size in sizes)


def largest_flow(arcs: Iterable[tuple[int, int, int]], start: int, end: int) -> float:
    """Return the maximum flow from `start` to `end`; arcs: from, to, capacity."""
    from ortools.graph.python.max_flow import SimpleMaxFlow

    network = SimpleMaxFlow()
    for arc in arcs:
        network.add_arc_with_capacity(*arc)
    status = network.solve(start, end)
    assert status == network.OPTIMAL
    return float(network.optimal_flow())


def cheapest_flow(arcs: Iterable[tuple[int, int, int, int]], needs: list[int]) -> list[tuple[int, int]] | None:
    """Return the cost and units of each arc in a cheapest flow from node 0; None if it cannot meet all needs.

    arcs: from, to, capacity, unit cost. needs: units that each node consumes; that of node 0 is ignored.
    """
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    network = SimpleMinCostFlow()
    places = [network.add_arc_with_capacity_and_unit_cost(*arc) for arc in arcs]
    for node, need in enumerate(needs[1:], start=1):
        network.set_node_supply(node, -need)
    network.set_node_supply(0, sum(needs[1:]))
    if network.solve() != network.OPTIMAL:
        return None
    return [(network.flow(place) * network.unit_cost(place), network.flow(place)) for place in places]


def least_value(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the minimum of a unimodal function on [low, high]."""
    from scipy.optimize import minimize_scalar

    return float(minimize_scalar(function, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).fun)
