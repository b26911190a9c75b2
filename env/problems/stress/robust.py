"""Robust plans for the worst case of a few deviations, of ranges, or of scenarios."""

import itertools
import random
from fractions import Fraction

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, drafted
from storm_calm.env.problems.stress.exact import exact_optimum
from storm_calm.env.problems.stress.methods import subsets

LOADS = (("crane lifts", "crates", "kg"), ("plane carries", "containers", "tons"), ("server holds", "files", "GB"))


def deviations(rng: random.Random, say: Wording) -> Draft | None:
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
    line = say.one_of(
        "Number {0}: value {1}, weight {2} {unit}, up to {3} {unit} more.",
        "Number {0} is worth {1} and weighs {2} {unit}, in a bad case {3} {unit} more.",
    )
    lines = [line.format(i + 1, *figures, unit=unit) for i, figures in enumerate(zip(worth, weight, more, strict=True))]
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

    # The robust counterpart of Bertsimas and Sim (The Price of Robustness, 2004, theorem 1).
    model = LinearModel("maximize")
    taken = [model.binary(v) for v in worth]
    price = model.variable()
    extra = [model.variable() for _ in worth]
    for on, over, d in zip(taken, extra, more, strict=True):
        model.row({price: 1.0, over: 1.0, on: -d}, low=0.0)
    load = dict(zip(taken, weight, strict=True))
    model.row({**load, **dict.fromkeys(extra, 1), price: budget}, high=limit)
    numbers = {"worth": worth, "weight": weight, "more": more, "limit": limit, "budget": budget}
    return drafted("deviations", question, best, model, **numbers)


def _best_load(worth: list[int], weight: list[int], more: list[int], limit: int, budget: int) -> int:
    """Try every load in its worst case."""
    return max(
        sum(worth[i] for i in taken)
        for taken in subsets(range(len(worth)))
        if sum(weight[i] for i in taken) + sum(sorted((more[i] for i in taken), reverse=True)[:budget]) <= limit
    )


CROPS = (
    ("A farm grows", ("wheat", "corn", "beans"), "hectare", ("days of work", "tons of water")),
    ("A plant makes", ("paint", "varnish", "glue"), "batch", ("hours of mixing", "drums of solvent")),
    ("A studio sells", ("portraits", "albums", "posters"), "lot", ("hours of labor", "rolls of paper")),
)


def ranges(rng: random.Random, say: Wording) -> Draft | None:
    opening, crops, unit, resources = say.one_of(*CROPS)
    count = rng.randint(2, 3)
    gain = [rng.randint(30, 90) for _ in range(count)]
    drop = [rng.randint(1, g // 3) for g in gain]
    use = [[rng.randint(4, 15) for _ in range(count)] for _ in resources]
    over = [[rng.randint(1, 4) for _ in range(count)] for _ in resources]
    limit = [rng.randint(80, 300) for _ in resources]
    models = LinearModel("maximize"), LinearModel("maximize")
    for bad, model in enumerate(models):  # The stated figures, then the worst case.
        columns = [model.variable(g - bad * d) for g, d in zip(gain, drop, strict=True)]
        for row, extra, top in zip(use, over, limit, strict=True):
            model.row({x: u + bad * o for x, u, o in zip(columns, row, extra, strict=True)}, high=top)
    stated, best = map(exact_optimum, models)
    if not apart(best, stated):
        return None
    lines = []
    for i, name in enumerate(crops[:count]):
        needs = [f"{use[r][i]} {resource} (perhaps up to {over[r][i]} more)" for r, resource in enumerate(resources)]
        lines.append(
            f"A {unit} of {name} earns {say.money(gain[i])}, perhaps up to {say.money(drop[i])} less, and needs "
            f"{say.listing(needs)}."
        )
    question = say.text(
        f"{opening} {say.listing(crops[:count])}.",
        *lines,
        f"There are {say.listing([f'{top} {resource}' for top, resource in zip(limit, resources, strict=True)])}.",
        "The plan is made before the true figures are known, and the resources must suffice whatever they turn out to "
        "be.",
        say.one_of(
            "Fractions are allowed. What is the largest profit that can be guaranteed?",
            "Amounts may be fractional. What profit is certain under the best plan?",
        ),
        say.one_of(*PRECISELY),
    )

    # A row for every corner of the ranges, and the profit as a lower bound on all cases.
    model = LinearModel("maximize")
    sure = model.variable(1.0)
    amounts = [model.variable() for _ in gain]
    for corner in itertools.product((0, 1), repeat=count):
        earned = {x: on * d - g for x, g, d, on in zip(amounts, gain, drop, corner, strict=True)}
        model.row({sure: 1.0, **earned}, high=0.0)
        for row, extra, top in zip(use, over, limit, strict=True):
            model.row({x: u + on * o for x, u, o, on in zip(amounts, row, extra, corner, strict=True)}, high=top)
    return drafted("ranges", question, best, model, gain=gain, drop=drop, use=use, over=over, limit=limit)


TEAMS = (("projects", "market"), ("suppliers", "season"), ("drivers", "weather"), ("bids", "economy"))


def scenarios(rng: random.Random, say: Wording) -> Draft | None:
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
    lines = [f"{things[:-1].capitalize()} {i + 1}: {say.amounts(row)}." for i, row in enumerate(cost)]
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
    model = LinearModel("minimize")
    total = model.variable(1.0)
    taken = [model.binary() for _ in cost]
    model.row(dict.fromkeys(taken, 1.0), low=wanted, high=wanted)
    for s in range(cases):
        model.row({**{x: row[s] for x, row in zip(taken, cost, strict=True)}, total: -1.0}, high=0.0)
    return drafted("scenarios", question, best, model, wanted=wanted, cost=cost)
