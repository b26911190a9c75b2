"""Makespan on machines of different speeds: how many pieces of each order to make on which of its machines.

A limit of the production cost is optional.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.identifiers import identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import TEXT, Schema, plan_schema, rows, whole
from storm_calm.env.problems.families.scaled.requirements import Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import Plan, PlanCheck, ScaledFamily, program_of
from storm_calm.env.problems.families.scaled.tables import Column, Data, Parameters, Scalar, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

TABLES = (
    Table(
        key="machines",
        file="machines.csv",
        columns=(
            Column("machine_id", "id"),
            Column("hall", fill=("H1", "H2", "H1", "H3", "H2")),
            Column("busy_until_min", "busy"),
            Column("built", fill=("2011", "2016", "2008", "2019", "2022", "2014", "2005")),
        ),
    ),
    Table(
        key="orders",
        file="orders.csv",
        columns=(
            Column("order_id", "id"),
            Column("article", fill=("housing", "lid", "gear", "shaft", "bracket", "flange", "hub")),
            Column("ordered_pieces", "pieces"),
        ),
    ),
    Table(
        key="routings",
        file="routings.csv",
        columns=(
            Column("order_id", "order"),
            Column("machine_id", "machine"),
            Column("min_per_piece", "minutes"),
            Column("cost_eur_per_piece", "cost"),
        ),
    ),
    Parameters(
        file="parameters.csv", scalars=(Scalar("max_total_cost_eur", "max_cost"), Scalar("max_end_min", "max_end"))
    ),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw machines and orders. Each machine that can make an order has a variable."""
    reach = max(3, round(size**0.19))
    order_ids = identifiers(rng, "ORD", max(4, round(size / reach)))
    machine_ids = identifiers(rng, "M", max(reach, round(0.75 * size**0.42)))
    pace = [rng.uniform(0.7, 1.4) for _ in machine_ids]
    orders, routings = [], []
    cheapest = usual = 0.0
    for one in order_ids:
        pieces = rng.randint(20, 400)
        minutes = rng.uniform(1, 6)
        orders.append({"id": one, "pieces": pieces})
        cost = []
        for i in sorted(rng.sample(range(len(machine_ids)), reach)):
            cost.append(round(minutes * rng.uniform(0.5, 1.2), 1))
            # Whole minutes, so that the makespan is whole and its bound is rounded up.
            time = max(1, round(minutes * pace[i] * rng.uniform(0.8, 1.25)))
            routings.append({"order": one, "machine": machine_ids[i], "minutes": time, "cost": cost[-1]})
        cheapest += pieces * min(cost)
        usual += pieces * sum(cost) / len(cost)
    data: Data = {
        "machines": [{"id": one, "busy": rng.randint(0, 480)} for one in machine_ids],
        "orders": orders,
        "routings": routings,
    }
    if rng.random() < 0.35:
        data["max_cost"] = round(cheapest + rng.uniform(0.3, 0.7) * (usual - cheapest)) + 1
    return data


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} distributes the open orders of a machining shop over its machines.",
            "A maker of metal parts decides which machine makes what of the open orders.",
        ),
        "The orders and their pieces are in orders.csv.",
        say.one_of(
            "routings.csv lists the machines that can make an order, with the minutes and the cost of a piece there.",
            "An order can be made only on machines with which it has a line in routings.csv, with the minutes and the "
            "cost of a piece.",
        ),
        say.one_of(
            "An order can be shared among several machines, which make their pieces independently of each other.",
            "Several machines can make pieces of the same order, also at the same time.",
        ),
        "A machine makes one piece after the other, without pauses or setup times. It starts when it has finished its "
        "earlier work, busy_until_min minutes from now (machines.csv).",
        say.one_of(
            "All pieces together can cost at most max_total_cost_eur, see parameters.csv.",
            "The total cost of the pieces must not exceed max_total_cost_eur (parameters.csv).",
        )
        if "max_cost" in data
        else "",
        "All machines must have finished at most max_end_min minutes from now, see parameters.csv."
        if "max_end" in data
        else "",
        say.one_of(
            "At least the ordered pieces must be made, and only whole ones.",
            "Each order needs at least its pieces. Only whole pieces can be made.",
        ),
        say.one_of(
            "What is the minimum total cost of the pieces, in EUR?",
            "Minimize the total cost of all pieces. What is it, in EUR?",
        )
        if _by_cost(data)
        else say.one_of(
            "In how many minutes from now can all machines have finished, earlier work included, at the earliest?",
            "Minimize the minutes from now until the last machine has finished, earlier work included. How many?",
        ),
        "The plan lists the pieces of each order on each machine; lines of nothing can be left out.",
    )


def _by_cost(data: Data) -> bool:
    """Return whether the cost is minimized instead of the makespan."""
    return data.get("goal") == "cost"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    pieces = {order["id"]: order["pieces"] for order in data["orders"]}
    end = model.variable(0.0 if _by_cost(data) else 1.0, upper=data.get("max_end", math.inf))
    made: dict[str, dict[int, float]] = {one: {} for one in pieces}
    work: dict[str, dict[int, float]] = {machine["id"]: {end: -1.0} for machine in data["machines"]}
    cost: dict[int, float] = {}
    for line in data["routings"]:
        number = model.variable(line["cost"] if _by_cost(data) else 0.0, upper=pieces[line["order"]], integer=True)
        made[line["order"]][number] = 1.0
        work[line["machine"]][number] = line["minutes"]
        cost[number] = line["cost"]
    for one, ordered in pieces.items():
        model.row(made[one], low=ordered)
    for machine in data["machines"]:
        model.row(work[machine["id"]], high=-machine["busy"])
    if "max_cost" in data:
        model.row(cost, high=data["max_cost"])
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "production": [
            {"order_id": line["order"], "machine_id": line["machine"], "pieces": round(pieces)}
            for line, pieces in zip(data["routings"], values[1:], strict=True)
            if pieces > 0.5
        ]
    }


def schema(data: Data) -> Schema:
    return plan_schema(
        production=rows(len(data["routings"]), order_id=TEXT, machine_id=TEXT, pieces=whole(0, 10**6)),
    )


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    routings = {(line["order"], line["machine"]): line for line in data["routings"]}
    work = {machine["id"]: float(machine["busy"]) for machine in data["machines"]}
    made = Counter[str]()
    cost = 0.0
    seen = set()
    for line in plan["production"]:
        one, machine, pieces = line["order_id"], line["machine_id"], line["pieces"]
        if (one, machine) not in routings:
            found.violated(f"order {one!r} has no routing on machine {machine!r}")
            continue
        if (one, machine) in seen:
            found.violated(f"order {one} is listed twice on machine {machine}")
        seen.add((one, machine))
        made[one] += pieces
        work[machine] += pieces * routings[one, machine]["minutes"]
        cost += pieces * routings[one, machine]["cost"]
    for order in data["orders"]:
        found.at_least(made[order["id"]], order["pieces"], f"order {order['id']} gets", "pieces of ordered")
    if "max_cost" in data:
        found.at_most(cost, data["max_cost"], "the pieces cost", "EUR of at most")
    end = max(work.values())
    if "max_end" in data:
        found.at_most(end, data["max_end"], "the last machine finishes after", "min of at most")
    return PlanCheck(objective=cost if _by_cost(data) else end, violations=found.violations)


LIMITS = (
    Limit(table="orders", field="pieces", sense="at least", words="the ordered pieces of order {id}", unit="pieces"),
    Limit(field="max_cost", words="the largest total cost", unit="EUR"),
    Limit(field="max_end", words="the time at which all machines must have finished", unit="min"),
)


def cheaper(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Allow less cost than that of the plan."""
    if "max_cost" in data:
        return None
    costs: dict[str, list[float]] = {}
    for line in data["routings"]:
        costs.setdefault(line["order"], []).append(line["cost"])
    cheapest = sum(order["pieces"] * min(costs[order["id"]]) for order in data["orders"])
    cost = check({**data, "goal": "cost"}, plan).objective or 0.0
    return {**data, "max_cost": math.ceil(cheapest + rng.uniform(0.2, 0.7) * (cost - cheapest))}


def cheapest_in_time(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Minimize the cost with a little more time than the plan needs."""
    return {**data, "goal": "cost", "max_end": math.ceil(rng.uniform(1.03, 1.2) * (check(data, plan).objective or 0.0))}


REVISIONS = (
    Revision(
        name="cheaper", kind="constraint", apply=cheaper,
        request=lambda data: f"All pieces together can cost at most {data['max_cost']} EUR.",
    ),
    Revision(
        name="cost", kind="objective", apply=cheapest_in_time,
        request=lambda data: "The total cost of all pieces (cost_eur_per_piece in routings.csv) must now be as small "
        f"as possible, in EUR. It is enough if all machines have finished {data['max_end']} minutes from now.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "scheduling",
    cost=(
        (", obj=1)", ")"),
        ("ub=float(ordered[order]))", "ub=float(ordered[order]), obj=price)"),
    ),
)

FAMILY = ScaledFamily(
    name="scheduling", difficulty="complex", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
