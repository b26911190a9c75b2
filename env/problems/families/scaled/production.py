"""Lot sizing of many items on work centers with limited hours, at least cost; infeasible if early demand is too large.

A limit of the stock of all items together is optional.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.identifiers import identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import AMOUNT, TEXT, Schema, plan_schema, rows, whole
from storm_calm.env.problems.families.scaled.requirements import TOLERANCE, Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import (
    LARGE_TOLERANCE,
    Plan,
    PlanCheck,
    ScaledFamily,
    program_of,
)
from storm_calm.env.problems.families.scaled.tables import Column, Data, Parameters, Scalar, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

TABLES = (
    Table(
        key="items",
        file="items.csv",
        columns=(
            Column("item_id", "id"),
            Column("color", fill=("white", "anthracite", "oak", "steel", "sand")),
            Column("work_center", "center"),
            Column("hours_per_unit", "hours"),
            Column("setup_hours", "setup_hours"),
            Column("setup_cost_eur", "setup_cost"),
            Column("holding_cost_eur_per_unit_and_week", "holding"),
            Column("opening_stock_units", "stock"),
        ),
    ),
    Table(
        key="demand",
        file="demand.csv",
        columns=(Column("item_id", "item"), Column("week", "week"), Column("demand_units", "units")),
    ),
    Table(
        key="capacity",
        file="capacity.csv",
        columns=(
            Column("work_center", "center"),
            Column("week", "week"),
            Column("shifts", fill=("2", "2", "3")),
            Column("available_hours", "hours"),
        ),
    ),
    Parameters(file="parameters.csv", scalars=(Scalar("max_total_stock_units", "max_stock"),)),
)
MAX_WEEKS_AHEAD = 6
"""Weeks of demand in the valid inequalities of the model."""


def draw(rng: random.Random, size: int) -> Data:
    """Draw items, weeks and work centers. Each item has three variables a week: production, stock and setup."""
    weeks = min(13, max(4, round(2.4 * size**0.2)))
    count = max(2, round(size / (3 * weeks)))
    centers = identifiers(rng, "WC", max(1, round(count / 25)))
    items: list[Data] = []
    demand: dict[str, list[int]] = {}
    for number, one in enumerate(identifiers(rng, "ART", count)):
        mean = rng.randint(15, 80)
        demand[one] = [max(0, round(mean * rng.uniform(0.3, 1.7))) for _ in range(weeks)]
        holding = round(rng.uniform(0.2, 2.0), 2)
        items.append(
            {
                "id": one,
                "center": centers[number % len(centers)],
                "hours": round(rng.uniform(0.05, 0.3), 2),
                "setup_hours": round(rng.uniform(0.3, 2.0), 1),
                "setup_cost": round(holding * mean * rng.uniform(0.4, 4)),
                "holding": holding,
                "stock": round(demand[one][0] * rng.uniform(0, 1.5)),
            }
        )
    short, stock_limited = rng.random() < 0.06, rng.random() < 0.35
    capacity = []
    kept = [0.0] * weeks
    for center in centers:
        here = [item for item in items if item["center"] == center]
        covered = [[min(total, item["stock"]) for total in accumulate(demand[item["id"]])] for item in here]
        net = [
            [units - (now - before) for units, now, before in zip(demand[item["id"]], by, [0, *by], strict=False)]
            for item, by in zip(here, covered, strict=True)
        ]
        loads = [sum(item["hours"] * units[t] for item, units in zip(here, net, strict=True)) for t in range(weeks)]
        setups = sum(item["setup_hours"] for item in here)
        # The hours a week that suffice if all items are set up every week, and units are kept for later weeks.
        least = max(total / week for week, total in enumerate(accumulate(loads), start=1))
        hours = [round((least + setups) * rng.uniform(1.0, 1.25) + 0.1, 1) for _ in range(weeks)]
        ahead = _stock_ahead([item["hours"] for item in here], net, [amount - setups for amount in hours])
        for t in range(weeks):
            kept[t] += ahead[t] + sum(item["stock"] - by[t] for item, by in zip(here, covered, strict=True))
        if short and center == centers[0]:
            hours = [round(least * rng.uniform(0.75, 0.95), 1) for _ in range(weeks)]
        capacity += [{"center": center, "week": week, "hours": amount} for week, amount in enumerate(hours, start=1)]
    data: Data = {
        "items": items,
        "demand": [
            {"item": one, "week": week, "units": units}
            for one, needs in demand.items()
            for week, units in enumerate(needs, start=1)
            if units
        ],
        "capacity": capacity,
    }
    if stock_limited:
        data["max_stock"] = round(max(kept) * rng.uniform(1.05, 1.4)) + 1
    return data


def _stock_ahead(hours: Sequence[float], net: Sequence[Sequence[float]], available: Sequence[float]) -> list[float]:
    """Return the units in stock after each week if all production is as late as possible.

    hours: of a unit of each item. net: the demand of each item by week. available: hours by week, without setups.
    """
    ahead = [0.0] * len(net)
    kept = []
    for t in reversed(range(len(available))):
        kept.append(sum(ahead))
        wanted = [units[t] + more for units, more in zip(net, ahead, strict=True)]
        load = sum(each * units for each, units in zip(hours, wanted, strict=True))
        late = min(1.0, available[t] / load) if load else 1.0
        ahead = [(1.0 - late) * units for units in wanted]
    return kept[::-1]


def _weeks(data: Data) -> int:
    return max(row["week"] for row in data["capacity"])


def _demand(data: Data, weeks: int) -> dict[str, list[float]]:
    """Return the units of each week by item."""
    demand: dict[str, list[float]] = {item["id"]: [0.0] * weeks for item in data["items"]}
    for row in data["demand"]:
        demand[row["item"]][row["week"] - 1] = row["units"]
    return demand


def question(data: Data, say: Wording) -> str:
    goods = say.one_of("furniture", "garden tools", "lamps", "kitchen goods")
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} plans the lots of a factory that makes {goods}.",
            f"A factory for {goods} decides which articles it produces in which week.",
        ),
        "items.csv has the work center of each item, the hours that a unit takes there, the cost and hours of a setup, "
        "the cost of keeping a unit in stock from one week to the next, and the opening stock.",
        "In a week in which an item is produced, there is one setup of it.",
        "demand.csv has the demand of each item by week, 0 if there is no line. All of it must be met in its week, "
        "from stock or production.",
        say.one_of(
            "Production and setups of a week cannot take more hours than capacity.csv has for the work center.",
            "The hours of each work center in each week, for production and setups, are limited by capacity.csv.",
        ),
        "After each week, at most max_total_stock_units (parameters.csv) can be in stock, of all items together."
        if "max_stock" in data
        else "",
        "Each unit in stock after a week costs the holding cost of its item, also after the last week.",
        say.divisibility(False),
        say.one_of(
            "What is the minimum total time of all setups, in hours, whatever the cost?",
            "Not the cost, but the total time of all setups is minimized. What is it, in hours?",
        )
        if _by_setup_hours(data)
        else say.one_of(
            "What is the minimum total cost of setups and stock, in EUR?",
            "Minimize the sum of setup and holding costs. What is it, in EUR?",
        ),
        "The plan lists the units that are produced of an item in a week; weeks without production can be left out.",
    )


def _by_setup_hours(data: Data) -> bool:
    """Return whether the time of the setups is minimized instead of the cost."""
    return data.get("goal") == "setup_hours"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    weeks = _weeks(data)
    demand = _demand(data, weeks)
    hours: dict[tuple[str, int], dict[int, float]] = {(row["center"], row["week"]): {} for row in data["capacity"]}
    stocks: list[dict[int, float]] = [{} for _ in range(weeks)]
    for item in data["items"]:
        need = demand[item["id"]]
        made = [model.variable() for _ in range(weeks)]
        kept = [model.variable(0.0 if _by_setup_hours(data) else item["holding"]) for _ in range(weeks)]
        setup = [model.binary(item["setup_hours" if _by_setup_hours(data) else "setup_cost"]) for _ in range(weeks)]
        for t in range(weeks):
            row = {made[t]: 1.0, kept[t]: -1.0} | ({kept[t - 1]: 1.0} if t else {})
            left = need[t] - (0 if t else item["stock"])
            model.row(row, low=left, high=left)
            model.row({made[t]: 1.0, setup[t]: -float(sum(need[t:]))}, high=0.0)
            hours[item["center"], t + 1] |= {made[t]: item["hours"], setup[t]: item["setup_hours"]}
            stocks[t][kept[t]] = 1.0
        for coefficients, least in _stock_rows(need, kept, setup, item["stock"]):
            model.row(coefficients, low=least)
    for row in data["capacity"]:
        model.row(hours[row["center"], row["week"]], high=row["hours"])
    if "max_stock" in data:
        for coefficients in stocks:
            model.row(coefficients, high=data["max_stock"])
    return model


def _stock_rows(
    need: Sequence[float], kept: Sequence[int], setup: Sequence[int], stock: float
) -> Iterator[tuple[dict[int, float], float]]:
    """Yield valid inequalities (Barany, Van Roy and Wolsey 1984) as coefficients and lower limits.

    Without a setup in the weeks from t to u, the stock before t covers the demand of u.
    """
    for t in range(len(need)):
        row: dict[int, float] = {} if t == 0 else {kept[t - 1]: 1.0}
        least = -stock if t == 0 else 0.0
        for u in range(t, min(t + MAX_WEEKS_AHEAD, len(need))):
            least += need[u]
            for v in range(t, u + 1):
                row[setup[v]] = row.get(setup[v], 0.0) + need[u]
            yield dict(row), least


def plan(data: Data, values: Sequence[float]) -> Plan:
    weeks = _weeks(data)
    return {
        "production": [
            {"item_id": item["id"], "week": t + 1, "units": values[3 * weeks * number + t]}
            for number, item in enumerate(data["items"])
            for t in range(weeks)
            if values[3 * weeks * number + t] > TOLERANCE
        ]
    }


def schema(data: Data) -> Schema:
    weeks = _weeks(data)
    lots = rows(weeks * len(data["items"]), item_id=TEXT, week=whole(1, weeks), units=AMOUNT)
    return plan_schema(production=lots)


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    weeks = _weeks(data)
    demand = _demand(data, weeks)
    items = {item["id"]: item for item in data["items"]}
    made: dict[tuple[str, int], float] = {}
    used = Counter[tuple[str, int]]()
    total = 0.0
    for lot in plan["production"]:
        one, week, units = lot["item_id"], lot["week"], lot["units"]
        if one not in items:
            found.violated(f"there is no item {one!r}")
            continue
        if units <= TOLERANCE:
            continue
        if (one, week) in made:
            found.violated(f"item {one} is listed twice in week {week}")
        item = items[one]
        made[one, week] = made.get((one, week), 0.0) + units
        used[item["center"], week] += units * item["hours"]
    for one, week in made:
        total += items[one]["setup_hours" if _by_setup_hours(data) else "setup_cost"]
        used[items[one]["center"], week] += items[one]["setup_hours"]
    kept = [0.0] * weeks
    for one, item in items.items():
        stock = item["stock"]
        for t in range(weeks):
            available = stock + made.get((one, t + 1), 0.0)
            found.at_least(available, demand[one][t], f"in week {t + 1}, item {one} has", "units of demand")
            stock = max(0.0, available - demand[one][t])
            kept[t] += stock
            total += 0.0 if _by_setup_hours(data) else item["holding"] * stock
    for row in data["capacity"]:
        center, week = row["center"], row["week"]
        found.at_most(used[center, week], row["hours"], f"in week {week}, work center {center} works", "h of available")
    if "max_stock" in data:
        for t in range(weeks):
            found.at_most(kept[t], data["max_stock"], f"after week {t + 1} there are", "units in stock of at most")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="capacity", field="hours", words="the hours of work center {center} in week {week}", unit="h"),
    Limit(
        table="demand", field="units", sense="at least", words="the demand of item {item} in week {week}", unit="units"
    ),
    Limit(field="max_stock", words="the largest total stock", unit="units"),
)


def limited_stock(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Limit the stock of all items below the largest one of the plan."""
    if "max_stock" in data:
        return None
    change = [0.0] * _weeks(data)
    for lot in plan["production"]:
        change[lot["week"] - 1] += lot["units"]
    for row in data["demand"]:
        change[row["week"] - 1] -= row["units"]
    _, *stocks = accumulate(change, initial=sum(item["stock"] for item in data["items"]))
    return {**data, "max_stock": int(max(stocks) * rng.uniform(0.7, 0.95))}


REVISIONS = (
    Revision(
        name="limited-stock", kind="constraint", apply=limited_stock,
        request=lambda data: f"After each week, at most {data['max_stock']} units can be in stock, of all items "
        "together.",
    ),
    Revision(
        name="setup-hours", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "setup_hours"},
        request=lambda data: "The total time of all setups must now be as small as possible, in hours, whatever the "
        "cost.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "production",
    setup_hours=(
        ("obj=item.setup_cost_eur", "obj=item.setup_hours"),
        (", obj=item.holding_cost_eur_per_unit_and_week", ""),
    ),
)

FAMILY = ScaledFamily(
    name="production", difficulty="complex", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, tolerance=LARGE_TOLERANCE, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
