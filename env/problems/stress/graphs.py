"""Graph problems: flows, tours, paths with a time limit, and choices of vertices."""

import itertools
import random
from collections.abc import Callable

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import Draft, apart, drafted
from storm_calm.env.problems.stress.methods import largest_flow, subsets
from storm_calm.env.problems.stress.networks import NAMES

Arc = list[int]
"""Start and end, from 0, and one or two numbers."""

PIPES = (
    ("Oil flows from {a} to {b} through one-way pipes", "barrels an hour"),
    ("Cars leave {a} for {b} on one-way roads", "cars a minute"),
    ("Packets travel from {a} to {b} over one-way links", "packets a second"),
)


def maximum_flow(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(5, 8)
    arcs = _arcs(rng, count, count + 3, lambda: [rng.randint(3, 30)])
    value = _least_cut(arcs, count)
    leaving, entering = sum(c for i, _, c in arcs if i == 0), sum(c for _, j, c in arcs if j == count - 1)
    if value == 0 or value in (leaving, entering):
        return None  # The bottleneck must be in the middle.
    opening, unit = say.one_of(*PIPES)
    question = say.text(
        opening.format(a=NAMES[0], b=NAMES[count - 1]) + ".",
        f"The capacities, in {unit}, are: {_listed(arcs)}.",
        "What flows into any other place must flow out of it.",
        say.one_of(f"How many {unit} can get through at most?", f"What is the maximum flow in {unit}?"),
    )

    def confirm() -> AnswerKey:
        return largest_flow([(i, j, capacity) for i, j, capacity in arcs], 0, count - 1)

    return drafted("flow", question, value, confirm, arcs=arcs)


def _least_cut(arcs: list[Arc], count: int) -> int:
    """Try every cut between the first and the last point."""
    sides = ({0, *more} for more in subsets(range(1, count - 1)))
    return min(sum(c for i, j, c in arcs if i in side and j not in side) for side in sides)


TRIPS = (
    ("A drill visits", "holes", "mm"),
    ("A courier visits", "customers", "km"),
    ("A robot visits", "shelves", "meters"),
)


def shortest_tour(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(5, 7)
    length = [[0] * count for _ in range(count)]
    for i, j in itertools.combinations(range(count), 2):
        length[i][j] = length[j][i] = rng.randint(10, 99)
    best = _held_karp(length)
    if not apart(best, _nearest_neighbor_tour(length)):
        return None
    who, places, unit = say.one_of(*TRIPS)
    lines = [
        f"From {NAMES[i]} to {say.listing([f'{NAMES[j]} {length[i][j]}' for j in range(i + 1, count)])}."
        for i in range(count - 1)
    ]
    question = say.text(
        f"{who} {count} {places}, {NAMES[0]} to {NAMES[count - 1]}, each exactly once, and returns to where it began.",
        f"Distances in {unit} are the same both ways.",
        *lines,
        say.one_of(f"How many {unit} is the shortest round trip?", "What is the minimum length of the tour?"),
    )

    # The model of Miller, Tucker and Zemlin.
    model = LinearModel("minimize")
    steps = {(i, j): model.binary(length[i][j]) for i, j in itertools.permutations(range(count), 2)}
    time = [model.variable(upper=count) for _ in range(count)]
    for i in range(count):
        model.row({x: 1.0 for (a, _), x in steps.items() if a == i}, low=1.0, high=1.0)
        model.row({x: 1.0 for (_, b), x in steps.items() if b == i}, low=1.0, high=1.0)
    for (i, j), x in steps.items():
        if j:
            model.row({time[i]: 1.0, time[j]: -1.0, x: count}, high=count - 1)
    upper = [row[i + 1 :] for i, row in enumerate(length[:-1])]
    return drafted("tour", question, best, model, length=upper)


def _held_karp(length: list[list[int]]) -> int:
    """Return the length of the shortest tour (dynamic program of Bellman, Held and Karp)."""
    count = len(length)
    best = {(frozenset([j]), j): length[0][j] for j in range(1, count)}
    for size in range(2, count):
        for places in map(frozenset, itertools.combinations(range(1, count), size)):
            for last in places:
                rest = places - {last}
                best[places, last] = min(best[rest, before] + length[before][last] for before in rest)
    everything = frozenset(range(1, count))
    return min(best[everything, last] + length[last][0] for last in everything)


def _nearest_neighbor_tour(length: list[list[int]]) -> int:
    here, left, total = 0, set(range(1, len(length))), 0
    while left:
        there = min(left, key=lambda place: length[here][place])
        total, here = total + length[here][there], there
        left.remove(there)
    return total + length[here][0]


ROUTES = (
    ("A truck drives", "dollars of tolls", "hours"),
    ("A message goes", "cents", "milliseconds"),
    ("A hiker walks", "dollars", "minutes"),
)


def shortest_path(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(5, 7)
    arcs = _arcs(rng, count, count + 3, lambda: [rng.randint(3, 40), rng.randint(3, 40)])
    paths = [(sum(a[2] for a in path), sum(a[3] for a in path)) for path in _paths(arcs, 0, count - 1)]
    if len(paths) < 3:
        return None
    fastest, cheapest = min(t for _, t in paths), min(paths)
    if rng.random() < 0.08:
        limit = fastest - rng.randint(1, 3)
    elif fastest + 1 < cheapest[1]:
        limit = rng.randint(fastest + 1, cheapest[1] - 1)
    else:
        return None
    best: AnswerKey = min((c for c, t in paths if t <= limit), default="infeasible")
    who, cost, unit = say.one_of(*ROUTES)
    question = say.text(
        f"{who} from {NAMES[0]} to {NAMES[count - 1]} in at most {limit} {unit}.",
        f"One-way connections, each with its {cost} and its {unit}: {_listed(arcs)}.",
        say.one_of(f"How many {cost} are needed at least?", f"What is the least number of {cost}?"),
    )
    model = LinearModel("minimize")
    used = [model.binary(arc[2]) for arc in arcs]
    for place in range(count - 1):
        out = {x: 1.0 for x, arc in zip(used, arcs, strict=True) if arc[0] == place}
        into = {x: -1.0 for x, arc in zip(used, arcs, strict=True) if arc[1] == place}
        model.row(out | into, low=int(place == 0), high=int(place == 0))
    model.row({x: arc[3] for x, arc in zip(used, arcs, strict=True)}, high=limit)
    return drafted("path", question, best, model, arcs=arcs, limit=limit)


def _paths(arcs: list[Arc], start: int, end: int) -> list[list[Arc]]:
    if start == end:
        return [[]]
    # Arcs only lead to higher numbers, so the recursion ends.
    return [[arc, *rest] for arc in arcs if arc[0] == start for rest in _paths(arcs, arc[1], end)]


def _arcs(rng: random.Random, count: int, number: int, weights: Callable[[], list[int]]) -> list[Arc]:
    pairs = {(rng.randrange(j), j) for j in range(1, count)} | {
        (i, rng.randint(i + 1, count - 1)) for i in range(count - 1)
    }
    rest = [pair for pair in itertools.combinations(range(count), 2) if pair not in pairs and pair != (0, count - 1)]
    more = rng.sample(rest, max(0, min(len(rest), number - len(pairs))))
    return [[i, j, *weights()] for i, j in sorted(pairs | set(more))]


def _listed(arcs: list[Arc]) -> str:
    return "; ".join(f"{NAMES[i]} to {NAMES[j]} {' and '.join(map(str, numbers))}" for i, j, *numbers in arcs)
