"""Plans that hold in the worst case: of a few deviations, of ranges, and of scenarios."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, draw_variant
from storm_calm.env.problems.stress.exact import exact_optimum


def robust(rng: random.Random) -> Draft:
    """The best plan whose worst case is allowed, or the plan with the best worst case."""
    return draw_variant(rng, _deviations, _ranges, _scenarios)


LOADS = (("crane lifts", "crates", "kg"), ("plane carries", "containers", "tons"), ("server holds", "files", "GB"))


def _deviations(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    count = rng.randint(5, 9)
    worth = [rng.randint(11, 70) for _ in range(count)]
    weight = [rng.randint(10, 50) for _ in range(count)]
    more = [rng.randint(1, w // 2) for w in weight]
    limit = int(sum(weight) * rng.uniform(0.45, 0.75))
    budget = rng.randint(1, min(3, count - 2))
    best, nominal, boxed = (_best_load(worth, weight, more, limit, size) for size in (budget, 0, count))
    if not apart(best, nominal) or not apart(best, boxed):
        return None
    carrier, things, unit = say.one_of(*LOADS)
    style = rng.randrange(2)
    lines = [
        (
            f"Number {i + 1}: value {v}, weight {w} {unit}, up to {d} {unit} more.",
            f"Number {i + 1} is worth {v} and weighs {w} {unit}, in a bad case {d} {unit} more.",
        )[style]
        for i, (v, w, d) in enumerate(zip(worth, weight, more, strict=True))
    ]
    question = say.text(
        f"A {carrier} at most {limit} {unit}; there are {count} {things}, each taken whole or not at all.",
        *lines,
        f"It is known that at most {budget} of the {things} weigh more than stated, each by no more than its figure, "
        "but not which.",
        say.one_of(
            "The load must be within the limit in every such case. What is the greatest total value?",
            "Choose a load that is allowed whatever happens. What is its greatest total value?",
        ),
    )
    data = {"variant": "deviations", "worth": worth, "weight": weight, "more": more, "limit": limit, "budget": budget}
    return Draft(
        question=question,
        data=data,
        answer=best,
        confirm=lambda: _counterpart(worth, weight, more, limit, budget),
    )


def _best_load(worth: list[int], weight: list[int], more: list[int], limit: int, budget: int) -> int:
    """Every load, at its worst."""
    best = 0
    for choice in itertools.product((0, 1), repeat=len(worth)):
        taken = [i for i, on in enumerate(choice) if on]
        worst = sum(weight[i] for i in taken) + sum(sorted((more[i] for i in taken), reverse=True)[:budget])
        if worst <= limit:
            best = max(best, sum(worth[i] for i in taken))
    return best


def _counterpart(worth: list[int], weight: list[int], more: list[int], limit: int, budget: int) -> AnswerKey:
    """The robust counterpart of Bertsimas and Sim (The Price of Robustness, 2004, theorem 1)."""
    model = LinearModel("maximize")
    taken = [model.variable(v, upper=1, integer=True) for v in worth]
    price = model.variable()
    extra = [model.variable() for _ in worth]
    for on, over, d in zip(taken, extra, more, strict=True):
        model.row({price: 1.0, over: 1.0, on: -float(d)}, low=0.0)
    load = {on: float(w) for on, w in zip(taken, weight, strict=True)}
    model.row({**load, **dict.fromkeys(extra, 1.0), price: float(budget)}, high=limit)
    return confirmed_answer(model)


CROPS = (
    ("A farm grows", ("wheat", "corn", "beans"), "hectare", ("days of work", "tons of water")),
    ("A plant makes", ("paint", "varnish", "glue"), "batch", ("hours of mixing", "drums of solvent")),
    ("A studio sells", ("portraits", "albums", "posters"), "lot", ("hours of labor", "rolls of paper")),
)


def _ranges(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    opening, crops, unit, resources = say.one_of(*CROPS)
    count = rng.randint(2, 3)
    gain = [rng.randint(30, 90) for _ in range(count)]
    drop = [rng.randint(1, g // 3) for g in gain]
    use = [[rng.randint(4, 15) for _ in range(count)] for _ in resources]
    over = [[rng.randint(1, 4) for _ in range(count)] for _ in resources]
    limit = [rng.randint(80, 300) for _ in resources]
    worst = LinearModel("maximize")
    columns = [worst.variable(g - d) for g, d in zip(gain, drop, strict=True)]
    stated = LinearModel("maximize")
    for g in gain:
        stated.variable(g)
    for row, extra, top in zip(use, over, limit, strict=True):
        worst.row({x: float(u + o) for x, u, o in zip(columns, row, extra, strict=True)}, high=top)
        stated.row({x: float(u) for x, u in zip(columns, row, strict=True)}, high=top)
    best, optimistic = exact_optimum(worst), exact_optimum(stated)
    if not apart(best, optimistic):
        return None
    lines = [
        f"A {unit} of {name} earns {say.money(gain[i])}, perhaps up to {say.money(drop[i])} less, and needs "
        + say.listing(
            [f"{use[r][i]} {resource} (perhaps up to {over[r][i]} more)" for r, resource in enumerate(resources)]
        )
        + "."
        for i, name in enumerate(crops[:count])
    ]
    question = say.text(
        f"{opening} {say.listing(crops[:count])}.",
        *lines,
        f"There are {say.listing([f'{top} {resource}' for top, resource in zip(limit, resources, strict=True)])}.",
        "The plan is made before the true figures are known, and the resources must suffice whatever they turn "
        "out to be.",
        say.one_of(
            "Fractions are allowed. What is the largest profit that can be guaranteed?",
            "Amounts may be fractional. What profit is certain under the best plan?",
        ),
        say.one_of(*PRECISELY),
    )
    data = {"variant": "ranges", "gain": gain, "drop": drop, "use": use, "over": over, "limit": limit}
    return Draft(
        question=question,
        data=data,
        answer=best,
        confirm=lambda: _every_corner(gain, drop, use, over, limit),
    )


def _every_corner(
    gain: list[int], drop: list[int], use: list[list[int]], over: list[list[int]], limit: list[int]
) -> AnswerKey:
    """The same with a row for every corner of the ranges, and the profit as a variable below all its cases."""
    model = LinearModel("maximize")
    sure = model.variable(1.0)
    amounts = [model.variable() for _ in gain]
    for corner in itertools.product((0, 1), repeat=len(gain)):
        earned = {x: -float(g - on * d) for x, g, d, on in zip(amounts, gain, drop, corner, strict=True)}
        model.row({sure: 1.0, **earned}, high=0.0)
        for row, extra, top in zip(use, over, limit, strict=True):
            model.row({x: float(u + on * o) for x, u, o, on in zip(amounts, row, extra, corner, strict=True)}, high=top)
    return confirmed_answer(model)


TEAMS = (("projects", "market"), ("suppliers", "season"), ("drivers", "weather"), ("bids", "economy"))


def _scenarios(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    count, cases = rng.randint(5, 9), rng.randint(2, 4)
    wanted = rng.randint(2, count - 2)
    cost = [[rng.randint(10, 90) for _ in range(cases)] for _ in range(count)]

    def worst(chosen: tuple[int, ...]) -> int:
        return max(sum(cost[i][s] for i in chosen) for s in range(cases))

    best = min(map(worst, itertools.combinations(range(count), wanted)))
    by_mean = tuple(sorted(range(count), key=lambda i: sum(cost[i]))[:wanted])
    by_peak = tuple(sorted(range(count), key=lambda i: max(cost[i]))[:wanted])
    mean = Fraction(sum(sum(cost[i]) for i in by_mean), cases)
    if not all(apart(best, value) for value in (worst(by_mean), worst(by_peak), mean)):
        return None
    things, cause = say.one_of(*TEAMS)
    lines = [
        f"{things[:-1].capitalize()} {i + 1}: {say.listing([say.money(c) for c in row])}." for i, row in enumerate(cost)
    ]
    question = say.text(
        f"Exactly {wanted} of {count} {things} must be chosen now.",
        f"What each will cost depends on the {cause}, which has {cases} possible states; the figures follow their "
        "order.",
        *lines,
        say.one_of(
            "The state is the same for all. How low can the total cost be kept in the state that is worst for it?",
            f"One state comes about for all {things} alike. What is the least total cost that can be guaranteed?",
        ),
    )

    def confirm() -> AnswerKey:
        model = LinearModel("minimize")
        total = model.variable(1.0)
        taken = [model.variable(upper=1, integer=True) for _ in cost]
        model.row(dict.fromkeys(taken, 1.0), low=wanted, high=wanted)
        for s in range(cases):
            model.row({**{x: float(row[s]) for x, row in zip(taken, cost, strict=True)}, total: -1.0}, high=0.0)
        return confirmed_answer(model)

    data = {"variant": "scenarios", "wanted": wanted, "cost": cost}
    return Draft(question=question, data=data, answer=best, confirm=confirm)
