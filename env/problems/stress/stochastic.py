"""Two-stage stochastic problems: decisions before and after the demand is known, with scenario probabilities."""

import itertools
import random
from fractions import Fraction

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, drafted
from storm_calm.env.problems.stress.methods import cheapest_flow, subsets


def _chances(rng: random.Random, count: int) -> list[int]:
    """Draw probabilities in percent, multiples of 5 that sum to 100."""
    cuts = sorted(rng.sample(range(1, 20), count - 1))
    return [5 * (b - a) for a, b in itertools.pairwise([0, *cuts, 20])]


WARES = (
    ("A bakery bakes loaves in the morning", "loaves"),
    ("A florist buys roses before the weekend", "roses"),
    ("A shop orders coats before the winter", "coats"),
    ("A caterer prepares meals for a fair", "meals"),
)


def order_quantity(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(3, 5)
    chance = _chances(rng, count)
    demand = sorted(rng.sample(range(20, 150), count))
    cost = rng.randint(8, 30)
    rush, salvage = cost + rng.randint(4, 40), rng.randint(1, cost - 3)

    def expected(amount: Fraction | int) -> Fraction:
        later = [rush * max(d - amount, 0) - salvage * max(amount - d, 0) for d in demand]
        return cost * Fraction(amount) + sum(Fraction(p, 100) * v for p, v in zip(chance, later, strict=True))

    best = min(map(expected, demand))  # The cost is convex, and linear between the demands.
    mean = sum(Fraction(p, 100) * d for p, d in zip(chance, demand, strict=True))
    if not apart(best, expected(mean)) or not apart(best, cost * mean):
        return None
    opening, ware = say.one_of(*WARES)
    question = say.text(
        f"{opening}, at {say.money(cost)} each, before the demand is known.",
        _demand_text(say, chance, [f"{d} {ware}" for d in demand]),
        f"Once it is known, missing {ware} must be got in a rush at {say.money(rush)} each so that all demand is "
        f"met, and each one left over is sold off for {say.money(salvage)}.",
        say.one_of(
            "Fractions of a unit are allowed. What is the least expected total cost, sell-off deducted?",
            "Amounts may be fractional. Minimize expected cost minus sell-off income. What does it come to?",
        ),
        say.one_of(*PRECISELY),
    )
    model = LinearModel("minimize")
    amount = model.variable(cost)
    for p, d in zip(chance, demand, strict=True):
        missing, left = model.variable(rush * p / 100), model.variable(-salvage * p / 100)
        model.row({amount: 1.0, missing: 1.0, left: -1.0}, low=d, high=d)
    return drafted("order", question, best, model, chance=chance, demand=demand, cost=cost, rush=rush, salvage=salvage)


def _demand_text(say: Wording, chance: list[int], outcomes: list[str]) -> str:
    cases = "; ".join(f"with probability {p}% {outcome}" for p, outcome in zip(chance, outcomes, strict=True))
    return say.one_of("Demand will be", "The demand is random:") + f" {cases}."


MAKERS = (
    ("A dairy", ("butter", "cheese"), "tons"),
    ("A mill", ("flour", "oats"), "tons"),
    ("A foundry", ("rails", "beams"), "tons"),
)


def booked_capacity(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(2, 4)
    chance = _chances(rng, count)
    use = [rng.randint(2, 6) for _ in range(2)]
    cost = rng.randint(5, 20)
    price = [u * rng.randint(cost + 1, 3 * cost) + rng.randint(0, 3) for u in use]
    demand = [[rng.randint(10, 80) for _ in range(2)] for _ in range(count)]
    order = sorted(range(2), key=lambda i: Fraction(price[i], use[i]), reverse=True)

    def expected(hours: Fraction | int, cases: list[tuple[Fraction, list[Fraction]]]) -> Fraction:
        total = -cost * Fraction(hours)
        for p, wanted in cases:
            left = Fraction(hours)
            for i in order:
                made = min(wanted[i], left / use[i])
                left -= made * use[i]
                total += p * made * price[i]
        return total

    cases = [(Fraction(p, 100), [Fraction(d) for d in row]) for p, row in zip(chance, demand, strict=True)]

    def breaks(wanted: list[Fraction]) -> list[Fraction]:
        return [Fraction(sum(wanted[i] * use[i] for i in order[:size])) for size in range(3)]

    # The expected profit is concave, and linear between the break points of all cases.
    best = max(expected(hours, cases) for _, row in cases for hours in breaks(row))
    mean = [sum((p * row[i] for p, row in cases), Fraction(0)) for i in range(2)]
    planned = max(breaks(mean), key=lambda hours: expected(hours, [(Fraction(1), mean)]))
    if not apart(best, expected(planned, cases)) or best <= 1:
        return None
    maker, goods, unit = say.one_of(*MAKERS)
    question = say.text(
        f"{maker} books machine hours for next year now, at {say.money(cost)} an hour, and decides what to make "
        "when the demand is known.",
        f"A ton of {goods[0]} takes {use[0]} hours and sells for {say.money(price[0])}; a ton of {goods[1]} takes "
        f"{use[1]} hours and sells for {say.money(price[1])}.",
        _demand_text(say, chance, [f"{a} {unit} of {goods[0]} and {b} of {goods[1]}" for a, b in demand]),
        "No more can be sold than is demanded, no more hours can be used than were booked, and amounts and hours "
        "may be fractional.",
        say.one_of("What is the largest expected profit?", "How many dollars of profit can be expected at most?"),
        say.one_of(*PRECISELY),
    )
    model = LinearModel("maximize")
    hours = model.variable(-cost)
    for p, row in zip(chance, demand, strict=True):
        made = [model.variable(price[i] * p / 100, upper=row[i]) for i in range(2)]
        model.row({made[0]: use[0], made[1]: use[1], hours: -1.0}, high=0.0)
    return drafted("capacity", question, best, model, chance=chance, use=use, cost=cost, price=price, demand=demand)


DEPOTS = (
    ("A relief agency", "depot", "camp"),
    ("A grocer", "warehouse", "store"),
    ("A fuel firm", "tank farm", "station"),
)


def opened_sites(rng: random.Random, say: Wording) -> Draft | None:
    sites, customers, count = rng.randint(2, 4), 2, rng.randint(2, 3)
    chance = _chances(rng, count)
    demand = [[rng.randint(10, 60) for _ in range(customers)] for _ in range(count)]
    fixed = [rng.randint(100, 700) for _ in range(sites)]
    most = [rng.randint(25, 90) for _ in range(sites)]
    ship = [[rng.randint(2, 20) for _ in range(customers)] for _ in range(sites)]
    penalty = rng.randint(21, 60)

    def supply_cost(opened: tuple[int, ...], needs: list[int]) -> int:
        # Node 0 is the supply, followed by sites and customers.
        arcs = [(0, 1 + i, most[i], 0) for i in opened]
        arcs += [(1 + i, 1 + sites + j, sum(needs), ship[i][j]) for i in opened for j in range(customers)]
        arcs += [(0, 1 + sites + j, need, penalty) for j, need in enumerate(needs)]
        flow = cheapest_flow(arcs, [0] * (1 + sites) + needs)
        assert flow is not None
        return sum(cost for cost, _ in flow)

    def expected(opened: tuple[int, ...], cases: list[tuple[int, list[int]]]) -> Fraction:
        costs = [Fraction(p, 100) * supply_cost(opened, row) for p, row in cases]
        return sum(fixed[i] for i in opened) + sum(costs, Fraction(0))

    choices = list(subsets(range(sites)))
    cases = list(zip(chance, demand, strict=True))
    best = min(expected(chosen, cases) for chosen in choices)
    average = [round(sum(p * row[j] for p, row in cases) / 100) for j in range(customers)]
    planned = min(choices, key=lambda chosen: expected(chosen, [(100, average)]))
    if not apart(best, expected(planned, cases)):
        return None
    owner, site, customer = say.one_of(*DEPOTS)
    lines = [
        f"{site.capitalize()} {i + 1} costs {say.money(fixed[i])} to open, ships at most {most[i]} units, and "
        f"does so to {customer}s 1 and 2 at {say.listing(ship[i])} dollars a unit."
        for i in range(sites)
    ]
    question = say.text(
        f"{owner} chooses now which {site}s to open, before the demand of two {customer}s is known.",
        *lines,
        _demand_text(say, chance, [f"{a} units at {customer} 1 and {b} at {customer} 2" for a, b in demand]),
        f"Then it ships what it likes; each unit of demand that is not met costs {say.money(penalty)}.",
        say.one_of("What is the minimum expected total cost?", "How low can the expected total cost be?"),
        say.one_of(*PRECISELY),
    )
    model = LinearModel("minimize")
    opened = [model.binary(f) for f in fixed]
    for p, row in cases:
        sent = [[model.variable(c * p / 100) for c in ship[i]] for i in range(sites)]
        for i in range(sites):
            model.row({**dict.fromkeys(sent[i], 1.0), opened[i]: -most[i]}, high=0.0)
        for j, d in enumerate(row):
            model.row({**{sent[i][j]: 1.0 for i in range(sites)}, model.variable(penalty * p / 100): 1.0}, low=d)
    numbers = {"chance": chance, "demand": demand, "fixed": fixed, "most": most, "ship": ship, "penalty": penalty}
    return drafted("sites", question, best, model, **numbers)
