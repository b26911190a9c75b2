"""Which booking requests to accept at the greatest revenue, within the limits of each departure and of all together.

Requests that exclude each other are optional.
"""

import random
from collections import Counter
from collections.abc import Sequence

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.identifiers import CITIES, identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import TEXT, Schema, listing, plan_schema
from storm_calm.env.problems.families.scaled.requirements import Requirements
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
        key="departures",
        file="departures.csv",
        columns=(
            Column("departure_id", "id"),
            Column("vessel", fill=("MV Aurora", "MV Borealis", "MV Carina", "MV Delphinus", "MV Electra")),
            Column("max_weight_t", "weight"),
            Column("max_volume_m3", "volume"),
        ),
    ),
    Table(
        key="requests",
        file="booking_requests.csv",
        columns=(
            Column("request_id", "id"),
            Column("departure_id", "departure"),
            Column("origin", fill=CITIES),
            Column("weight_t", "weight"),
            Column("volume_m3", "volume"),
            Column("reefer_plugs", "plugs"),
            Column("revenue_eur", "revenue"),
        ),
    ),
    Table(
        key="exclusions",
        file="exclusions.csv",
        columns=(Column("request_id", "first"), Column("excludes_request_id", "second")),
    ),
    Parameters(file="parameters.csv", scalars=(Scalar("max_reefer_plugs", "plugs"),)),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw departures and requests. Each request is a variable."""
    departures = identifiers(rng, "DEP", max(1, round(0.6 * size**0.2)))
    requests: list[Data] = []
    for one in identifiers(rng, "REQ", size):
        weight = round(rng.uniform(0.8, 24), 1)
        volume = round(weight * rng.uniform(1.1, 4.5), 1)
        revenue = round(60 + 45 * weight * rng.uniform(0.6, 1.5) + 14 * volume * rng.uniform(0.6, 1.5))
        plugs = rng.randint(1, 4) if rng.random() < 0.25 else 0
        departure = rng.choice(departures)
        requests.append(
            {
                "id": one,
                "departure": departure,
                "weight": weight,
                "volume": volume,
                "plugs": plugs,
                "revenue": revenue + 180 * plugs,
            }
        )
    asked = {limit: Counter[str]() for limit in ("weight", "volume")}
    for request in requests:
        for limit, total in asked.items():
            total[request["departure"]] += request[limit]
    data: Data = {
        "departures": [
            {
                "id": one,
                "weight": round(asked["weight"][one] * rng.uniform(0.35, 0.65)) + 1,
                "volume": round(asked["volume"][one] * rng.uniform(0.35, 0.65)) + 1,
            }
            for one in departures
        ],
        "requests": requests,
        "plugs": round(sum(request["plugs"] for request in requests) * rng.uniform(0.4, 0.7)) + 1,
    }
    if rng.random() < 0.35:
        pairs = (rng.sample(requests, 2) for _ in range(max(1, size // 25)))
        data["exclusions"] = [{"first": one["id"], "second": other["id"]} for one, other in pairs]
    return data


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} accepts or rejects booking requests of a shipping line.",
            "A shipping line must decide which booking requests for its next departures it accepts.",
        ),
        "Each request in booking_requests.csv is for one departure, with the weight and volume of the load, the reefer "
        "plugs that it needs, and the revenue.",
        "The accepted requests of a departure must keep the weight and volume that departures.csv allows.",
        say.one_of(
            "All accepted requests together can use at most max_reefer_plugs plugs, see parameters.csv.",
            "The reefer plugs of all departures come from one pool of max_reefer_plugs (parameters.csv).",
        ),
        say.one_of(
            "Of the two requests in a line of exclusions.csv, at most one can be accepted.",
            "exclusions.csv lists pairs of requests of which at most one can be accepted.",
        )
        if "exclusions" in data
        else "",
        say.one_of("A request is accepted as a whole or not at all.", "Requests cannot be split."),
        say.one_of(
            "What is the greatest total weight of the accepted requests, in t, whatever their revenue?",
            "Not the revenue, but the total weight of the accepted requests is maximized. How much is it, in t?",
        )
        if _by_weight(data)
        else say.one_of(
            "What is the greatest total revenue, in EUR?", "Maximize the total revenue. How much is it, in EUR?"
        ),
        "The plan lists the ids of the accepted requests.",
    )


def _by_weight(data: Data) -> bool:
    """Return whether the weight is maximized instead of the revenue."""
    return data.get("goal") == "weight"


def model(data: Data) -> LinearModel:
    model = LinearModel("maximize")
    worth = "weight" if _by_weight(data) else "revenue"
    accepted = {request["id"]: model.binary(request[worth]) for request in data["requests"]}
    for departure in data["departures"]:
        loads = [request for request in data["requests"] if request["departure"] == departure["id"]]
        for limit in ("weight", "volume"):
            model.row({accepted[load["id"]]: load[limit] for load in loads}, high=departure[limit])
    plugs = {accepted[request["id"]]: float(request["plugs"]) for request in data["requests"] if request["plugs"]}
    model.row(plugs, high=data["plugs"])
    for pair in data.get("exclusions", ()):
        model.row({accepted[pair["first"]]: 1.0, accepted[pair["second"]]: 1.0}, high=1.0)
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "accepted": [request["id"] for request, one in zip(data["requests"], values, strict=True) if one > 0.5],
    }


def schema(data: Data) -> Schema:
    return plan_schema(accepted=listing(len(data["requests"]), TEXT))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    requests = {request["id"]: request for request in data["requests"]}
    accepted = Counter[str](plan["accepted"])
    weight, volume = Counter[str](), Counter[str]()
    plugs, total = 0, 0.0
    for one, times in accepted.items():
        if one not in requests:
            found.violated(f"there is no request {one!r}")
            continue
        if times > 1:
            found.violated(f"request {one} is listed {times} times")
        request = requests[one]
        weight[request["departure"]] += times * request["weight"]
        volume[request["departure"]] += times * request["volume"]
        plugs += times * request["plugs"]
        total += times * (request["weight"] if _by_weight(data) else request["revenue"])
    for departure in data["departures"]:
        one = departure["id"]
        found.at_most(weight[one], departure["weight"], f"departure {one} carries", "t of at most")
        found.at_most(volume[one], departure["volume"], f"departure {one} carries", "m3 of at most")
    found.at_most(plugs, data["plugs"], "the accepted requests use", "reefer plugs of at most")
    for pair in data.get("exclusions", ()):
        if pair["first"] in accepted and pair["second"] in accepted:
            found.violated(f"requests {pair['first']} and {pair['second']} exclude each other")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="departures", field="weight", words="the largest weight on departure {id}", unit="t"),
    Limit(table="departures", field="volume", words="the largest volume on departure {id}", unit="m3"),
    Limit(field="plugs", words="the number of reefer plugs", unit="plugs"),
)


def exclusions(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Exclude pairs of requests that the plan accepts together."""
    accepted = list(plan["accepted"])
    if "exclusions" in data or len(accepted) < 6:
        return None
    chosen = rng.sample(accepted, 6)
    return {**data, "exclusions": [{"first": chosen[i], "second": chosen[i + 1]} for i in (0, 2, 4)]}


def exclusions_in_words(data: Data) -> str:
    pairs = "; ".join(f"{pair['first']} and {pair['second']}" for pair in data["exclusions"])
    return f"Of each of these pairs of requests, at most one can be accepted: {pairs}."


REVISIONS = (
    Revision(name="exclusions", kind="constraint", apply=exclusions, request=exclusions_in_words),
    Revision(
        name="weight", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "weight"},
        request=lambda data: "The total weight of the accepted requests must now be as large as possible, in t. Their "
        "revenue no longer matters.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "knapsack",
    weight=(("revenue * x for revenue, x in", "weight * x for weight, x in"), ('"revenue_eur"', '"weight_t"')),
)

FAMILY = ScaledFamily(
    name="knapsack", difficulty="easy", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, tolerance=LARGE_TOLERANCE, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
