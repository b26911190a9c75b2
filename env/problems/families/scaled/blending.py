"""How much of each scrap to melt into each alloy at least cost, with the right content of all elements.

Infeasible if a required content exceeds that of every permitted scrap. Limits of a scrap's share are optional.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.identifiers import CITIES, identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import AMOUNT, TEXT, Schema, plan_schema, rows
from storm_calm.env.problems.families.scaled.requirements import Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import Plan, PlanCheck, ScaledFamily, program_of
from storm_calm.env.problems.families.scaled.tables import Column, Data, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

ELEMENTS = ("Cr", "Cu", "Mn", "Mo", "Ni", "Si")

TABLES = (
    Table(
        key="scraps",
        file="scrap_stock.csv",
        columns=(
            Column("scrap_id", "id"),
            Column("yard", fill=CITIES),
            Column("stock_t", "stock"),
            Column("price_eur_per_t", "price"),
            Column("co2_kg_per_t", "co2"),
            Column("min_use_t", "least"),
        ),
    ),
    Table(
        key="analyses",
        file="analyses.csv",
        columns=(
            Column("scrap_id", "scrap"),
            Column("element", "element"),
            Column("content_pct", "content"),
            Column("laboratory", fill=("LAB1", "LAB2", "LAB1", "external", "LAB2")),
        ),
    ),
    Table(
        key="alloys",
        file="alloys.csv",
        columns=(
            Column("alloy_id", "id"),
            Column("furnace", fill=("F1", "F2", "F3")),
            Column("ordered_t", "tons"),
        ),
    ),
    Table(
        key="specifications",
        file="specifications.csv",
        columns=(
            Column("alloy_id", "alloy"),
            Column("element", "element"),
            Column("min_pct", "least"),
            Column("max_pct", "most"),
        ),
    ),
    Table(
        key="permits",
        file="permitted_scrap.csv",
        columns=(Column("alloy_id", "alloy"), Column("scrap_id", "scrap"), Column("max_share_pct", "share")),
    ),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw scraps and alloys. Each permitted scrap of an alloy has a variable."""
    reach = max(4, round(size**0.25))
    alloys = identifiers(rng, "AL", max(2, round(size / reach)))
    scraps = identifiers(rng, "SC", max(reach + 2, round(1.2 * len(alloys) ** 0.7)))
    content = {
        one: {element: round(rng.uniform(0.05, 4), 2) for element in ELEMENTS if rng.random() < 0.8} for one in scraps
    }
    used = dict.fromkeys(scraps, 0.0)
    orders: list[Data] = []
    specifications: list[Data] = []
    permits: list[Data] = []
    limited = rng.random() < 0.35
    for one in alloys:
        tons = rng.randint(20, 300)
        permitted = sorted(rng.sample(scraps, reach))
        # A feasible plan: the shares of these scraps.
        parts = [rng.random() ** 2 + 0.01 for _ in permitted]
        shares = {scrap: part / sum(parts) for scrap, part in zip(permitted, parts, strict=True)}
        for scrap, share in shares.items():
            used[scrap] += tons * share
            permit: Data = {"alloy": one, "scrap": scrap}
            if limited and rng.random() < 0.2:
                permit["share"] = max(math.ceil(100 * share), rng.randint(15, 50))
            permits.append(permit)
        for element in sorted(rng.sample(ELEMENTS, rng.randint(2, 4))):
            mixed = sum(share * content[scrap].get(element, 0) for scrap, share in shares.items())
            if not mixed:
                continue
            specification: Data = {"alloy": one, "element": element}
            kind = rng.choice(("least", "most", "both"))
            if kind != "most":
                specification["least"] = math.floor(100 * mixed * rng.uniform(0.8, 0.99)) / 100
            if kind != "least":
                specification["most"] = math.ceil(100 * mixed * rng.uniform(1.01, 1.2)) / 100
            specifications.append(specification)
        orders.append({"id": one, "tons": tons})
    if rng.random() < 0.06:
        strict = rng.choice(specifications)
        strict.pop("most", None)
        permitted = [permit["scrap"] for permit in permits if permit["alloy"] == strict["alloy"]]
        highest = max(content[scrap].get(strict["element"], 0) for scrap in permitted)
        strict["least"] = round(highest + rng.uniform(0.05, 0.4), 2)
    return {
        "scraps": [
            {
                "id": one,
                "stock": math.ceil(used[one] * rng.uniform(1.02, 1.4)) + 1,
                "price": rng.randint(180, 950),
                "co2": rng.randint(60, 700),
            }
            for one in scraps
        ],
        "analyses": [
            {"scrap": one, "element": element, "content": content[one][element]}
            for one in scraps
            for element in content[one]
        ],
        "alloys": orders,
        "specifications": specifications,
        "permits": permits,
    }


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} plans which scrap a steelworks melts into which alloy.",
            "A foundry melts scrap of many grades into the alloys that its customers have ordered.",
        ),
        "The tons of each alloy that must be made, no fewer and no more, are in alloys.csv.",
        "scrap_stock.csv has the tons of each scrap in stock and the price of a ton.",
        "At least min_use_t of a scrap must be used, in all alloys together; an empty cell is no requirement."
        if any("least" in scrap for scrap in data["scraps"])
        else "",
        say.one_of(
            "An alloy can contain only the scraps with which it has a line in permitted_scrap.csv.",
            "permitted_scrap.csv lists which scrap can go into which alloy; others cannot.",
        ),
        "Some lines limit the scrap's share of the alloy's weight, as max_share_pct; an empty cell is no limit."
        if any("share" in permit for permit in data["permits"])
        else "",
        "The content of elements in each scrap is in analyses.csv, in percent of the weight; an element without a line "
        "is not in the scrap.",
        say.one_of(
            "The alloys must keep the limits in specifications.csv, also in percent of the weight; an empty cell is no "
            "limit.",
            "specifications.csv has the least and the greatest content of elements in an alloy, in percent of the "
            "weight; an empty cell is no limit.",
        ),
        say.one_of(
            "Nothing is lost in the furnace: an alloy weighs as much as its scrap and has all of its elements.",
            "The weight of an alloy, and of each element in it, is the sum over its scrap.",
        ),
        say.divisibility(False),
        say.one_of(
            "What is the minimum CO2 emission of all scrap that is used, in kg (tons times co2_kg_per_t)?",
            "Minimize the CO2 of the scrap, which is the tons times co2_kg_per_t. What is it, in kg?",
        )
        if _green(data)
        else say.one_of(
            "What is the minimum total cost of the scrap, in EUR?", "Minimize the cost of scrap. What is it, in EUR?"
        ),
        "The plan lists the tons of each scrap in each alloy; lines of nothing can be left out.",
    )


def _green(data: Data) -> bool:
    """Return whether the emissions are minimized instead of the cost."""
    return data.get("goal") == "emissions"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    cost = {scrap["id"]: scrap["co2"] if _green(data) else scrap["price"] for scrap in data["scraps"]}
    content = {(line["scrap"], line["element"]): line["content"] for line in data["analyses"]}
    tons = {alloy["id"]: alloy["tons"] for alloy in data["alloys"]}
    used: dict[str, dict[int, float]] = {one: {} for one in cost}
    parts: dict[str, dict[str, int]] = {one: {} for one in tons}
    for permit in data["permits"]:
        alloy, scrap = permit["alloy"], permit["scrap"]
        limit = {"upper": permit["share"] / 100 * tons[alloy]} if "share" in permit else {}
        amount = model.variable(cost[scrap], **limit)
        used[scrap][amount] = 1.0
        parts[alloy][scrap] = amount
    for scrap in data["scraps"]:
        least = {"low": scrap["least"]} if "least" in scrap else {}
        model.row(used[scrap["id"]], **least, high=scrap["stock"])
    for one, ordered in tons.items():
        model.row(dict.fromkeys(parts[one].values(), 1.0), low=ordered, high=ordered)
    for line in data["specifications"]:
        amounts = parts[line["alloy"]].items()
        row = {amount: content.get((scrap, line["element"]), 0.0) for scrap, amount in amounts}
        limits = {"low": line.get("least"), "high": line.get("most")}
        ordered = tons[line["alloy"]]
        model.row(row, **{side: limit * ordered for side, limit in limits.items() if limit is not None})
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "melts": [
            {"alloy_id": permit["alloy"], "scrap_id": permit["scrap"], "tons": tons}
            for permit, tons in zip(data["permits"], values, strict=True)
            if tons > 1e-9
        ]
    }


def schema(data: Data) -> Schema:
    return plan_schema(melts=rows(len(data["permits"]), alloy_id=TEXT, scrap_id=TEXT, tons=AMOUNT))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    permits = {(permit["alloy"], permit["scrap"]): permit for permit in data["permits"]}
    scraps = {scrap["id"]: scrap for scrap in data["scraps"]}
    contents: dict[str, list[Data]] = {one: [] for one in scraps}
    for line in data["analyses"]:
        contents[line["scrap"]].append(line)
    melted: dict[tuple[str, str], float] = {}
    used, made = Counter[str](), Counter[str]()
    elements = Counter[tuple[str, str]]()
    total = 0.0
    for melt in plan["melts"]:
        alloy, scrap, tons = melt["alloy_id"], melt["scrap_id"], melt["tons"]
        if (alloy, scrap) not in permits:
            found.violated(f"scrap {scrap!r} is not permitted in alloy {alloy!r}")
            continue
        if (alloy, scrap) in melted:
            found.violated(f"scrap {scrap} is listed twice in alloy {alloy}")
        melted[alloy, scrap] = melted.get((alloy, scrap), 0.0) + tons
        used[scrap] += tons
        made[alloy] += tons
        for line in contents[scrap]:
            elements[alloy, line["element"]] += tons * line["content"]
        total += tons * scraps[scrap]["co2" if _green(data) else "price"]
    for one, scrap in scraps.items():
        found.at_most(used[one], scrap["stock"], f"of scrap {one}, the alloys use", "t of stock")
        found.at_least(used[one], scrap.get("least", 0), f"of scrap {one}, the alloys use", "t instead of at least")
    for alloy in data["alloys"]:
        one, ordered = alloy["id"], alloy["tons"]
        found.at_least(made[one], ordered, f"alloy {one} weighs", "t of ordered")
        found.at_most(made[one], ordered, f"alloy {one} weighs", "t, more than ordered:")
    for (alloy, scrap), tons in melted.items():
        permit = permits[alloy, scrap]
        if "share" in permit and tons > 0:
            subject = f"scrap {scrap} has a share of alloy {alloy} of"
            found.at_most(100 * tons / made[alloy], permit["share"], subject, "% of at most")
    for line in data["specifications"]:
        alloy, element = line["alloy"], line["element"]
        if made[alloy] > 0:
            percent = elements[alloy, element] / made[alloy]
            subject = f"alloy {alloy} contains {element}:"
            found.at_least(percent, line.get("least", 0), subject, "% instead of at least")
            found.at_most(percent, line.get("most", 100), subject, "% instead of at most")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="scraps", field="stock", words="the stock of scrap {id}", unit="t"),
    Limit(table="alloys", field="tons", sense="at least", words="the ordered weight of alloy {id}", unit="t"),
    Limit(
        table="specifications", field="least", sense="at least",
        words="the least content of {element} in alloy {alloy}", unit="%",
    ),
    Limit(table="specifications", field="most", words="the greatest content of {element} in alloy {alloy}", unit="%"),
)  # fmt: skip


def least_use(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Require more of a scrap than the plan uses."""
    used = Counter[str]()
    for melt in plan["melts"]:
        used[melt["scrap_id"]] += melt["tons"]
    rest = {index: row["stock"] - used[row["id"]] for index, row in enumerate(data["scraps"])}
    idle = [index for index, tons in rest.items() if tons >= 20]
    if not idle:
        return None
    chosen = rng.choice(idle)
    least = int(data["scraps"][chosen]["stock"] - rest[chosen] * rng.uniform(0.4, 0.8))
    scraps = list(data["scraps"])
    scraps[chosen] = {**scraps[chosen], "least": least}
    return {**data, "scraps": scraps}


def least_words(data: Data) -> str:
    chosen = next(scrap for scrap in data["scraps"] if "least" in scrap)
    return f"At least {chosen['least']} t of scrap {chosen['id']} must be used, in all alloys together."


REVISIONS = (
    Revision(name="least-use", kind="constraint", apply=least_use, request=least_words),
    Revision(
        name="emissions", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "emissions"},
        request=lambda data: "The CO2 emission of all scrap that is used must be as small as possible, whatever the "
        "cost. It is the tons of each scrap times its co2_kg_per_t in scrap_stock.csv, in kg.",
    ),
)  # fmt: skip

PROGRAM = program_of("blending", emissions=(("price_eur_per_t", "co2_kg_per_t"),))

FAMILY = ScaledFamily(
    name="blending", difficulty="complex", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
