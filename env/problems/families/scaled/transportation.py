"""Production and transport at least cost, on the roads that exist; infeasible if demand exceeds supply."""

import random
from collections import Counter
from collections.abc import Sequence

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.geography import nearest, places, road
from storm_calm.env.problems.families.scaled.identifiers import CITIES, identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import AMOUNT, TEXT, Schema, plan_schema, rows
from storm_calm.env.problems.families.scaled.requirements import Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import Plan, PlanCheck, ScaledFamily, program_of
from storm_calm.env.problems.families.scaled.tables import Column, Data, Parameters, Scalar, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

TABLES = (
    Table(
        key="plants",
        file="plants.csv",
        columns=(
            Column("plant_id", "id"),
            Column("city", fill=CITIES),
            Column("capacity_t_per_week", "supply"),
            Column("production_cost_eur_per_t", "cost"),
            Column("min_t_per_week", "least"),
        ),
    ),
    Table(
        key="customers",
        file="customers.csv",
        columns=(
            Column("customer_id", "id"),
            Column("city", fill=CITIES[::-1]),
            Column("demand_t_per_week", "demand"),
            Column("sales_contact", fill=("M. Weber", "J. Novak", "A. Rossi", "L. Dubois", "S. Larsen")),
        ),
    ),
    Table(
        key="lanes",
        file="lanes.csv",
        columns=(
            Column("plant_id", "plant"),
            Column("customer_id", "customer"),
            Column("distance_km", "distance"),
            Column("max_t_per_week", "most"),
        ),
    ),
    Parameters(file="parameters.csv", scalars=(Scalar("freight_rate_eur_per_t_km", "rate"),)),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw plants, customers and roads. The number of roads is the number of variables."""
    reach = max(3, round(size**0.3))
    count = max(2, round(size / reach))
    customers, plants = places(rng, count), places(rng, max(reach + 1, round(0.9 * count**0.6)))
    plant_ids, customer_ids = identifiers(rng, "PL", len(plants)), identifiers(rng, "C", count)
    demand = [rng.randint(10, 200) for _ in customers]
    limited, short = rng.random() < 0.35, rng.random() < 0.06
    lanes = []
    shipped = [0] * len(plants)
    for j, place in enumerate(customers):
        near = nearest(place, plants, reach)
        # A feasible plan: each customer is served by two plants.
        first, second = rng.sample(near, 2)
        part = int(demand[j] * rng.uniform(0.3, 0.7))
        shipments = {first: part, second: demand[j] - part}
        for i in near:
            shipped[i] += shipments.get(i, 0)
            lane: Data = {"plant": plant_ids[i], "customer": customer_ids[j], "distance": road(plants[i], place)}
            if limited and rng.random() < 0.15:
                lane["most"] = max(shipments.get(i, 0), int(demand[j] * rng.uniform(0.2, 0.6)))
            lanes.append(lane)
    room = (0.7, 0.95) if short else (1.02, 1.3)
    return {
        "plants": [
            {"id": one, "supply": int(amount * rng.uniform(*room)), "cost": round(rng.uniform(38, 72), 1)}
            for one, amount in zip(plant_ids, shipped, strict=True)
        ],
        "customers": [{"id": one, "demand": need} for one, need in zip(customer_ids, demand, strict=True)],
        "lanes": lanes,
        "rate": round(rng.uniform(0.06, 0.15), 3),
    }


def question(data: Data, say: Wording) -> str:
    limited = any("most" in lane for lane in data["lanes"])
    goods = say.one_of("cement", "lime", "fertilizer", "road salt")
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} plans next week's production and deliveries of {goods}.",
            f"A producer of {goods} decides for next week which plant delivers how much to which customer.",
        ),
        "The plants, with what each can produce in the week and what a ton costs there, are in plants.csv.",
        "A plant with a number in min_t_per_week must produce at least that; an empty cell requires nothing."
        if any("least" in plant for plant in data["plants"])
        else "",
        "The customers are in customers.csv, with the tons that each needs at least.",
        "Deliveries are possible only from a plant to a customer with a line in lanes.csv, which has the distance.",
        say.one_of(
            "Freight costs freight_rate_eur_per_t_km (in parameters.csv) for each ton and kilometer.",
            "The freight of a ton costs the distance times freight_rate_eur_per_t_km, which is in parameters.csv.",
        ),
        "Some lines limit the tons that can go this way in the week, as max_t_per_week; an empty cell is no limit."
        if limited
        else "",
        say.divisibility(False),
        say.one_of(
            "Cost does not matter: what is the minimum of all deliveries' tons times kilometers, in t km?",
            "Not the cost, but the transport work is minimized: tons times kilometers of all deliveries. What is it?",
        )
        if _by_distance(data)
        else say.one_of(
            "What is the minimum total cost of production and freight, in EUR?",
            "Minimize the cost of production and freight together. What is it, in EUR?",
        ),
        "The plan lists the tons of each delivery; deliveries of nothing can be left out.",
    )


def _by_distance(data: Data) -> bool:
    """Return whether the transport work is minimized instead of the cost."""
    return data.get("goal") == "distance"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    cost = {plant["id"]: 0.0 if _by_distance(data) else plant["cost"] for plant in data["plants"]}
    rate = 1.0 if _by_distance(data) else data["rate"]
    out: dict[str, dict[int, float]] = {one: {} for one in cost}
    into: dict[str, dict[int, float]] = {customer["id"]: {} for customer in data["customers"]}
    for lane in data["lanes"]:
        limit = {"upper": lane["most"]} if "most" in lane else {}
        tons = model.variable(cost[lane["plant"]] + rate * lane["distance"], **limit)
        out[lane["plant"]][tons] = into[lane["customer"]][tons] = 1.0
    for plant in data["plants"]:
        model.row(out[plant["id"]], low=plant.get("least", 0), high=plant["supply"])
    for customer in data["customers"]:
        model.row(into[customer["id"]], low=customer["demand"])
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "deliveries": [
            {"plant_id": lane["plant"], "customer_id": lane["customer"], "tons": tons}
            for lane, tons in zip(data["lanes"], values, strict=True)
            if tons > 1e-9
        ]
    }


def schema(data: Data) -> Schema:
    return plan_schema(deliveries=rows(len(data["lanes"]), plant_id=TEXT, customer_id=TEXT, tons=AMOUNT))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    lanes = {(lane["plant"], lane["customer"]): lane for lane in data["lanes"]}
    cost = {plant["id"]: plant["cost"] for plant in data["plants"]}
    out: Counter[str] = Counter()
    into: Counter[str] = Counter()
    total = 0.0
    seen = set()
    for delivery in plan["deliveries"]:
        start, end, tons = delivery["plant_id"], delivery["customer_id"], delivery["tons"]
        lane = lanes.get((start, end))
        if lane is None:
            found.violated(f"there is no lane from plant {start!r} to customer {end!r}")
            continue
        if (start, end) in seen:
            found.violated(f"the delivery from plant {start} to customer {end} is listed twice")
        seen.add((start, end))
        if "most" in lane:
            found.at_most(tons, lane["most"], f"plant {start} delivers", f"t to customer {end}; the lane allows")
        out[start] += tons
        into[end] += tons
        total += tons * (lane["distance"] if _by_distance(data) else cost[start] + data["rate"] * lane["distance"])
    for plant in data["plants"]:
        found.at_most(out[plant["id"]], plant["supply"], f"plant {plant['id']} delivers", "t of capacity")
        found.at_least(
            out[plant["id"]], plant.get("least", 0), f"plant {plant['id']} delivers", "t instead of at least"
        )
    for customer in data["customers"]:
        found.at_least(into[customer["id"]], customer["demand"], f"customer {customer['id']} gets", "t of demand")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="plants", field="supply", words="the capacity of plant {id}", unit="t"),
    Limit(table="customers", field="demand", sense="at least", words="the demand of customer {id}", unit="t"),
    Limit(
        table="lanes", field="most", words="the tons that can go from plant {plant} to customer {customer}", unit="t"
    ),
)


def least_production(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Require more of a plant than the plan ships from it."""
    out: Counter[str] = Counter()
    for delivery in plan["deliveries"]:
        out[delivery["plant_id"]] += delivery["tons"]
    rest = {index: row["supply"] - out[row["id"]] for index, row in enumerate(data["plants"])}
    idle = [index for index, tons in rest.items() if tons >= 20]
    if not idle:
        return None
    chosen = rng.choice(idle)
    least = int(data["plants"][chosen]["supply"] - rest[chosen] * rng.uniform(0.2, 0.6))
    plants = list(data["plants"])
    plants[chosen] = {**plants[chosen], "least": least}
    return {**data, "plants": plants}


def least_words(data: Data) -> str:
    chosen = next(plant for plant in data["plants"] if "least" in plant)
    return f"Plant {chosen['id']} must produce at least {chosen['least']} t in the week."


REVISIONS = (
    Revision(name="least-production", kind="constraint", apply=least_production, request=least_words),
    Revision(
        name="distance", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "distance"},
        request=lambda data: "The deliveries must now cause the least transport work, whatever the cost: the sum of "
        "tons times kilometers over all deliveries, in t km.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "transportation",
    distance=(
        ("# Cost of a ton on each lane: production at the plant, and freight.\n", ""),
        ('lanes = lanes.merge(plants[["plant_id", "production_cost_eur_per_t"]], on="plant_id")\n', ""),
        (
            'lanes["production_cost_eur_per_t"] + parameters["freight_rate_eur_per_t_km"] * lanes["distance_km"]',
            'lanes["distance_km"]',
        ),
    ),
)

FAMILY = ScaledFamily(
    name="transportation", difficulty="easy", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
