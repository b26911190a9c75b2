"""Several objectives: a weighted sum, a lexicographic order, or a limit on one of them."""

import itertools
import random

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer
from storm_calm.env.problems.families.wording import PEOPLE, Wording
from storm_calm.env.problems.stress.draft import Draft, apart, drafted
from storm_calm.env.problems.stress.methods import subsets

AIMS = (("A city", "projects", ("jobs", "hectares of green lost")), ("A fund", "ventures", ("patents", "risk points")))


def weighted_sum(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(5, 9)
    cost = [rng.randint(10, 60) for _ in range(count)]
    good = [rng.randint(5, 60) for _ in range(count)]
    bad = [rng.randint(1, 30) for _ in range(count)]
    budget = int(sum(cost) * rng.uniform(0.35, 0.65))
    first, second = rng.randint(2, 9), rng.randint(2, 15)
    score = [first * g - second * b for g, b in zip(good, bad, strict=True)]
    allowed = [taken for taken in subsets(range(count)) if sum(cost[i] for i in taken) <= budget]
    best = max(sum(score[i] for i in taken) for taken in allowed)
    unweighted = max(sum(good[i] - bad[i] for i in taken) for taken in allowed)
    chosen = max(allowed, key=lambda taken: sum(good[i] for i in taken))
    if best <= 0 or not apart(best, unweighted) or not apart(best, sum(score[i] for i in chosen)):
        return None
    who, things, (gain, harm) = say.one_of(*AIMS)
    lines = [
        f"Number {i + 1} costs {say.money(c)} and brings {g} {gain} and {b} {harm}."
        for i, (c, g, b) in enumerate(zip(cost, good, bad, strict=True))
    ]
    question = say.text(
        f"{who} chooses among {count} {things} with a budget of {say.money(budget)}, which need not be used up.",
        *lines,
        f"The score of a choice is {first} times its total {gain} minus {second} times its total {harm}.",
        say.one_of("What is the highest score?", "How high can the score be?"),
    )
    model = LinearModel("maximize")
    taken = [model.binary(v) for v in score]
    model.row(dict(zip(taken, cost, strict=True)), high=budget)
    weights = [first, second]
    return drafted("weighted", question, best, model, cost=cost, good=good, bad=bad, budget=budget, weights=weights)


CREWS = (("expedition", "people", "skill"), ("festival", "helpers", "job"), ("clinic", "nurses", "ward"))


def lexicographic(rng: random.Random, say: Wording) -> Draft | None:
    skills, count = rng.randint(4, 6), rng.randint(5, 8)
    can = [sorted(rng.sample(range(1, skills + 1), rng.randint(1, 3))) for _ in range(count)]
    pay = [rng.randint(10, 40) * len(row) + rng.randint(0, 40) for row in can]
    needed = set(range(1, skills + 1))
    teams = [team for team in subsets(range(count)) if {skill for i in team for skill in can[i]} == needed]
    if not teams and rng.random() < 0.9:
        return None
    costs = [(len(team), sum(pay[i] for i in team)) for team in teams]
    answer: AnswerKey = min(costs)[1] if costs else "infeasible"
    if costs and answer == min(cost for _, cost in costs):
        return None
    task, people, skill = say.one_of(*CREWS)
    names = say.some(PEOPLE, count)
    lines = [
        f"{name} costs {say.money(p)} and has {skill}{'s' * (len(row) > 1)} {say.listing(row)}."
        for name, p, row in zip(names, pay, can, strict=True)
    ]
    question = say.text(
        f"{'An' if task[0] in 'aeiou' else 'A'} {task} needs every one of {skill}s 1 to {skills} covered by at "
        f"least one of {count} {people}.",
        *lines,
        f"First of all as few {people} as possible are to be hired; among the ways to do that, the cheapest counts.",
        say.one_of("What does it cost?", "What is the cost of the best crew?"),
    )

    def confirm() -> AnswerKey:
        fewest = confirmed_answer(_cover([1.0] * count, can, skills, None))
        return "infeasible" if isinstance(fewest, str) else confirmed_answer(_cover(pay, can, skills, round(fewest)))

    return drafted("ordered", question, answer, confirm, skills=skills, pay=pay, can=can)


def _cover(costs: list[int] | list[float], can: list[list[int]], skills: int, size: int | None) -> LinearModel:
    model = LinearModel("minimize")
    taken = [model.binary(c) for c in costs]
    for skill in range(1, skills + 1):
        model.row({x: 1.0 for x, row in zip(taken, can, strict=True) if skill in row}, low=1.0)
    if size is not None:
        model.row(dict.fromkeys(taken, 1.0), high=size)
    return model


WAYS = (
    ("Shipment", "shipments", ("truck", "train", "barge"), "kg of CO2"),
    ("Batch", "batches", ("oven", "kiln", "furnace"), "kg of soot"),
)


def limited(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(3, 6)
    cost, dirt = ([[rng.randint(10, 90) for _ in range(3)] for _ in range(count)] for _ in range(2))
    above = rng.randint(5, 60)
    cleanest = sum(map(min, dirt))
    totals = [
        (sum(cost[i][w] for i, w in enumerate(ways)), sum(dirt[i][w] for i, w in enumerate(ways)))
        for ways in itertools.product(range(3), repeat=count)
    ]
    best = min(c for c, d in totals if 100 * d <= (100 + above) * cleanest)
    if best == sum(map(min, cost)) or best == min(c for c, d in totals if d == cleanest):
        return None
    thing, things, ways, unit = say.one_of(*WAYS)
    lines = [
        f"{thing} {i + 1} costs {say.amounts(cost[i])} and causes "
        f"{say.listing(dirt[i])} {unit}, by {say.listing(ways)} in this order."
        for i in range(count)
    ]
    question = say.text(
        f"Each of {count} {things} goes by {ways[0]}, {ways[1]} or {ways[2]}, whole.",
        *lines,
        f"Total {unit} must not exceed the smallest possible total by more than {above}%.",
        say.one_of("What is the minimum total cost?", "How cheaply can it be done?"),
    )

    def confirm() -> AnswerKey:
        lowest = confirmed_answer(_ways_model(dirt, None))
        assert isinstance(lowest, float)
        return confirmed_answer(_ways_model(cost, (dirt, (100 + above) * round(lowest) // 100)))

    return drafted("limited", question, best, confirm, cost=cost, dirt=dirt, above=above)


def _ways_model(costs: list[list[int]], limit: tuple[list[list[int]], int] | None) -> LinearModel:
    model = LinearModel("minimize")
    goes = [[model.binary(c) for c in row] for row in costs]
    for row in goes:
        model.row(dict.fromkeys(row, 1.0), low=1.0, high=1.0)
    if limit:
        bad, most = limit
        model.row({x: d for xs, ds in zip(goes, bad, strict=True) for x, d in zip(xs, ds, strict=True)}, high=most)
    return model
