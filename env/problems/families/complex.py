"""The complex families: several kinds of constraints, linked decisions, or a model that is not obvious."""

import random

from storm_calm.env.problems.families.instance import Drawn
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import PEOPLE, Wording

PERIODS = (("month", "pumps"), ("week", "bicycles"), ("quarter", "tractors"), ("day", "batteries"))


def production(rng: random.Random, say: Wording) -> Drawn:
    """Lot sizing with inventory; infeasible if early demand exceeds capacity."""
    period, goods = say.one_of(*PERIODS)
    count = rng.choice((3, 3, 4))
    demand = [rng.randint(20, 99) for _ in range(count)]
    capacity = int(sum(demand) / count * rng.uniform(1.05, 1.5)) + 5
    stock = rng.randint(11, 19)
    if rng.random() < 0.06:
        capacity = int(sum(demand) / count * 0.7)
    cost = [rng.randint(3, 40) for _ in range(count)]
    hold = rng.randint(2, 9)
    style = rng.randrange(2)
    question = say.text(
        (
            f"A factory plans {goods} for {count} {period}s.",
            f"{say.one_of(*PEOPLE)} schedules the making of {goods} over {count} {period}s.",
        )[style],
        f"Demand is {say.listing([say.number(d) for d in demand])}.",
        (
            f"Producing one unit costs {say.amounts(cost)} in these {period}s.",
            f"Unit production costs are {say.amounts(cost)}, {period} by {period}.",
        )[style],
        f"At most {say.number(capacity)} units can be made in a {period}.",
        f"Keeping a unit in stock to the next {period} costs {say.money(hold)}.",
        f"There are {say.number(stock)} units in stock at the start.",
        say.one_of("What is the minimum total cost?", "Meet all demand at the lowest cost. What is it?"),
    )
    model = LinearModel("minimize")
    made = [model.variable(c, upper=capacity) for c in cost]
    kept = [model.variable(hold) for _ in demand]
    for t, d in enumerate(demand):
        row = {made[t]: 1.0, kept[t]: -1.0}
        if t:
            row[kept[t - 1]] = 1.0
        need = d - (stock if t == 0 else 0)
        model.row(row, low=need, high=need)
    data = {"demand": demand, "cost": cost, "capacity": capacity, "hold": hold, "stock": stock}
    return question, data, model


NETWORKS = (("warehouse", "store"), ("hub", "region"), ("clinic", "village"))


def facility(rng: random.Random, say: Wording) -> Drawn:
    """Facility location with fixed costs and capacities."""
    site, customer = say.one_of(*NETWORKS)
    sites, customers = rng.choice((2, 3)), 2
    fixed = [rng.randint(100, 900) for _ in range(sites)]
    demand = [rng.randint(20, 70) for _ in range(customers)]
    total = sum(demand)
    capacity = [int(total * rng.uniform(0.55, 1.2)) for _ in range(sites)]
    cost = [[rng.randint(2, 25) for _ in range(customers)] for _ in range(sites)]
    line = say.one_of(
        f"{site.capitalize()} {{}} costs {{}} to open, handles at most {{}} units and serves the {customer}s at {{}} "
        "per unit.",
        f"Opening {site} {{}} costs {{}}; it has a capacity of {{}} units and unit costs of {{}} to the {customer}s.",
    )
    lines = [
        line.format(i + 1, say.money(fixed[i]), say.number(capacity[i]), say.listing(cost[i])) for i in range(sites)
    ]
    question = say.text(
        f"A company may open any of {sites} {site}s to serve {customers} {customer}s.",
        *lines,
        f"The {customer}s need at least {say.listing([say.number(d) for d in demand])} units.",
        say.one_of("What is the minimum total cost?", "Find the lowest sum of opening and service costs."),
    )
    model = LinearModel("minimize")
    opened = [model.binary(f) for f in fixed]
    sent = [[model.variable(c) for c in row] for row in cost]
    for i, top in enumerate(capacity):
        model.row({**dict.fromkeys(sent[i], 1.0), opened[i]: -float(top)}, high=0.0)
    for j, low in enumerate(demand):
        model.row({sent[i][j]: 1.0 for i in range(sites)}, low=low)
    return question, {"fixed": fixed, "capacity": capacity, "cost": cost, "demand": demand}, model


COVERS = (("fire station", "district"), ("antenna", "valley"), ("bus line", "suburb"), ("guard post", "gate"))


def covering(rng: random.Random, say: Wording) -> Drawn:
    """Set covering; infeasible if a zone is in no set."""
    site, zone = say.one_of(*COVERS)
    zones, count = rng.choice((4, 5)), rng.choice((4, 5))
    covers = [sorted(rng.sample(range(1, zones + 1), rng.choice((2, 2, 3)))) for _ in range(count)]
    if rng.random() > 0.05:
        for missing in set(range(1, zones + 1)) - {z for row in covers for z in row}:
            shortest = min(covers, key=len)
            shortest.append(missing)
            shortest.sort()
    cost = [rng.randint(11, 95) for _ in range(count)]
    line = say.one_of(
        f"{site.capitalize()} {{0}} costs {{1}} and covers {zone}s {{2}}.",
        f"For {{1}}, {site} {{0}} reaches {zone}s {{2}}.",
    )
    lines = [line.format(i + 1, say.money(cost[i]), say.listing(covers[i])) for i in range(count)]
    question = say.text(
        f"A town must cover {zones} {zone}s, numbered 1 to {zones}.",
        *lines,
        f"Every {zone} must be covered at least once, and each {site} is either built or not.",
        say.one_of("What is the minimum cost?", "What does the cheapest cover cost?"),
    )
    model = LinearModel("minimize")
    columns = [model.binary(c) for c in cost]
    for z in range(1, zones + 1):
        model.row({columns[i]: 1.0 for i in range(count) if z in covers[i]}, low=1)
    return question, {"zones": zones, "cost": cost, "covers": covers}, model


BINS = (("boxes", "kg", "parcels"), ("trucks", "tons", "loads"), ("disks", "GB", "files"), ("boards", "cm", "pieces"))


def bin_packing(rng: random.Random, say: Wording) -> Drawn:
    """Bin packing with the fewest bins."""
    bins, unit, things = say.one_of(*BINS)
    size = [rng.randint(11, 70) for _ in range(rng.choice((4, 5)))]
    capacity = rng.randint(max(size), max(size) + 50)
    sizes = say.listing(size)
    question = say.text(
        say.one_of(
            f"{len(size)} {things} of {sizes} {unit} must go into {bins}.",
            f"A clerk has {len(size)} {things} of {sizes} {unit} to put into {bins}.",
        ),
        say.one_of(
            f"Each of the {bins} holds at most {capacity} {unit}.", f"The capacity of each is {capacity} {unit}."
        ),
        f"None of the {things} can be split.",
        say.one_of(f"What is the minimum number of {bins}?", f"How few {bins} are enough?"),
    )
    model = LinearModel("minimize")
    used = [model.binary(1.0) for _ in size]
    put = [[model.binary() for _ in size] for _ in size]
    for i in range(len(size)):
        model.row(dict.fromkeys(put[i], 1.0), low=1, high=1)
    for b in range(len(size)):
        model.row({**{put[i][b]: float(w) for i, w in enumerate(size)}, used[b]: -float(capacity)}, high=0.0)
    return question, {"size": size, "capacity": capacity}, model


SHOPS = (("machines", "jobs", "minutes"), ("cranes", "ships", "hours"), ("servers", "tasks", "seconds"))


def scheduling(rng: random.Random, say: Wording) -> Drawn:
    """Makespan on identical parallel machines."""
    machines, jobs, unit = say.one_of(*SHOPS)
    count = rng.choice((2, 2, 3))
    time = [rng.randint(11, 95) for _ in range(rng.choice((4, 5)))]
    times = say.listing(time)
    question = say.text(
        f"{count} identical {machines} work through {len(time)} {jobs}.",
        say.one_of(f"The {jobs} take {times} {unit}.", f"Their durations are {times} {unit}."),
        f"Each of the {jobs} runs on one of the {machines} without a break and cannot be split.",
        say.one_of(
            "What is the minimum time until all are finished?",
            "How soon can all be finished at the earliest? Minimize that time.",
        ),
    )
    model = LinearModel("minimize")
    end = model.variable(1.0)
    on = [[model.binary() for _ in range(count)] for _ in time]
    for i in range(len(time)):
        model.row(dict.fromkeys(on[i], 1.0), low=1, high=1)
    for m in range(count):
        model.row({**{on[i][m]: float(t) for i, t in enumerate(time)}, end: -1.0}, high=0.0)
    return question, {"time": time, "machines": count}, model


MIXES = (("a fuel", "octane", "liters"), ("an alloy", "copper", "kg"), ("a juice", "fruit", "liters"))


def blending(rng: random.Random, say: Wording) -> Drawn:
    """Blending at least cost; infeasible if the required content exceeds that of every ingredient."""
    product, content, unit = say.one_of(*MIXES)
    count = 3
    cost = [rng.randint(2, 40) for _ in range(count)]
    share = [rng.randint(11, 95) for _ in range(count)]
    total = rng.randint(10, 90) * 10
    stock = [int(total * rng.uniform(0.4, 0.9)) for _ in range(count)]
    if rng.random() < 0.06:
        least = min(99, max(share) + rng.randint(1, 4))
    else:
        low = min(share)
        least = int(low + (max(share) - low) * rng.uniform(0.2, 0.6)) + 1
    line = say.one_of(
        f"Ingredient {{}} costs {{}} per unit, contains {{}}% {content}, and at most {{}} {unit} are available.",
        f"Ingredient {{}}: {{}} per unit, {{}}% {content}, at most {{}} {unit}.",
    )
    lines = [line.format(i + 1, say.money(cost[i]), share[i], say.number(stock[i])) for i in range(count)]
    question = say.text(
        f"A plant blends {say.number(total)} {unit} of {product} from {count} ingredients.",
        *lines,
        f"The blend must contain at least {least}% {content}.",
        say.one_of("What is the minimum cost?", "What does the cheapest blend cost?"),
    )
    model = LinearModel("minimize")
    columns = [model.variable(c, upper=top) for c, top in zip(cost, stock, strict=True)]
    model.row(dict.fromkeys(columns, 1.0), low=total, high=total)
    model.row(dict(zip(columns, map(float, share), strict=True)), low=least * total)
    return question, {"total": total, "cost": cost, "share": share, "stock": stock, "least": least}, model
