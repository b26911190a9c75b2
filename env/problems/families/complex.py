"""The complex families: several kinds of constraint, linked decisions, or a model that has to be seen first."""

from __future__ import annotations

import random
from typing import Any

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import PEOPLE, Wording

Drawn = tuple[str, dict[str, Any], LinearModel]

PERIODS = (("month", "pumps"), ("week", "bicycles"), ("quarter", "tractors"), ("day", "batteries"))


def production(rng: random.Random) -> Drawn:
    """Production over periods with inventory; infeasible where early demand exceeds capacity."""
    say = Wording(rng)
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
            f"Producing one unit costs {say.listing([say.money(c) for c in cost])} in these {period}s.",
            f"Unit production costs are {say.listing([say.money(c) for c in cost])}, {period} by {period}.",
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


def facility(rng: random.Random) -> Drawn:
    """Which sites to open, at fixed costs, and who is served from where."""
    say = Wording(rng)
    site, customer = say.one_of(*NETWORKS)
    sites, customers = rng.choice((2, 3)), 2
    fixed = [rng.randint(100, 900) for _ in range(sites)]
    demand = [rng.randint(20, 70) for _ in range(customers)]
    total = sum(demand)
    capacity = [int(total * rng.uniform(0.55, 1.2)) for _ in range(sites)]
    cost = [[rng.randint(2, 25) for _ in range(customers)] for _ in range(sites)]
    style = rng.randrange(2)
    lines = [
        (
            f"{site.capitalize()} {i + 1} costs {say.money(fixed[i])} to open, handles at most "
            f"{say.number(capacity[i])} units and serves the {customer}s at {say.listing([str(c) for c in cost[i]])} "
            "per unit.",
            f"Opening {site} {i + 1} costs {say.money(fixed[i])}; it has a capacity of {say.number(capacity[i])} units "
            f"and unit costs of {say.listing([str(c) for c in cost[i]])} to the {customer}s.",
        )[style]
        for i in range(sites)
    ]
    question = say.text(
        f"A company may open any of {sites} {site}s to serve {customers} {customer}s.",
        *lines,
        f"The {customer}s need at least {say.listing([say.number(d) for d in demand])} units.",
        say.one_of("What is the minimum total cost?", "Find the lowest sum of opening and service costs."),
    )
    model = LinearModel("minimize")
    opened = [model.variable(f, upper=1, integer=True) for f in fixed]
    sent = [[model.variable(c) for c in row] for row in cost]
    for i, top in enumerate(capacity):
        model.row({**dict.fromkeys(sent[i], 1.0), opened[i]: -float(top)}, high=0.0)
    for j, low in enumerate(demand):
        model.row({sent[i][j]: 1.0 for i in range(sites)}, low=low)
    return question, {"fixed": fixed, "capacity": capacity, "cost": cost, "demand": demand}, model


COVERS = (("fire station", "district"), ("antenna", "valley"), ("bus line", "suburb"), ("guard post", "gate"))


def covering(rng: random.Random) -> Drawn:
    """The cheapest choice of sets that covers everything; infeasible where something is in no set."""
    say = Wording(rng)
    site, zone = say.one_of(*COVERS)
    zones, count = rng.choice((4, 5)), rng.choice((4, 5))
    covers = [sorted(rng.sample(range(1, zones + 1), rng.choice((2, 2, 3)))) for _ in range(count)]
    if rng.random() > 0.05:
        for missing in set(range(1, zones + 1)) - {z for row in covers for z in row}:
            shortest = min(covers, key=len)
            shortest.append(missing)
            shortest.sort()
    cost = [rng.randint(11, 95) for _ in range(count)]
    style = rng.randrange(2)
    lines = [
        (
            f"{site.capitalize()} {i + 1} costs {say.money(cost[i])} and covers {zone}s "
            f"{say.listing([str(z) for z in covers[i]])}.",
            f"For {say.money(cost[i])}, {site} {i + 1} reaches {zone}s {say.listing([str(z) for z in covers[i]])}.",
        )[style]
        for i in range(count)
    ]
    question = say.text(
        f"A town must cover {zones} {zone}s, numbered 1 to {zones}.",
        *lines,
        f"Every {zone} must be covered at least once, and each {site} is either built or not.",
        say.one_of("What is the minimum cost?", "What does the cheapest cover cost?"),
    )
    model = LinearModel("minimize")
    columns = [model.variable(c, upper=1, integer=True) for c in cost]
    for z in range(1, zones + 1):
        model.row({columns[i]: 1.0 for i in range(count) if z in covers[i]}, low=1)
    return question, {"zones": zones, "cost": cost, "covers": covers}, model


BINS = (("boxes", "kg", "parcels"), ("trucks", "tons", "loads"), ("disks", "GB", "files"), ("boards", "cm", "pieces"))


def bin_packing(rng: random.Random) -> Drawn:
    """The fewest bins that hold everything."""
    say = Wording(rng)
    bins, unit, things = say.one_of(*BINS)
    size = [rng.randint(11, 70) for _ in range(rng.choice((4, 5)))]
    capacity = rng.randint(max(size), max(size) + 50)
    sizes = say.listing([str(w) for w in size])
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
    used = [model.variable(1.0, upper=1, integer=True) for _ in size]
    put = [[model.variable(upper=1, integer=True) for _ in size] for _ in size]
    for i in range(len(size)):
        model.row(dict.fromkeys(put[i], 1.0), low=1, high=1)
    for b in range(len(size)):
        model.row({**{put[i][b]: float(w) for i, w in enumerate(size)}, used[b]: -float(capacity)}, high=0.0)
    return question, {"size": size, "capacity": capacity}, model


SHOPS = (("machines", "jobs", "minutes"), ("cranes", "ships", "hours"), ("servers", "tasks", "seconds"))


def scheduling(rng: random.Random) -> Drawn:
    """Jobs on identical machines: the shortest time until all are done."""
    say = Wording(rng)
    machines, jobs, unit = say.one_of(*SHOPS)
    count = rng.choice((2, 2, 3))
    time = [rng.randint(11, 95) for _ in range(rng.choice((4, 5)))]
    times = say.listing([str(t) for t in time])
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
    on = [[model.variable(upper=1, integer=True) for _ in range(count)] for _ in time]
    for i in range(len(time)):
        model.row(dict.fromkeys(on[i], 1.0), low=1, high=1)
    for m in range(count):
        model.row({**{on[i][m]: float(t) for i, t in enumerate(time)}, end: -1.0}, high=0.0)
    return question, {"time": time, "machines": count}, model


MIXES = (("a fuel", "octane", "liters"), ("an alloy", "copper", "kg"), ("a juice", "fruit", "liters"))


def blending(rng: random.Random) -> Drawn:
    """The cheapest blend of a given size whose content reaches a percentage; infeasible where none can."""
    say = Wording(rng)
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
    style = rng.randrange(2)
    lines = [
        (
            f"Ingredient {i + 1} costs {say.money(cost[i])} per unit, contains {share[i]}% {content}, and at most "
            f"{say.number(stock[i])} {unit} are available.",
            f"Ingredient {i + 1}: {say.money(cost[i])} per unit, {share[i]}% {content}, at most {say.number(stock[i])} "
            f"{unit}.",
        )[style]
        for i in range(count)
    ]
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
