"""The easy families: one decision, one kind of constraint, few numbers."""

import random
from typing import Any

from storm_calm.env.problems.families.instance import Drawn
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import PEOPLE, Wording

WORKSHOPS: tuple[Any, ...] = (
    ("carpentry shop", ("chairs", "tables", "desks", "shelves", "stools"), ("hours of labor", "boards of wood")),
    ("bakery", ("cakes", "pies", "cookies", "muffins", "loaves"), ("hours of oven time", "kilograms of flour")),
    ("pottery studio", ("mugs", "bowls", "vases", "plates", "jugs"), ("kilograms of clay", "hours of kiln time")),
    ("electronics plant", ("radios", "phones", "lamps", "clocks", "speakers"), ("minutes of assembly", "chips")),
    ("tailor", ("shirts", "coats", "hats", "bags", "scarves"), ("meters of cloth", "hours of sewing")),
)


def product_mix(rng: random.Random, say: Wording) -> Drawn:
    """Product mix with limited resources at the largest profit."""
    shop, products, resources = say.one_of(*WORKSHOPS)
    products = tuple(say.some(products, rng.choice((2, 2, 3))))
    resources = tuple(say.some(resources, rng.choice((1, 2, 2))))
    profit = [rng.randint(11, 95) for _ in products]
    use = [[rng.randint(2, 15) for _ in products] for _ in resources]
    limit = [rng.randint(4, 60) * 5 + rng.randint(0, 4) for _ in resources]
    whole = rng.random() < 0.7

    needs = [
        say.listing([f"{row[i]} {name}" for row, name in zip(use, resources, strict=True)])
        for i in range(len(products))
    ]
    each, bound = say.one_of(
        ("A unit of {} needs {} and earns {}.", "At most {} {} are available."),
        ("Each unit of {} takes {} and brings a profit of {}.", "There are only {} {} available."),
        ("One unit of {} uses {}; its profit is {}.", "The supply is limited to {} {}."),
    )
    units = [each.format(name, need, say.money(gain)) for name, need, gain in zip(products, needs, profit, strict=True)]
    bounds = [bound.format(say.number(top), name) for name, top in zip(resources, limit, strict=True)]
    question = say.text(
        f"{say.one_of('A', 'The')} {shop} makes {say.listing(products)}.",
        *units,
        *bounds,
        say.divisibility(whole),
        say.one_of(
            "What is the maximum total profit?",
            "How large can the total profit be at most?",
            "Plan production to maximize profit. What profit results?",
        ),
    )
    model = LinearModel("maximize")
    columns = [model.variable(gain, integer=whole) for gain in profit]
    for row, top in zip(use, limit, strict=True):
        model.row(dict(zip(columns, row, strict=True)), high=top)
    return question, {"profit": profit, "use": use, "limit": limit, "whole": whole}, model


LOADS: tuple[Any, ...] = (
    ("packs a truck", "kg", ("crates", "barrels", "sacks", "boxes", "pallets", "drums")),
    ("packs a backpack", "g", ("tent", "stove", "rope", "lamp", "blanket", "map")),
    ("fills a cargo plane", "tons", ("engines", "pumps", "cables", "tools", "pipes", "motors")),
)


def knapsack(rng: random.Random, say: Wording) -> Drawn:
    """0/1 knapsack with one weight limit."""
    action, unit, names = say.one_of(*LOADS)
    names = tuple(say.some(names, rng.randint(4, 6)))
    value = [rng.randint(11, 99) for _ in names]
    weight = [rng.randint(11, 60) for _ in names]
    capacity = int(sum(weight) * rng.uniform(0.35, 0.7))
    item = say.one_of(
        "The {} weigh {} {} and are worth {}.",
        "The {}: {} {}, value {}.",
        "Taking the {} adds {} {} and a value of {}.",
    )
    items = [item.format(name, w, unit, v) for name, w, v in zip(names, weight, value, strict=True)]
    question = say.text(
        f"{say.one_of(*PEOPLE)} {action} that carries at most {say.number(capacity)} {unit}.",
        *items,
        say.one_of("Each can be taken at most once.", "Each is either taken whole or left behind."),
        say.one_of(
            "What is the greatest total value?", "Maximize the total value.", "How much value can be taken at most?"
        ),
    )
    model = LinearModel("maximize")
    columns = [model.binary(v) for v in value]
    model.row(dict(zip(columns, weight, strict=True)), high=capacity)
    return question, {"weight": weight, "value": value, "capacity": capacity}, model


PLANS: tuple[Any, ...] = (
    (
        "a meal plan",
        "serving",
        ("oats", "rice", "beans", "eggs", "milk", "tofu", "nuts", "fish"),
        "g",
        ("protein", "iron", "fiber", "calcium"),
    ),
    (
        "cattle feed",
        "sack",
        ("corn", "hay", "soy", "barley", "bran", "clover"),
        "units",
        ("starch", "fat", "salt", "minerals"),
    ),
    (
        "a fertilizer",
        "bag",
        ("compost", "ash", "guano", "urea", "lime", "peat"),
        "kg",
        ("nitrogen", "potash", "phosphate", "sulfur"),
    ),
)


def diet(rng: random.Random, say: Wording) -> Drawn:
    """Diet problem: the cheapest mix with enough of every nutrient."""
    plan, portion, foods, unit, nutrients = say.one_of(*PLANS)
    foods = tuple(say.some(foods, rng.choice((2, 3, 3))))
    nutrients = tuple(say.some(nutrients, rng.choice((1, 2, 2))))
    cost = [rng.randint(2, 25) for _ in foods]
    gives = [[rng.randint(2, 20) for _ in foods] for _ in nutrients]
    need = [rng.randint(25, 190) for _ in nutrients]
    whole = rng.random() < 0.4
    line = say.one_of(
        f"A {portion} of {{food}} costs {{cost}} and gives {{amounts}}.",
        f"{{Food}} costs {{cost}} a {portion} and contains {{amounts}}.",
    )
    each = []
    for i, food in enumerate(foods):
        amounts = say.listing([f"{row[i]} {unit} of {name}" for row, name in zip(gives, nutrients, strict=True)])
        each.append(line.format(food=food, Food=food.capitalize(), cost=say.money(cost[i]), amounts=amounts))
    needs = say.listing([f"{say.number(low)} {unit} of {name}" for low, name in zip(need, nutrients, strict=True)])
    question = say.text(
        f"{say.one_of(*PEOPLE)} mixes {plan} from {say.listing(foods)}.",
        *each,
        say.one_of(f"The mix must contain at least {needs}.", f"At least {needs} are required."),
        say.divisibility(whole),
        say.one_of("What is the minimum cost?", "What does the cheapest mix cost?", "Minimize the total cost."),
    )
    model = LinearModel("minimize")
    columns = [model.variable(c, integer=whole) for c in cost]
    for row, low in zip(gives, need, strict=True):
        model.row(dict(zip(columns, row, strict=True)), low=low)
    return question, {"cost": cost, "gives": gives, "need": need, "whole": whole}, model


CREWS: tuple[Any, ...] = (
    ("worker", ("painting", "welding", "packing", "cleaning"), "costs", True),
    ("driver", ("route North", "route South", "route East", "route West"), "takes hours", True),
    ("seller", ("district Hill", "district Lake", "district Port", "district Mill"), "sells", False),
)


def assignment(rng: random.Random, say: Wording) -> Drawn:
    """Assignment of people to tasks at least cost or greatest return."""
    role, tasks, verb, costs = say.one_of(*CREWS)
    size = 3
    people, tasks = say.some(PEOPLE, size), tuple(say.some(tasks, size))
    cost = [[rng.randint(11, 99) for _ in tasks] for _ in people]
    lines = [f"{person} {verb} {', '.join(map(str, row))}." for person, row in zip(people, cost, strict=True)]
    goal = ("least", "minimum") if costs else ("greatest", "maximum")
    question = say.text(
        f"Each of {size} {role}s must take exactly one of {size} tasks, and each task goes to one {role}.",
        f"The tasks are {say.listing(tasks)}; the figures follow that order.",
        *lines,
        f"What is the {say.one_of(*goal)} total?",
    )
    model = LinearModel("minimize" if costs else "maximize")
    columns = [[model.binary(c) for c in row] for row in cost]
    for i in range(size):
        model.row({columns[i][j]: 1 for j in range(size)}, low=1, high=1)
        model.row({columns[j][i]: 1 for j in range(size)}, low=1, high=1)
    return question, {"cost": cost, "maximize": not costs}, model


GOODS: tuple[Any, ...] = (
    ("plants", "warehouses", "tons of cement"),
    ("farms", "markets", "boxes of fruit"),
    ("depots", "shops", "pallets of paper"),
)


def transportation(rng: random.Random, say: Wording) -> Drawn:
    """Transportation at least cost; infeasible if demand exceeds supply."""
    sources, targets, goods = say.one_of(*GOODS)
    rows, columns_count = 2, rng.choice((2, 3))
    demand = [rng.randint(11, 80) for _ in range(columns_count)]
    total = sum(demand)
    short = rng.random() < 0.12
    total = int(total * rng.uniform(0.7, 0.95)) if short else int(total * rng.uniform(1.0, 1.4)) + 1
    first = int(total * rng.uniform(0.35, 0.65))
    supply = [first, total - first]
    cost = [[rng.randint(2, 30) for _ in demand] for _ in supply]
    send = say.one_of(
        f"Source {{}} has at most {{}} and ships at a unit cost of {{}} to destinations 1 to {columns_count}.",
        f"Source {{}} can ship at most {{}}; its costs per unit to destinations 1 to {columns_count} are {{}}.",
    )
    sends = [send.format(i + 1, say.number(supply[i]), ", ".join(map(str, cost[i]))) for i in range(rows)]
    needs = say.listing([say.number(d) for d in demand])
    question = say.text(
        f"A firm ships {goods} from {rows} {sources} to {columns_count} {targets}.",
        *sends,
        say.one_of(f"The destinations need at least {needs}.", f"Demand at the destinations is at least {needs}."),
        say.one_of(
            "What is the minimum shipping cost?", "Find the lowest total cost.", "How cheaply can all demand be met?"
        ),
    )
    model = LinearModel("minimize")
    x = [[model.variable(c) for c in row] for row in cost]
    for i, top in enumerate(supply):
        model.row(dict.fromkeys(x[i], 1.0), high=top)
    for j, low in enumerate(demand):
        model.row({x[i][j]: 1.0 for i in range(rows)}, low=low)
    return question, {"supply": supply, "demand": demand, "cost": cost}, model


ASSETS: tuple[Any, ...] = (
    ("bonds", "stocks", "gold", "land", "funds"),
    ("project Alpha", "project Beta", "project Gamma", "project Delta"),
)


def investment(rng: random.Random, say: Wording) -> Drawn:
    """Investment of a budget in capped assets; infeasible if the required minimum exceeds a cap."""
    names = tuple(say.some(say.one_of(*ASSETS), 3))
    budget = rng.randint(10, 90) * 1000
    rate = [rng.randint(2, 15) for _ in names]
    cap = [rng.randint(2, max(3, budget // 1500)) * 1000 for _ in names]
    least = rng.randint(1, max(1, cap[0] // 1500)) * 500
    if rng.random() < 0.08:
        least = cap[0] + rng.randint(1, 4) * 500
    line = say.one_of(
        "{Name} return {rate}% and take at most {cap}.", "At most {cap} may go into {name}, which yields {rate}%."
    )
    lines = [
        line.format(name=name, Name=name[0].upper() + name[1:], rate=r, cap=say.money(c))
        for name, r, c in zip(names, rate, cap, strict=True)
    ]
    question = say.text(
        f"{say.one_of(*PEOPLE)} invests a budget of at most {say.money(budget)} in {say.listing(names)}.",
        *lines,
        f"At least {say.money(least)} must go into {names[0]}.",
        "Amounts may be fractional.",
        say.one_of("What is the maximum yearly return in dollars?", "Maximize the yearly return in dollars."),
    )
    model = LinearModel("maximize")
    columns = [model.variable(r / 100, upper=c) for r, c in zip(rate, cap, strict=True)]
    model.row(dict.fromkeys(columns, 1.0), high=budget)
    model.row({columns[0]: 1.0}, low=least)
    return question, {"budget": budget, "rate": rate, "cap": cap, "least": least}, model
