"""Which bonds to buy in whole lots at the greatest yearly income, within limits of issuers and sectors.

A limit on the average duration is optional. Infeasible if a sector has too few bonds for its minimum.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.identifiers import CITIES, identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import TEXT, Schema, plan_schema, rows, whole
from storm_calm.env.problems.families.scaled.requirements import Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import Plan, PlanCheck, ScaledFamily, program_of
from storm_calm.env.problems.families.scaled.tables import Column, Data, Parameters, Scalar, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

SECTORS = ("government", "utilities", "banks", "industry", "telecom", "real_estate", "transport", "retail")
"""With the mean coupon rising from the first to the last."""

ROUND = 10_000
"""Limits are multiples of these EUR."""

TABLES = (
    Table(
        key="sectors",
        file="sector_limits.csv",
        columns=(
            Column("sector", "id"),
            Column("min_eur", "least"),
            Column("max_eur", "most"),
        ),
    ),
    Table(
        key="issuers",
        file="issuers.csv",
        columns=(
            Column("issuer_id", "id"),
            Column("sector", "sector"),
            Column("head_office", fill=CITIES),
        ),
    ),
    Table(
        key="bonds",
        file="bonds.csv",
        columns=(
            Column("bond_id", "id"),
            Column("issuer_id", "issuer"),
            Column("coupon_percent", "coupon"),
            Column("price_percent_of_nominal", "price"),
            Column("duration_years", "duration"),
            Column("lot_nominal_eur", "lot"),
            Column("lots_offered", "lots"),
            Column("dealer", fill=("Northgate", "Baltic Desk", "Riverside")),
        ),
    ),
    Parameters(
        file="parameters.csv",
        scalars=(
            Scalar("budget_eur", "budget"),
            Scalar("max_eur_per_issuer", "issuer_most"),
            Scalar("max_average_duration_years", "duration_most"),
        ),
    ),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw issuers and bonds. Each bond is a variable."""
    sectors = SECTORS[: max(3, min(len(SECTORS), round(size**0.4)))]
    # Each sector has an issuer at least, and each issuer a bond.
    issuers = [
        {"id": one, "sector": sectors[place] if place < len(sectors) else rng.choice(sectors)}
        for place, one in enumerate(identifiers(rng, "ISS", max(len(sectors), round(size**0.7))))
    ]
    bonds: list[Data] = []
    sector_of = {issuer["id"]: issuer["sector"] for issuer in issuers}
    owned, offered, by_sector = (
        dict.fromkeys(sector_of, 0.0),
        dict.fromkeys(sector_of, 0.0),
        dict.fromkeys(sectors, 0.0),
    )
    spent = years = 0.0
    for place, one in enumerate(identifiers(rng, "XS", size)):
        issuer = issuers[place]["id"] if place < len(issuers) else rng.choice(issuers)["id"]
        sector = sector_of[issuer]
        duration = round(rng.uniform(0.8, 14), 1)
        coupon = round(1.2 + 0.35 * sectors.index(sector) + 0.15 * duration + rng.uniform(-0.6, 0.9), 3)
        price = round(98 + rng.uniform(-9, 9), 2)
        lot = rng.choice((10_000, 10_000, 20_000, 50_000))
        lots = max(5, round(rng.uniform(2e5, 4e6) / lot))
        bonds.append(
            {
                "id": one, "issuer": issuer, "coupon": coupon, "price": price, "duration": duration, "lot": lot,
                "lots": lots,
            }
        )  # fmt: skip
        # A feasible plan buys about a fifth of each bond.
        value = lot * price / 100
        cost = value * (lots // 5)
        spent += cost
        years += cost * duration
        owned[issuer] += cost
        by_sector[sector] += cost
        offered[issuer] += value * lots
    issuer_most = _up(max(owned.values()))
    limits: list[Data] = []
    for sector in sectors:
        limit: Data = {"id": sector, "most": _up(by_sector[sector] * rng.uniform(1.1, 1.6))}
        if rng.random() < 0.5:
            limit["least"] = int(by_sector[sector] * rng.uniform(0.5, 0.95) / ROUND) * ROUND
        limits.append(limit)
    if rng.random() < 0.06:
        room = dict.fromkeys(sectors, 0.0)
        for issuer, amount in offered.items():
            room[sector_of[issuer]] += min(amount, issuer_most)
        limit = min(limits, key=lambda one: room[one["id"]])
        limit["least"] = _up(room[limit["id"]] * rng.uniform(1.02, 1.1))
        limit["most"] = max(limit["most"], limit["least"])
    data: Data = {
        "sectors": limits,
        "issuers": issuers,
        "bonds": bonds,
        "budget": _up(spent),
        "issuer_most": issuer_most,
    }
    if rng.random() < 0.35:
        data["duration_most"] = math.ceil(years / spent * 10) / 10
    return data


def _up(amount: float) -> int:
    """Round up."""
    return math.ceil(amount / ROUND) * ROUND


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} invests the reserves of an insurer in bonds.",
            "A pension fund invests a budget in bonds.",
        ),
        "The bonds on offer are in bonds.csv. A bond is bought in whole lots, at most lots_offered of them. A lot has "
        "the nominal value lot_nominal_eur, and costs price_percent_of_nominal percent of it.",
        say.one_of(
            "All purchases together cannot cost more than budget_eur in parameters.csv; not all of it must be spent.",
            "At most budget_eur (parameters.csv) can be spent in total.",
        ),
        say.one_of(
            "The bonds of one issuer together may cost at most max_eur_per_issuer (parameters.csv).",
            "For the bonds of each issuer, at most max_eur_per_issuer in parameters.csv can be spent.",
        ),
        "issuers.csv has the sector of each issuer, and sector_limits.csv the least (min_eur; an empty cell is no "
        "limit) and the most (max_eur) that the bonds of a sector together may cost."
        if any("least" in limit for limit in data["sectors"])
        else "issuers.csv has the sector of each issuer, and sector_limits.csv the most (max_eur) that the bonds of a "
        "sector together may cost.",
        say.one_of(
            "The average duration of the purchases, weighted with their costs, can be at most "
            "max_average_duration_years (parameters.csv).",
            "Weighted with the costs of the purchases, their average duration_years cannot exceed "
            "max_average_duration_years in parameters.csv.",
        )
        if "duration_most" in data
        else "",
        "In a year, a bond pays coupon_percent percent of its nominal value.",
        say.one_of(
            "What is the greatest total nominal value of the purchases, in EUR, whatever the coupons?",
            "Not the coupons, but the total nominal value of the purchases is maximized. How much is it, in EUR?",
        )
        if _by_nominal(data)
        else say.one_of(
            "What is the maximum total of the yearly coupons, in EUR?",
            "Maximize the yearly coupon payments. How much are they in total, in EUR?",
        ),
        "The plan lists the lots of each bond; bonds that are not bought can be left out.",
    )


def _by_nominal(data: Data) -> bool:
    """Return whether the nominal value is maximized instead of the coupons."""
    return data.get("goal") == "nominal"


def model(data: Data) -> LinearModel:
    model = LinearModel("maximize")
    sector = {issuer["id"]: issuer["sector"] for issuer in data["issuers"]}
    spent: dict[int, float] = {}
    by_issuer: dict[str, dict[int, float]] = {issuer["id"]: {} for issuer in data["issuers"]}
    by_sector: dict[str, dict[int, float]] = {limit["id"]: {} for limit in data["sectors"]}
    excess: dict[int, float] = {}
    for bond in data["bonds"]:
        worth = bond["lot"] * (1.0 if _by_nominal(data) else bond["coupon"] / 100)
        lots = model.variable(worth, upper=bond["lots"], integer=True)
        cost = bond["lot"] * bond["price"] / 100
        spent[lots] = by_issuer[bond["issuer"]][lots] = by_sector[sector[bond["issuer"]]][lots] = cost
        excess[lots] = cost * (bond["duration"] - data.get("duration_most", 0.0))
    model.row(spent, high=data["budget"])
    for issuer in data["issuers"]:
        model.row(by_issuer[issuer["id"]], high=data["issuer_most"])
    for limit in data["sectors"]:
        model.row(by_sector[limit["id"]], low=limit.get("least", 0), high=limit["most"])
    if "duration_most" in data:
        model.row(excess, high=0.0)
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "purchases": [
            {"bond_id": bond["id"], "lots": round(lots)}
            for bond, lots in zip(data["bonds"], values, strict=True)
            if lots > 0.5
        ]
    }


def schema(data: Data) -> Schema:
    return plan_schema(purchases=rows(len(data["bonds"]), bond_id=TEXT, lots=whole(0, 1_000_000)))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    bonds = {bond["id"]: bond for bond in data["bonds"]}
    sector = {issuer["id"]: issuer["sector"] for issuer in data["issuers"]}
    bought, by_issuer, by_sector = Counter[str](), Counter[str](), Counter[str]()
    spent = years = total = 0.0
    for purchase in plan["purchases"]:
        one, lots = purchase["bond_id"], purchase["lots"]
        if one not in bonds:
            found.violated(f"there is no bond {one!r}")
            continue
        if one in bought:
            found.violated(f"bond {one} is listed twice")
        bought[one] += lots
        bond = bonds[one]
        nominal = lots * bond["lot"]
        cost = nominal * bond["price"] / 100
        spent += cost
        years += cost * bond["duration"]
        total += nominal if _by_nominal(data) else nominal * bond["coupon"] / 100
        by_issuer[bond["issuer"]] += cost
        by_sector[sector[bond["issuer"]]] += cost
    for one, lots in bought.items():
        found.at_most(lots, bonds[one]["lots"], f"bond {one}: the plan buys", "lots of at most")
    found.at_most(spent, data["budget"], "the purchases cost", "EUR of a budget of")
    for one in sector:
        found.at_most(by_issuer[one], data["issuer_most"], f"bonds of issuer {one} cost", "EUR of at most")
    for limit in data["sectors"]:
        one = limit["id"]
        found.at_most(by_sector[one], limit["most"], f"bonds of sector {one} cost", "EUR of at most")
        if "least" in limit:
            found.at_least(by_sector[one], limit["least"], f"bonds of sector {one} cost", "EUR of at least")
    if "duration_most" in data and spent:
        found.at_most(
            years / spent, data["duration_most"], "the purchases have an average duration of", "years of at most"
        )
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(field="budget", words="the budget", unit="EUR"),
    Limit(field="issuer_most", words="the largest amount for the bonds of an issuer", unit="EUR"),
    Limit(table="sectors", field="most", words="the largest amount for the sector {id}", unit="EUR"),
    Limit(table="sectors", field="least", sense="at least", words="the least amount for the sector {id}", unit="EUR"),
    Limit(table="bonds", field="lots", words="the offered lots of bond {id}", unit="lots"),
    Limit(field="duration_most", words="the largest average duration", unit="years"),
)


def shorter_duration(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Limit the average duration to less than that of the plan."""
    bonds = {bond["id"]: bond for bond in data["bonds"]}
    cost = {
        one["bond_id"]: one["lots"] * bonds[one["bond_id"]]["lot"] * bonds[one["bond_id"]]["price"]
        for one in plan["purchases"]
    }
    if "duration_most" in data or not cost:
        return None
    average = sum(amount * bonds[one]["duration"] for one, amount in cost.items()) / sum(cost.values())
    return {**data, "duration_most": round(average * rng.uniform(0.75, 0.95), 1)}


REVISIONS = (
    Revision(
        name="shorter-duration", kind="constraint", apply=shorter_duration,
        request=lambda data: "The average duration_years of the purchases, weighted with their costs, can be at most "
        f"{data['duration_most']} years.",
    ),
    Revision(
        name="nominal", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "nominal"},
        request=lambda data: "The total nominal value of the purchases must now be as large as possible, in EUR, "
        "whatever the coupons.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "investment",
    nominal=(
        ("# Cost and yearly coupon of a lot.", "# Cost of a lot."),
        ('bonds["income"] = bonds["lot_nominal_eur"] * bonds["coupon_percent"] / 100\n', ""),
        ("income * x for income, x in", "nominal * x for nominal, x in"),
        ('zip(bonds["income"]', 'zip(bonds["lot_nominal_eur"]'),
    ),
)

FAMILY = ScaledFamily(
    name="investment", difficulty="easy", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
