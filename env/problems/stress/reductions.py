"""Puzzles that reduce to a known problem: a cut, a matching, a flow, a chain, a shortest walk."""

import itertools
import math
import random
from collections.abc import Sequence

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import Draft, drafted
from storm_calm.env.problems.stress.exact import exact_optimum
from storm_calm.env.problems.stress.methods import largest_flow, subsets
from storm_calm.env.problems.stress.networks import NAMES

VENUES = (
    ("A hall", "bookings", "hall"),
    ("A telescope site", "requests", "telescope"),
    ("A studio", "sessions", "room"),
)


def bookings(rng: random.Random, say: Wording) -> Draft | None:
    count, rooms = rng.randint(6, 10), rng.choice((1, 1, 2))
    start = [rng.randint(1, 20) for _ in range(count)]
    spans = [[s, s + rng.randint(2, 9)] for s in start]
    fee = [rng.randint(10, 90) for _ in range(count)]

    def fit(chosen: Sequence[int]) -> bool:
        return all(sum(spans[i][0] <= t < spans[i][1] for i in chosen) <= rooms for t in range(1, 30))

    best = max(sum(fee[i] for i in chosen) for chosen in subsets(range(count)) if fit(chosen))
    greedy: list[int] = []
    for i in sorted(range(count), key=lambda i: -fee[i]):
        if fit([*greedy, i]):
            greedy.append(i)
    if best == sum(fee[i] for i in greedy):
        return None
    place, things, room = say.one_of(*VENUES)
    lines = [
        f"Number {i + 1}: hour {a} to hour {b}, pays {say.money(p)}."
        for i, ((a, b), p) in enumerate(zip(spans, fee, strict=True))
    ]
    question = say.text(
        f"{place} has {rooms} {room}{'s' * (rooms > 1)} and {count} {things}; each is accepted whole or refused.",
        *lines,
        f"A {room} serves one at a time; the next may begin in the hour in which the last one ends.",
        say.one_of("What is the greatest possible income?", "How much can be earned at most?"),
    )

    # An interval matrix is totally unimodular, so continuous variables are enough.
    model = LinearModel("maximize")
    taken = [model.variable(p, upper=1) for p in fee]
    for t in range(1, 30):
        if on := {x: 1.0 for x, (a, b) in zip(taken, spans, strict=True) if a <= t < b}:
            model.row(on, high=rooms)
    return drafted("bookings", question, best, model, rooms=rooms, spans=spans, fee=fee)


DIGS = (
    ("A mine digs out blocks", "block", "dug"),
    ("A firm buys modules", "module", "bought"),
    ("A spacecraft carries instruments", "instrument", "carried"),
)


def closure(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(6, 10)
    worth = [rng.choice((-1, 1)) * rng.randint(5, 60) for _ in range(count)]
    needs = sorted([i, j] for i in range(1, count + 1) for j in range(1, i) if rng.random() < 0.3)
    best = max(
        sum(worth[i - 1] for i in chosen)
        for chosen in subsets(range(1, count + 1))
        if all(j in chosen for i, j in needs if i in chosen)
    )
    gains = sum(value for value in worth if value > 0)
    if best <= 0 or best == gains:
        return None
    opening, thing, done = say.one_of(*DIGS)
    question = say.text(
        f"{opening}, numbers 1 to {count}, as many or as few as it likes.",
        f"In this order they are worth {say.listing(worth)} thousand dollars, net of costs.",
        f"Some need others: {', '.join(f'{i} needs {j}' for i, j in needs)}; a {thing} is {done} only if all it "
        "needs are.",
        say.one_of(
            "What is the greatest total worth in thousands of dollars?",
            "How many thousand dollars can be reached at most?",
        ),
    )

    def confirm() -> AnswerKey:
        arcs = [(0, i, v) if v > 0 else (i, 99, -v) for i, v in enumerate(worth, start=1)]
        return gains - largest_flow(arcs + [(i, j, 10**6) for i, j in needs], 0, 99)

    return drafted("closure", question, best, confirm, worth=worth, needs=needs)


WALKS = (("A cab drives", "town"), ("A game piece moves", "square"), ("A freighter sails", "port"))


def cheapest_walk(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(4, 6)
    pairs = {(i, (i + 1) % count) for i in range(count)}
    rest = [pair for pair in itertools.permutations(range(count), 2) if pair not in pairs]
    roads = [[i, j, rng.randint(-9, 25)] for i, j in sorted(pairs | set(rng.sample(rest, count)))]
    best = _cheapest_walk(roads, count)
    if not any(cost < 0 for *_, cost in roads) or (best == "unbounded" and rng.random() < 0.5):
        return None
    who, place = say.one_of(*WALKS)
    question = say.text(
        f"{who} from {NAMES[0]} to {NAMES[count - 1]} over one-way connections, and may use each of them any "
        "number of times.",
        f"Using one costs, in dollars, or pays where the figure is negative: "
        f"{'; '.join(f'{NAMES[i]} to {NAMES[j]} {c}' for i, j, c in roads)}.",
        f"Each use counts, and a {place} may be visited again and again, {NAMES[count - 1]} too.",
        say.one_of("What is the minimum total cost?", "How low can the total cost be?"),
    )

    def confirm() -> AnswerKey:
        model = LinearModel("minimize")
        used = [model.variable(c) for *_, c in roads]
        for place in range(count):
            out = {x: 1.0 for x, (i, _, _) in zip(used, roads, strict=True) if i == place}
            into = {x: -1.0 for x, (_, j, _) in zip(used, roads, strict=True) if j == place}
            net = int(place == 0) - int(place == count - 1)
            model.row(out | into, low=net, high=net)
        found = exact_optimum(model)  # Solvers often cannot distinguish unbounded from infeasible.
        return found if isinstance(found, str) else float(found)

    return drafted("walk", question, best, confirm, roads=roads)


def _cheapest_walk(roads: list[list[int]], count: int) -> AnswerKey:
    """Run Bellman-Ford. A round trip visits all places, so any negative cycle makes the problem unbounded."""
    best = [0.0] + [math.inf] * (count - 1)
    for _ in range(count - 1):
        for i, j, cost in roads:
            best[j] = min(best[j], best[i] + cost)
    if any(best[i] + cost < best[j] for i, j, cost in roads):
        return "unbounded"
    return best[count - 1]
