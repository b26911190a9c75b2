"""Choices of vertices: cheapest covers, best independent sets, fewest colors."""

import itertools
import random

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import Draft, apart, drafted
from storm_calm.env.problems.stress.methods import subsets

Edge = list[int]
"""Two vertices, from 1."""

COVERS = (
    ("A guard at a crossing watches all roads there", "crossing", "road"),
    ("A relay at a site checks all links there", "site", "link"),
)
CONFLICTS = (("events", "clash"), ("ads", "compete"), ("fields", "touch"), ("experiments", "disturb each other"))


def chosen_vertices(rng: random.Random, say: Wording) -> Draft | None:
    """Draw a vertex cover of least cost or an independent set of greatest worth."""
    count = rng.randint(6, 10)
    edges = _edges(rng, count, count + rng.randint(0, 5))
    weight = [rng.randint(10, 60) for _ in range(count)]
    cover = rng.random() < 0.5
    independent = max(
        sum(weight[i - 1] for i in chosen)
        for chosen in subsets(range(1, count + 1))
        if not any(i in chosen and j in chosen for i, j in edges)
    )
    best = sum(weight) - independent if cover else independent
    if not apart(best, _greedy(edges, weight, cover=cover)):
        return None
    listed = ", ".join(f"{i}-{j}" for i, j in edges)
    if cover:
        opening, place, road = say.one_of(*COVERS)
        question = say.text(
            f"{opening}.",
            f"At {place}s 1 to {count} it would cost {say.listing(weight)} dollars in this order.",
            f"The {road}s join these {place}s: {listed}.",
            f"Every {road} must be covered from at least one of its two ends.",
            say.one_of("What is the minimum total cost?", "How cheaply can that be done?"),
        )
    else:
        things, clash = say.one_of(*CONFLICTS)
        question = say.text(
            f"Of {count} {things}, worth {say.listing(weight)} in this order, any number may be chosen.",
            f"These pairs {clash} and must not be chosen together: {listed}.",
            say.one_of("What is the greatest total worth?", "Maximize the total worth. What is it?"),
        )

    model = LinearModel("minimize" if cover else "maximize")
    taken = [model.binary(w) for w in weight]
    for i, j in edges:
        model.row({taken[i - 1]: 1.0, taken[j - 1]: 1.0}, **({"low": 1.0} if cover else {"high": 1.0}))
    return drafted("cover" if cover else "independent", question, best, model, weight=weight, edges=edges)


def _greedy(edges: list[Edge], weight: list[int], *, cover: bool) -> int:
    """Return the value of choosing vertices greedily, the heaviest first."""
    chosen: list[int] = []
    for vertex in sorted(range(1, len(weight) + 1), key=lambda v: -weight[v - 1]):
        if not any(vertex in edge and set(edge) & set(chosen) for edge in edges):
            chosen.append(vertex)
    taken = sum(weight[v - 1] for v in chosen)
    return sum(weight) - taken if cover else taken


CLASHES = (
    ("exams", "share students", "slots"),
    ("chemicals", "must not be stored together", "rooms"),
    ("radio stations", "disturb each other on one frequency", "frequencies"),
    ("animals", "cannot live in one pen", "pens"),
)


def coloring(rng: random.Random, say: Wording) -> Draft | None:
    """Draw a graph to color with the fewest colors, each at the same price."""
    count = rng.randint(6, 9)
    edges = _edges(rng, count, rng.randint(count, 2 * count))
    price = rng.randint(12, 95)
    fewest = next(colors for colors in range(1, count + 1) if _colorable(edges, count, colors))
    clique = max(
        len(group)
        for group in subsets(range(1, count + 1))
        if all(list(pair) in edges for pair in itertools.combinations(group, 2))
    )
    if fewest < 3 or (fewest == clique and rng.random() < 0.7):
        return None
    things, clash, groups = say.one_of(*CLASHES)
    question = say.text(
        f"{count} {things} are put into {groups}, any number in each.",
        f"These pairs {clash}, so they need different {groups}: {', '.join(f'{i}-{j}' for i, j in edges)}.",
        f"Each of the {groups} that is used costs {say.money(price)}.",
        say.one_of("What is the minimum total cost?", f"What do the fewest {groups} that suffice cost?"),
    )
    model = LinearModel("minimize")
    used = [model.binary(price) for _ in range(fewest + 1)]
    on = [[model.binary() for _ in used] for _ in range(count)]
    for row in on:
        model.row(dict.fromkeys(row, 1.0), low=1.0, high=1.0)
    for c, open_ in enumerate(used):
        for i, j in edges:
            model.row({on[i - 1][c]: 1.0, on[j - 1][c]: 1.0, open_: -1.0}, high=0.0)
        for row in on:
            model.row({row[c]: 1.0, open_: -1.0}, high=0.0)
    return drafted("coloring", question, fewest * price, model, count=count, edges=edges, price=price)


def _colorable(edges: list[Edge], count: int, colors: int) -> bool:
    """Try all colorings by backtracking."""

    def fits(chosen: list[int]) -> bool:
        vertex = len(chosen) + 1
        if vertex > count:
            return True
        near = {chosen[i - 1] for i, j in edges if j == vertex}
        return any(fits([*chosen, color]) for color in range(min(colors, len(set(chosen)) + 1)) if color not in near)

    return fits([])


def _edges(rng: random.Random, count: int, number: int) -> list[Edge]:
    pairs = list(itertools.combinations(range(1, count + 1), 2))
    return [list(pair) for pair in sorted(rng.sample(pairs, min(number, len(pairs))))]
