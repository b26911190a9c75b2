"""Network design: fixed charges, Steiner trees, and spanning trees with bounded degrees."""

import itertools
import random
from collections.abc import Iterable, Sequence

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import Draft, apart, drafted
from storm_calm.env.problems.stress.methods import cheapest_flow, subsets

NAMES = "ABCDEFGHIJ"

Link = list[int]
"""Two points, from 0, and their distance or cost."""

PIPES = (
    ("A utility", "pipe", "water", "town"),
    ("A railway", "track", "freight trains", "terminal"),
    ("A grid operator", "line", "megawatts", "district"),
)


def fixed_charge(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(4, 5)
    needs = [0] + [rng.randint(5, 30) for _ in range(count - 1)]
    possible = [(i, j) for i in range(count) for j in range(1, count) if i != j]
    arcs = sorted({(rng.randrange(j), j) for j in range(1, count)} | set(rng.sample(possible, count)))[:9]
    total = sum(needs)
    build = [rng.randint(20, 300) for _ in arcs]
    cost = [rng.randint(1, 9) for _ in arcs]
    most = [max(5, int(total * rng.uniform(0.4, 1.3))) for _ in arcs]

    def flow(chosen: Iterable[int]) -> list[tuple[int, int]] | None:
        return cheapest_flow([(*arcs[a], most[a], cost[a]) for a in chosen], needs)

    best: AnswerKey = min(
        (
            sum(build[a] for a in chosen) + sum(c for c, _ in arc_flows)
            for chosen in subsets(range(len(arcs)))
            if (arc_flows := flow(chosen)) is not None
        ),
        default="infeasible",
    )
    if best == "infeasible":
        if rng.random() > 0.1:
            return None
    else:
        # Choosing the flow without the cost of building must not be optimal.
        unplanned = flow(range(len(arcs)))
        assert unplanned is not None
        if not apart(best, sum(c + build[a] * (units > 0) for a, (c, units) in enumerate(unplanned))):
            return None
    owner, link, goods, place = say.one_of(*PIPES)
    line = say.one_of(
        "{0} to {1}: {2} to build, {3} per unit, at most {4} units.",
        "From {0} to {1} building costs {2}, each unit sent {3}, and {4} units fit.",
    )
    lines = [
        line.format(NAMES[i], NAMES[j], say.money(f), say.money(c), m)
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
    model = LinearModel("minimize")
    sent = [model.variable(c) for c in cost]
    for x, top, fixed in zip(sent, most, build, strict=True):
        model.row({x: 1.0, model.binary(fixed): -top}, high=0.0)
    for node, need in enumerate(needs[1:], start=1):
        into = {x: 1.0 for x, (_, j) in zip(sent, arcs, strict=True) if j == node}
        out = {x: -1.0 for x, (i, _) in zip(sent, arcs, strict=True) if i == node}
        model.row(into | out, low=need, high=need)
    numbers = {"needs": needs[1:], "arcs": [list(arc) for arc in arcs], "build": build, "cost": cost, "most": most}
    return drafted("fixed_charge", question, best, model, **numbers)


SITES = (
    ("cable", "sites", "km"),
    ("path", "cabins", "meters"),
    ("fiber", "offices", "km"),
    ("ditch", "fields", "meters"),
)


def steiner_tree(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(6, 8)
    links = _links(rng, count, rng.randint(3, 5))
    goals = sorted(rng.sample(range(count), rng.choice((3, 3, 4))))
    best = min(
        total
        for more in subsets(set(range(count)) - set(goals))
        if (total := _spanning(links, {*goals, *more})) is not None
    )
    if best in (_spanning(links, set(range(count))), _spanning(links, set(goals))):
        return None
    thing, sites, unit = say.one_of(*SITES)
    question = say.text(
        f"Points {', '.join(NAMES[:count])} can be joined by {thing}s along these stretches, lengths in {unit}: "
        f"{_listed(links)}.",
        f"Points {say.listing([NAMES[g] for g in goals])} are {sites} and must be connected with each other, "
        "directly or through any other points.",
        say.one_of(
            f"What is the shortest total length of {thing} that does it?",
            f"How many {unit} of {thing} are needed at least?",
        ),
    )

    # One unit flows from the first goal to each other goal over built links.
    model = LinearModel("minimize")
    built = [model.binary(length) for *_, length in links]
    for goal in goals[1:]:
        _add_flow(model, links, built, goals[0], {goal: 1.0}, width=1.0)
    return drafted("steiner", question, best, model, links=links, goals=goals)


def _spanning(links: list[Link], points: set[int]) -> int | None:
    """Return the length of the shortest tree over exactly these points (Kruskal); None if they are not connected."""
    group = {point: point for point in points}
    total = 0
    for i, j, length in sorted(links, key=lambda link: link[2]):
        if i in points and j in points and group[i] != group[j]:
            total += length
            old, new = group[i], group[j]
            group = {point: new if mark == old else mark for point, mark in group.items()}
    return total if len(set(group.values())) == 1 else None


def _add_flow(
    model: LinearModel, links: list[Link], built: list[int], root: int, needs: dict[int, float], width: float
) -> None:
    """Add a flow from `root` that brings each point its needs, over built links of capacity `width`."""
    net: dict[int, dict[int, float]] = {point: {} for i, j, _ in links for point in (i, j)}
    for (i, j, _), on in zip(links, built, strict=True):
        for start, end in ((i, j), (j, i)):
            flow = model.variable()
            model.row({flow: 1.0, on: -width}, high=0.0)
            net[start][flow] = -1.0
            net[end][flow] = 1.0
    for point, flows in net.items():
        if point != root:
            model.row(flows, low=needs.get(point, 0.0), high=needs.get(point, 0.0))


def bounded_degrees(rng: random.Random, say: Wording) -> Draft | None:
    count, most = rng.randint(5, 6), 2 if rng.random() < 0.4 else 3
    links = _links(rng, count, rng.randint(4, 5), hub=True)
    trees = [tree for tree in itertools.combinations(links, count - 1) if _spanning(list(tree), set(range(count)))]
    allowed = [sum(link[2] for link in tree) for tree in trees if _busiest(tree) <= most]
    if not allowed and rng.random() < 0.9:
        return None
    best: AnswerKey = min(allowed, default="infeasible")
    if best == _spanning(links, set(range(count))):
        return None
    thing, _, unit = say.one_of(*SITES)
    question = say.text(
        f"{count} points {say.listing(NAMES[:count])} must all be connected by {thing}s.",
        f"Possible are these stretches, lengths in {unit}: {_listed(links)}.",
        f"At no point may more than {most} {thing}s end.",
        say.one_of(f"What is the minimum total length of {thing}?", "What is the least total length?"),
    )
    model = LinearModel("minimize")
    built = [model.binary(length) for *_, length in links]
    for point in range(count):
        model.row({on: 1.0 for on, (i, j, _) in zip(built, links, strict=True) if point in (i, j)}, high=most)
    _add_flow(model, links, built, 0, dict.fromkeys(range(1, count), 1.0), width=count - 1)
    return drafted("degrees", question, best, model, links=links, most=most)


def _busiest(tree: Sequence[Link]) -> int:
    ends = [end for i, j, _ in tree for end in (i, j)]
    return max(map(ends.count, ends))


def _links(rng: random.Random, count: int, more: int, *, hub: bool = False) -> list[Link]:
    """Draw a tree over `count` points and `more` links; with a hub, point 0 has short links to all."""
    pairs = {(0, j) if hub else (rng.randrange(j), j) for j in range(1, count)}
    rest = [pair for pair in itertools.combinations(range(count), 2) if pair not in pairs]
    chosen = sorted(pairs | set(rng.sample(rest, min(more, len(rest)))))
    return [[i, j, rng.randint(5, 20) if hub and i == 0 else rng.randint(11, 60)] for i, j in chosen]


def _listed(links: list[Link]) -> str:
    """List the links as "A-B 12, A-C 7"."""
    return ", ".join(f"{NAMES[i]}-{NAMES[j]} {length}" for i, j, length in links)
