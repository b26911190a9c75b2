"""Which depots to open, and from which to serve each customer, at least cost; at most `max_open` depots if given."""

import random
from collections import Counter
from collections.abc import Sequence

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.geography import nearest, places, road
from storm_calm.env.problems.families.scaled.identifiers import CITIES, identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import AMOUNT, TEXT, Schema, listing, plan_schema, rows
from storm_calm.env.problems.families.scaled.requirements import Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import Plan, PlanCheck, ScaledFamily, program_of
from storm_calm.env.problems.families.scaled.tables import Column, Data, Parameters, Scalar, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

TABLES = (
    Table(
        key="depots",
        file="depot_candidates.csv",
        columns=(
            Column("depot_id", "id"),
            Column("city", fill=CITIES),
            Column("capacity_pallets_per_month", "capacity"),
            Column("rent_eur_per_month", "fixed"),
            Column("handling_eur_per_pallet", "handling"),
            Column("broker", fill=("Nordland Real Estate", "Kessler & Co", "Immo Centre")),
        ),
    ),
    Table(
        key="customers",
        file="customers.csv",
        columns=(
            Column("customer_id", "id"),
            Column("city", fill=CITIES[::-1]),
            Column("demand_pallets_per_month", "demand"),
        ),
    ),
    Table(
        key="lanes",
        file="lanes.csv",
        columns=(
            Column("depot_id", "depot"),
            Column("customer_id", "customer"),
            Column("freight_eur_per_pallet", "freight"),
            Column("co2_kg_per_pallet", "co2"),
        ),
    ),
    Parameters(file="parameters.csv", scalars=(Scalar("max_open_depots", "max_open"),)),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw depots, customers and lanes. Each depot and each lane has a variable."""
    count = max(3, round(0.9 * size**0.45))
    reach = max(3, round(0.4 * count))
    customers, depots = places(rng, max(2, round((size - count) / reach))), places(rng, count)
    depot_ids, customer_ids = identifiers(rng, "DC", count), identifiers(rng, "CU", len(customers))
    demand = [rng.randint(10, 120) for _ in customers]
    rate = rng.uniform(0.04, 0.09)
    lanes: list[Data] = []
    served = [0] * count
    kept = set(rng.sample(range(count), -(-count * 3 // 5)))
    for j, place in enumerate(customers):
        near = nearest(place, depots, reach)
        # A feasible plan: one depot serves the customer, one of those that are kept open if possible.
        served[rng.choice([i for i in near if i in kept] or near)] += demand[j]
        for i in near:
            freight = round(1.5 + rate * road(depots[i], place), 2)
            lanes.append({"depot": depot_ids[i], "customer": customer_ids[j], "freight": freight})
    mean = sum(demand) / count
    capacity = [int(max(amount * 1.1, mean * rng.uniform(1.5, 3.5))) for amount in served]
    data: Data = {
        "depots": [
            {
                "id": one,
                "capacity": most,
                "fixed": int(most * rng.uniform(4, 9)),
                "handling": round(rng.uniform(1.5, 5), 2),
            }
            for one, most in zip(depot_ids, capacity, strict=True)
        ],
        "customers": [{"id": one, "demand": need} for one, need in zip(customer_ids, demand, strict=True)],
        "lanes": lanes,
    }
    if rng.random() < 0.35:
        data["max_open"] = sum(amount > 0 for amount in served)
    for lane in lanes:
        # Some go by rail.
        lane["co2"] = round(lane["freight"] * rng.choice((0.4, 1.5, 1.6, 1.7)), 1)
    return data


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} redesigns the distribution network of a retailer.",
            "A wholesaler decides which depots to rent, and from which depots to serve its customers.",
        ),
        "The candidates are in depot_candidates.csv, with the pallets that each can handle in a month, the rent if it "
        "is opened, and the cost of handling a pallet there.",
        "The pallets that each customer must get, no fewer and no more, are in customers.csv.",
        "A depot can serve a customer only if lanes.csv has a line for them, with the freight of a pallet.",
        say.one_of(
            "A customer can be served by several depots, all of them open.",
            "Only open depots serve customers, and a customer may be served by several.",
        ),
        say.one_of(
            "At most max_open_depots depots can be opened, see parameters.csv.",
            "The budget allows no more open depots than max_open_depots in parameters.csv.",
        )
        if "max_open" in data
        else "",
        "Parts of pallets are possible.",
        say.one_of(
            "What is the minimum CO2 emission of all deliveries in a month, in kg (pallets times co2_kg_per_pallet)?",
            "Minimize the monthly CO2 of all deliveries, which is pallets times co2_kg_per_pallet. What is it, in kg?",
        )
        if _green(data)
        else say.one_of(
            "What is the minimum total cost of rent, handling and freight in a month, in EUR?",
            "Minimize the monthly sum of rents, handling and freight. What is it, in EUR?",
        ),
        "The plan lists the open depots, and the pallets of each delivery; deliveries of nothing can be left out.",
    )


def _green(data: Data) -> bool:
    """Return whether the emissions are minimized instead of the cost."""
    return data.get("goal") == "emissions"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    depots = {depot["id"]: depot for depot in data["depots"]}
    demand = {customer["id"]: customer["demand"] for customer in data["customers"]}
    opened = {one: model.binary(0.0 if _green(data) else depot["fixed"]) for one, depot in depots.items()}
    out: dict[str, dict[int, float]] = {one: {} for one in depots}
    into: dict[str, dict[int, float]] = {one: {} for one in demand}
    for lane in data["lanes"]:
        i, j = lane["depot"], lane["customer"]
        pallets = model.variable(lane["co2"] if _green(data) else depots[i]["handling"] + lane["freight"])
        out[i][pallets] = into[j][pallets] = 1.0
        # The capacities imply it for integers, but not in the relaxation.
        model.row({pallets: 1.0, opened[i]: -float(demand[j])}, high=0.0)
    for i, depot in depots.items():
        model.row({**out[i], opened[i]: -float(depot["capacity"])}, high=0.0)
    for j, need in demand.items():
        model.row(into[j], low=need, high=need)
    if "max_open" in data:
        model.row(dict.fromkeys(opened.values(), 1.0), high=data["max_open"])
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    count = len(data["depots"])
    return {
        "open_depots": [depot["id"] for depot, one in zip(data["depots"], values[:count], strict=True) if one > 0.5],
        "deliveries": [
            {"depot_id": lane["depot"], "customer_id": lane["customer"], "pallets": pallets}
            for lane, pallets in zip(data["lanes"], values[count:], strict=True)
            if pallets > 1e-9
        ],
    }


def schema(data: Data) -> Schema:
    return plan_schema(
        open_depots=listing(len(data["depots"]), TEXT),
        deliveries=rows(len(data["lanes"]), depot_id=TEXT, customer_id=TEXT, pallets=AMOUNT),
    )


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    lanes = {(lane["depot"], lane["customer"]): lane for lane in data["lanes"]}
    depots = {depot["id"]: depot for depot in data["depots"]}
    opened = Counter[str](plan["open_depots"])
    total = 0.0
    for one, times in opened.items():
        if one not in depots:
            found.violated(f"there is no depot {one!r}")
            continue
        if times > 1:
            found.violated(f"depot {one} is listed {times} times among the open ones")
        total += 0 if _green(data) else depots[one]["fixed"]
    if "max_open" in data:
        found.at_most(len(opened), data["max_open"], "the plan opens", "depots of at most")
    out: Counter[str] = Counter()
    into: Counter[str] = Counter()
    seen = set()
    for delivery in plan["deliveries"]:
        start, end, pallets = delivery["depot_id"], delivery["customer_id"], delivery["pallets"]
        if (start, end) not in lanes:
            found.violated(f"there is no lane from depot {start!r} to customer {end!r}")
            continue
        if (start, end) in seen:
            found.violated(f"the delivery from depot {start} to customer {end} is listed twice")
        seen.add((start, end))
        out[start] += pallets
        into[end] += pallets
        lane = lanes[start, end]
        total += pallets * (lane["co2"] if _green(data) else depots[start]["handling"] + lane["freight"])
    for one, depot in depots.items():
        if one in opened:
            found.at_most(out[one], depot["capacity"], f"depot {one} ships", "pallets of capacity")
        else:
            found.at_most(out[one], 0, f"depot {one} is not open, but ships", "pallets instead of")
    for customer in data["customers"]:
        one, need = customer["id"], customer["demand"]
        found.at_least(into[one], need, f"customer {one} gets", "pallets of demand")
        found.at_most(into[one], need, f"customer {one} gets", "pallets, more than the demand")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="depots", field="capacity", words="the capacity of depot {id}", unit="pallets a month"),
    Limit(
        table="customers", field="demand", sense="at least", words="the demand of customer {id}", unit="pallets a month"
    ),
    Limit(field="max_open", words="the largest number of open depots", unit="depots"),
)


def fewer_depots(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Allow fewer depots than the plan opens."""
    most = len(plan["open_depots"]) - rng.choice((1, 1, 2))
    return None if "max_open" in data or most < 1 else {**data, "max_open": most}


def emissions(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Minimize the emissions with as many depots as the plan opens."""
    return {**data, "goal": "emissions", "max_open": len(plan["open_depots"])}


REVISIONS = (
    Revision(
        name="fewer-depots", kind="constraint", apply=fewer_depots,
        request=lambda data: f"At most {data['max_open']} depots can be open.",
    ),
    Revision(
        name="emissions", kind="objective", apply=emissions,
        request=lambda data: "The CO2 emission of all deliveries must be as small as possible, whatever the cost. A "
        "delivery emits its pallets times co2_kg_per_pallet in its line of lanes.csv, in kg. At most "
        f"{data['max_open']} depots can be open.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "facility",
    emissions=(
        (
            'solver.addBinary(obj=rent) for depot, rent in depots["rent_eur_per_month"].items()',
            "solver.addBinary() for depot in depots.index",
        ),
        ("depot, customer, freight in", "depot, customer, cost in"),
        ('"freight_eur_per_pallet"', '"co2_kg_per_pallet"'),
        ('    cost = depots.at[depot, "handling_eur_per_pallet"] + freight\n', ""),
    ),
)

FAMILY = ScaledFamily(
    name="facility", difficulty="complex", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
