"""How to cut ordered pieces from as few bars as possible; bars of several lengths differ in price.

Bars that are cut in the same way are counted together. The largest number of pieces of a bar is optional.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

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
        key="bars",
        file="bars.csv",
        columns=(
            Column("material_id", "material"),
            Column("bar_length_mm", "length"),
            Column("price_eur_per_bar", "price"),
            Column("mill", fill=("Nordstahl", "Acciai Riva", "Huta Slask")),
        ),
    ),
    Table(
        key="orders",
        file="orders.csv",
        columns=(
            Column("order_id", "id"),
            Column("customer", fill=("Keller Metal", "Dufour", "Brandt AG", "Ostrava Works", "Lindqvist")),
            Column("material_id", "material"),
            Column("piece_length_mm", "length"),
            Column("ordered_pieces", "pieces"),
        ),
    ),
    Parameters(
        file="parameters.csv", scalars=(Scalar("saw_cut_mm", "saw_cut"), Scalar("max_pieces_per_bar", "max_pieces"))
    ),
)
BARS = (6000, 8000, 10_000, 12_000)
"""Millimeters of the bars that mills offer."""
Way = tuple[int, ...]
"""A way to cut a bar: its pieces of each order."""


def draw(rng: random.Random, size: int) -> Data:
    """Draw materials with bars and orders. Each way to cut a bar without room for one more piece has a variable."""
    saw_cut = rng.randint(2, 6)
    limits = {"max_pieces": rng.randint(4, 6)} if rng.random() < 0.35 else {}
    most = max(30, size // 60)
    materials: list[tuple[list[int], list[int]]] = []
    variables = 0
    while variables < size:
        lengths = sorted(rng.sample(BARS, rng.choice((1, 2))))
        longest = lengths[-1]
        pieces = sorted(
            (rng.randrange(longest // 10, longest * 9 // 10, 5) for _ in range(rng.randint(2, 10))), reverse=True
        )
        needed = [piece + saw_cut for piece in pieces]
        ways = sum(len(list(islice(_ways(needed, room, **limits), most + 1))) for room in lengths)
        if most / 4 <= ways <= most:
            variables += ways
            materials.append((lengths, pieces))
    bars, orders = [], []
    for one, (lengths, pieces) in zip(identifiers(rng, "MAT", len(materials)), materials, strict=True):
        rate = rng.uniform(3, 15)
        for length in lengths:
            price = round(rate * length / 1000 * rng.uniform(0.95, 1.08), 2)
            bars.append({"material": one, "length": length, "price": price})
        orders += [{"material": one, "length": piece, "pieces": rng.randint(30, 400)} for piece in pieces]
    rng.shuffle(orders)
    order_ids = identifiers(rng, "ORD", len(orders))
    return {
        "bars": bars,
        "orders": [{"id": one, **order} for one, order in zip(order_ids, orders, strict=True)],
        "saw_cut": saw_cut,
        **limits,
    }


def _ways(needed: Sequence[int], room: int, max_pieces: int = 10**6) -> Iterator[Way]:
    """Yield the ways to cut a bar that leave no room for one more piece.

    needed: millimeters of a bar for a piece of each order, in descending order. room: millimeters of the bar.
    """
    first, *others = needed
    fitting = min(room // first, max_pieces)
    if not others:
        yield (fitting,)
        return
    for number in range(fitting, -1, -1):
        for rest in _ways(others, room - number * first, max_pieces - number):
            yield (number, *rest)


def _cuts(data: Data) -> Iterator[tuple[Data, list[Data], Way]]:
    """Yield each bar with the orders of its material, and each way to cut it."""
    orders: dict[str, list[Data]] = {bar["material"]: [] for bar in data["bars"]}
    for order in sorted(data["orders"], key=lambda order: -order["length"]):
        orders[order["material"]].append(order)
    limits = {"max_pieces": data["max_pieces"]} if "max_pieces" in data else {}
    for bar in data["bars"]:
        ordered = orders[bar["material"]]
        for way in _ways([order["length"] + data["saw_cut"] for order in ordered], bar["length"], **limits):
            if any(way):
                yield bar, ordered, way


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} plans how a steel service center cuts bars for its customers.",
            "A metal workshop buys steel bars and cuts them into the pieces that its customers have ordered.",
        ),
        "The orders are in orders.csv, with the material, the length of a piece and the number of pieces.",
        say.one_of(
            "The bars that can be bought are in bars.csv: a material can have several lengths, with a price for each.",
            "For each material, bars.csv has the lengths of bars on offer, with the price of a bar.",
        ),
        "Any number of them can be bought.",
        "All pieces of a bar are of its material; pieces of several orders can be cut from one bar.",
        say.one_of(
            "Each piece takes its own length and saw_cut_mm (parameters.csv) more from the bar, the last piece too.",
            "For each piece, the saw takes another saw_cut_mm from the bar, see parameters.csv, also for the last one.",
        ),
        say.one_of(
            "At most max_pieces_per_bar pieces can be cut from a bar, see parameters.csv.",
            "The saw cuts no more than max_pieces_per_bar pieces from one bar (parameters.csv).",
        )
        if "max_pieces" in data
        else "",
        say.one_of(
            "At least the ordered pieces must be cut, and rests of bars are worth nothing.",
            "Each order needs its pieces; more of them are allowed, but they and the rests of bars are scrap.",
        ),
        say.one_of(
            "What is the smallest number of bars, of all lengths and materials together, whatever they cost?",
            "Minimize the number of bars, of all lengths and materials together, whatever they cost. What is it?",
        )
        if _by_count(data)
        else say.one_of(
            "What is the minimum total price of the bars, in EUR?",
            "Buy bars for as little as possible. What do all bars cost together, in EUR?",
        ),
        "The plan lists cuts: the material and length of a bar, the number of bars that are cut in this way, and the "
        "pieces of each order from one such bar.",
    )


def _by_count(data: Data) -> bool:
    """Return whether the number of bars is minimized instead of their price."""
    return data.get("goal") == "count"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    made: dict[str, dict[int, float]] = {order["id"]: {} for order in data["orders"]}
    for bar, orders, way in _cuts(data):
        bars = model.variable(1.0 if _by_count(data) else bar["price"], integer=True)
        for order, pieces in zip(orders, way, strict=True):
            if pieces:
                made[order["id"]][bars] = float(pieces)
    for order in data["orders"]:
        model.row(made[order["id"]], low=order["pieces"])
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "cuts": [
            {
                "material_id": bar["material"],
                "bar_length_mm": bar["length"],
                "bars": round(bars),
                "pieces": [
                    {"order_id": order["id"], "pieces_per_bar": pieces}
                    for order, pieces in zip(orders, way, strict=True)
                    if pieces
                ],
            }
            for (bar, orders, way), bars in zip(_cuts(data), values, strict=True)
            if bars > 0.5
        ]
    }


def schema(data: Data) -> Schema:
    number = whole(1, 10**6)
    pieces = rows(len(data["orders"]), order_id=TEXT, pieces_per_bar=number)
    most = sum(order["pieces"] for order in data["orders"])
    return plan_schema(cuts=rows(most, material_id=TEXT, bar_length_mm=number, bars=number, pieces=pieces))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    price = {(bar["material"], bar["length"]): bar["price"] for bar in data["bars"]}
    orders = {order["id"]: order for order in data["orders"]}
    made = Counter[str]()
    total = 0.0
    for number, cut in enumerate(plan["cuts"], start=1):
        material, length = cut["material_id"], cut["bar_length_mm"]
        if (material, length) not in price:
            found.violated(f"cut {number}: there is no bar of material {material!r} with {length} mm")
            continue
        total += cut["bars"] * (1 if _by_count(data) else price[material, length])
        used = count = 0
        listed = set()
        for line in cut["pieces"]:
            one, pieces = line["order_id"], line["pieces_per_bar"]
            if one not in orders:
                found.violated(f"cut {number}: there is no order {one!r}")
                continue
            if one in listed:
                found.violated(f"cut {number}: order {one} is listed twice")
            listed.add(one)
            order = orders[one]
            if order["material"] != material:
                found.violated(f"cut {number}: order {one} is of material {order['material']}, the bar of {material}")
                continue
            used += pieces * (order["length"] + data["saw_cut"])
            count += pieces
            made[one] += pieces * cut["bars"]
        found.at_most(used, length, f"cut {number}: the pieces and saw cuts take", "mm of a bar with")
        if "max_pieces" in data:
            found.at_most(count, data["max_pieces"], f"cut {number}: a bar gives", "pieces of at most")
    for one, order in orders.items():
        found.at_least(made[one], order["pieces"], f"order {one} gets", "pieces of ordered")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="orders", field="pieces", sense="at least", words="the ordered pieces of order {id}", unit="pieces"),
    Limit(field="max_pieces", words="the largest number of pieces of a bar", unit="pieces"),
)


def fewer_pieces(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Allow fewer pieces of a bar than the plan cuts from one."""
    most = max(sum(line["pieces_per_bar"] for line in cut["pieces"]) for cut in plan["cuts"]) - rng.choice((1, 2))
    return None if "max_pieces" in data or most < 2 else {**data, "max_pieces": most}


REVISIONS = (
    Revision(
        name="fewer-pieces", kind="constraint", apply=fewer_pieces,
        request=lambda data: f"At most {data['max_pieces']} pieces can be cut from one bar.",
    ),
    Revision(
        name="count", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "count"},
        request=lambda data: "The number of bars, of all lengths and materials together, must now be as small as "
        "possible, whatever they cost.",
    ),
)  # fmt: skip

PROGRAM = program_of("bin_packing", count=(("obj=price", "obj=1"),))

FAMILY = ScaledFamily(
    name="bin_packing", difficulty="complex", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
