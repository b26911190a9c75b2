"""Networks to build: pipes with fixed charges, trees that connect some points, trees with few cables at a point."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import Draft, apart, draw_variant

NAMES = "ABCDEFGHIJ"

Link = list[int]
"""Two points, from 0, and the length or cost between them."""


def network_design(rng: random.Random) -> Draft:
    """What to build at least cost."""
    return draw_variant(rng, _fixed_charge, _steiner, _degrees)


PIPES = (
    ("A utility", "pipe", "water", "town"),
    ("A railway", "track", "freight trains", "terminal"),
    ("A grid operator", "line", "megawatts", "district"),
)


def _fixed_charge(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    count = rng.randint(4, 5)
    needs = [0] + [rng.randint(5, 30) for _ in range(count - 1)]
    possible = [(i, j) for i in range(count) for j in range(1, count) if i != j]
    arcs = sorted({(rng.randrange(j), j) for j in range(1, count)} | set(rng.sample(possible, count)))[:9]
    total = sum(needs)
    build = [rng.randint(20, 300) for _ in arcs]
    cost = [rng.randint(1, 9) for _ in arcs]
    most = [max(5, int(total * rng.uniform(0.4, 1.3))) for _ in arcs]
    best = _cheapest_set(arcs, build, cost, most, needs)
    if best == "infeasible":
        if rng.random() > 0.1:
            return None
    elif not apart(best, _charged_later(arcs, build, cost, most, needs)):
        return None
    owner, link, goods, place = say.one_of(*PIPES)
    style = rng.randrange(2)
    lines = [
        (
            f"{NAMES[i]} to {NAMES[j]}: {say.money(f)} to build, {say.money(c)} per unit, at most {m} units.",
            f"From {NAMES[i]} to {NAMES[j]} building costs {say.money(f)}, each unit sent {say.money(c)}, and {m} "
            "units fit.",
        )[style]
        for (i, j), f, c, m in zip(arcs, build, cost, most, strict=True)
    ]
    wanted = say.listing([f"{NAMES[i]} {need}" for i, need in enumerate(needs) if need])
    question = say.text(
        f"{owner} sends {goods} from {NAMES[0]}, where there is plenty, to {place}s.",
        f"The {place}s need these numbers of units: {wanted}.",
        f"Each {link} leads one way and may be built or not:",
        *lines,
        f"What arrives at a {place} and is not needed there may be sent on.",
        say.one_of("What is the minimum total cost of building and sending?", "How cheaply can all needs be met?"),
    )
    data = {"variant": "fixed_charge", "needs": needs[1:], "arcs": [list(a) for a in arcs], "build": build}
    data = {**data, "cost": cost, "most": most}
    return Draft(
        question=question, data=data, answer=best, confirm=lambda: _fixed_charge_model(arcs, build, cost, most, needs)
    )


Arcs = Sequence[tuple[int, int]]


def _cheapest_set(arcs: Arcs, build: list[int], cost: list[int], most: list[int], needs: list[int]) -> AnswerKey:
    """Every set of arcs, and the cheapest flow in it."""
    best: int | None = None
    for size in range(len(arcs) + 1):
        for chosen in itertools.combinations(range(len(arcs)), size):
            fixed = sum(build[a] for a in chosen)
            if best is None or fixed < best:
                flow = _flow(arcs, cost, most, needs, chosen)
                if flow is not None and (best is None or fixed + sum(c for c, _ in flow) < best):
                    best = fixed + sum(c for c, _ in flow)
    return "infeasible" if best is None else float(best)


def _charged_later(arcs: Arcs, build: list[int], cost: list[int], most: list[int], needs: list[int]) -> float:
    """What it costs to choose the flow without looking at what has to be built."""
    flow = _flow(arcs, cost, most, needs, range(len(arcs)))
    assert flow is not None
    return float(sum(spent + build[a] * (units > 0) for a, (spent, units) in enumerate(flow)))


def _flow(
    arcs: Arcs, cost: list[int], most: list[int], needs: list[int], chosen: Iterable[int]
) -> list[tuple[int, int]] | None:
    """Cost and units on each chosen arc of a cheapest flow; None where the needs cannot be met."""
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    network = SimpleMinCostFlow()
    places = [network.add_arc_with_capacity_and_unit_cost(*arcs[a], most[a], cost[a]) for a in chosen]
    for node, need in enumerate(needs):
        network.set_node_supply(node, -need)
    network.set_node_supply(0, sum(needs))
    if network.solve() != network.OPTIMAL:
        return None
    return [(network.flow(place) * network.unit_cost(place), network.flow(place)) for place in places]


def _fixed_charge_model(arcs: Arcs, build: list[int], cost: list[int], most: list[int], needs: list[int]) -> AnswerKey:
    model = LinearModel("minimize")
    sent = [model.variable(c) for c in cost]
    for a, (top, fixed) in enumerate(zip(most, build, strict=True)):
        model.row({sent[a]: 1.0, model.variable(fixed, upper=1, integer=True): -float(top)}, high=0.0)
    for node, need in enumerate(needs[1:], start=1):
        into = {sent[a]: 1.0 for a, (_, j) in enumerate(arcs) if j == node}
        model.row(into | {sent[a]: -1.0 for a, (i, _) in enumerate(arcs) if i == node}, low=need, high=need)
    return confirmed_answer(model)


SITES = (
    ("cable", "sites", "km"),
    ("path", "cabins", "meters"),
    ("fiber", "offices", "km"),
    ("ditch", "fields", "meters"),
)


def _steiner(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    count = rng.randint(6, 8)
    links = draw_links(rng, count, rng.randint(3, 5))
    goals = sorted(rng.sample(range(count), rng.choice((3, 3, 4))))
    best = min(
        total
        for size in range(count - len(goals) + 1)
        for more in itertools.combinations(sorted(set(range(count)) - set(goals)), size)
        if (total := _spanning(links, {*goals, *more})) is not None
    )
    whole = _spanning(links, set(range(count)))
    alone = _spanning(links, set(goals))
    if whole == best or alone == best:
        return None
    thing, sites, unit = say.one_of(*SITES)
    question = say.text(
        f"Points {', '.join(NAMES[:count])} can be joined by {thing}s along these stretches, lengths in {unit}: "
        f"{told_links(links)}.",
        f"Points {say.listing([NAMES[g] for g in goals])} are {sites} and must be connected with each other, "
        "directly or through any other points.",
        say.one_of(
            f"What is the shortest total length of {thing} that does it?",
            f"How many {unit} of {thing} are needed at least?",
        ),
    )
    data = {"variant": "steiner", "links": links, "goals": goals}
    return Draft(question=question, data=data, answer=best, confirm=lambda: _steiner_model(links, goals, count))


def _spanning(links: list[Link], points: set[int]) -> int | None:
    """Length of the shortest tree over these points and no others, by Kruskal; None where they hang together not."""
    group = {point: point for point in points}
    total = 0
    for i, j, length in sorted(links, key=lambda link: link[2]):
        if i in points and j in points and group[i] != group[j]:
            total += length
            old, new = group[i], group[j]
            group = {point: new if mark == old else mark for point, mark in group.items()}
    return total if len(set(group.values())) == 1 else None


def _steiner_model(links: list[Link], goals: list[int], count: int) -> AnswerKey:
    """One unit flows from the first goal to each other one, over links that are built."""
    model = LinearModel("minimize")
    built = [model.variable(length, upper=1, integer=True) for *_, length in links]
    for goal in goals[1:]:
        _unit_flow(model, links, built, goals[0], {goal: 1.0}, count, width=1.0)
    return confirmed_answer(model)


def _unit_flow(
    model: LinearModel,
    links: list[Link],
    built: list[int],
    root: int,
    needs: dict[int, float],
    count: int,
    width: float,
) -> None:
    out: list[dict[int, float]] = [{} for _ in range(count)]
    for (i, j, _), on in zip(links, built, strict=True):
        for start, end in ((i, j), (j, i)):
            flow = model.variable()
            model.row({flow: 1.0, on: -width}, high=0.0)
            out[start][flow] = -1.0
            out[end][flow] = 1.0
    for point in range(count):
        if point != root:
            model.row(out[point], low=needs.get(point, 0.0), high=needs.get(point, 0.0))


def _degrees(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    count, most = rng.randint(5, 6), 2 if rng.random() < 0.4 else 3
    links = draw_links(rng, count, rng.randint(4, 5), hub=True)
    trees = [tree for tree in itertools.combinations(links, count - 1) if _spanning(list(tree), set(range(count)))]
    allowed = [sum(link[2] for link in tree) for tree in trees if _busiest(tree) <= most]
    if not allowed and rng.random() < 0.9:
        return None
    best: AnswerKey = min(allowed) if allowed else "infeasible"
    if best == _spanning(links, set(range(count))):
        return None
    thing, _, unit = say.one_of(*SITES)
    question = say.text(
        f"{count} points {say.listing(NAMES[:count])} must all be connected by {thing}s.",
        f"Possible are these stretches, lengths in {unit}: {told_links(links)}.",
        f"At no point may more than {most} {thing}s end.",
        say.one_of(f"What is the minimum total length of {thing}?", "What is the least total length?"),
    )
    data = {"variant": "degrees", "links": links, "most": most}
    return Draft(question=question, data=data, answer=best, confirm=lambda: _degrees_model(links, count, most))


def _busiest(tree: Sequence[Link]) -> int:
    ends = [end for i, j, _ in tree for end in (i, j)]
    return max(map(ends.count, ends))


def _degrees_model(links: list[Link], count: int, most: int) -> AnswerKey:
    model = LinearModel("minimize")
    built = [model.variable(length, upper=1, integer=True) for *_, length in links]
    for point in range(count):
        model.row({on: 1.0 for on, (i, j, _) in zip(built, links, strict=True) if point in (i, j)}, high=most)
    _unit_flow(model, links, built, 0, dict.fromkeys(range(1, count), 1.0), count, width=count - 1.0)
    return confirmed_answer(model)


def draw_links(rng: random.Random, count: int, more: int, *, hub: bool = False) -> list[Link]:
    """Links that connect `count` points, and `more` besides; with a hub, point 0 has the shortest links to all."""
    pairs = {(0, j) if hub else (rng.randrange(j), j) for j in range(1, count)}
    rest = [pair for pair in itertools.combinations(range(count), 2) if pair not in pairs]
    chosen = sorted(pairs | set(rng.sample(rest, min(more, len(rest)))))
    return [[i, j, rng.randint(5, 20) if hub and i == 0 else rng.randint(11, 60)] for i, j in chosen]


def told_links(links: list[Link]) -> str:
    """The links in words: "A-B 12, A-C 7"."""
    return ", ".join(f"{NAMES[i]}-{NAMES[j]} {length}" for i, j, length in links)
