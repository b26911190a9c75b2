"""How many units of each product to make at the greatest profit, with limited work centers and materials.

Confirmed orders, which must be delivered, are optional.
"""

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
from storm_calm.env.problems.families.scaled.tables import Column, Data, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

TABLES = (
    Table(
        key="products",
        file="products.csv",
        columns=(
            Column("product_id", "id"),
            Column("product_line", fill=("Garden", "Workshop", "Marine", "Agri", "Fleet", "Rail", "Mining")),
            Column("price_eur_per_unit", "price"),
            Column("max_sales_units_per_month", "most"),
        ),
    ),
    Table(
        key="centers",
        file="work_centers.csv",
        columns=(
            Column("work_center_id", "id"),
            Column("foreman", fill=("T. Okafor", "J. Novak", "A. Rossi", "L. Dubois", "S. Larsen")),
            Column("available_h_per_month", "hours"),
        ),
    ),
    Table(
        key="routings",
        file="routings.csv",
        columns=(
            Column("product_id", "product"),
            Column("work_center_id", "center"),
            Column("run_time_min_per_unit", "minutes"),
        ),
    ),
    Table(
        key="materials",
        file="materials.csv",
        columns=(
            Column("material_id", "id"),
            Column("supplier_city", fill=CITIES),
            Column("price_eur_per_kg", "price"),
            Column("available_kg_per_month", "kg"),
        ),
    ),
    Table(
        key="parts",
        file="bill_of_materials.csv",
        columns=(
            Column("product_id", "product"),
            Column("material_id", "material"),
            Column("quantity_kg_per_unit", "kg"),
        ),
    ),
    Table(
        key="orders",
        file="confirmed_orders.csv",
        columns=(
            Column("order_id", "id"),
            Column("customer_city", fill=CITIES[::-1]),
            Column("product_id", "product"),
            Column("quantity_units", "units"),
        ),
    ),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw products, work centers and materials. Each product is a variable."""
    product_ids = identifiers(rng, "P", size)
    center_ids = identifiers(rng, "WC", max(2, round(size**0.4)))
    material_ids = identifiers(rng, "RM", max(2, round(size**0.45)))
    price = {one: round(rng.uniform(0.8, 9), 2) for one in material_ids}
    products: list[Data] = []
    routings, parts = [], []
    minutes, kg = dict.fromkeys(center_ids, 0.0), dict.fromkeys(material_ids, 0.0)
    for product in product_ids:
        most = rng.randint(100, 1500)
        cost = margin = 0.0
        for center in rng.sample(center_ids, rng.randint(2, min(4, len(center_ids)))):
            time = round(rng.uniform(1.5, 25), 1)
            routings.append({"product": product, "center": center, "minutes": time})
            minutes[center] += time * most
            margin += 0.9 * time
        for material in rng.sample(material_ids, rng.randint(1, min(3, len(material_ids)))):
            amount = round(rng.uniform(0.2, 6), 2)
            parts.append({"product": product, "material": material, "kg": amount})
            kg[material] += amount * most
            cost += amount * price[material]
        products.append({"id": product, "price": round(cost + margin * rng.uniform(0.4, 1.6), 2), "most": most})
    data: Data = {
        "products": products,
        "centers": [{"id": one, "hours": round(minutes[one] / 60 * rng.uniform(0.4, 0.8)) + 1} for one in center_ids],
        "routings": routings,
        "materials": [
            {"id": one, "price": price[one], "kg": round(kg[one] * rng.uniform(0.45, 0.95)) + 1} for one in material_ids
        ],
        "parts": parts,
    }
    if rng.random() < 0.35:
        # At most 0.3 of what can be sold of each product: there are enough hours and materials.
        ordered = [one for one in products if rng.random() < 0.25 for _ in range(rng.randint(1, 3))] or products[:1]
        data["orders"] = [
            {"id": one, "product": product["id"], "units": rng.randint(1, product["most"] // 10)}
            for one, product in zip(identifiers(rng, "SO", len(ordered)), ordered, strict=True)
        ]
    return data


def question(data: Data, say: Wording) -> str:
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} plans next month's production of a machine builder.",
            "A manufacturer of spare parts decides how many units of each product it makes next month.",
        ),
        "The products are in products.csv, with the price of a unit and the most units that can be sold in the month.",
        "routings.csv has the minutes that a unit of a product takes on each work center it passes, and "
        "bill_of_materials.csv the kilograms of each material in it.",
        say.one_of(
            "The hours of each work center are limited by work_centers.csv, and the kilograms of each material by "
            "materials.csv.",
            "The hours in work_centers.csv and the kilograms in materials.csv cannot be exceeded.",
        ),
        say.one_of(
            "Materials are paid as they are used, at the price in materials.csv; all other costs are fixed.",
            "The only costs are those of the materials used, at the prices in materials.csv.",
        ),
        say.one_of(
            "Production of a product must be enough for all its confirmed orders in confirmed_orders.csv together.",
            "Of each product, at least the sum of its orders in confirmed_orders.csv must be made.",
        )
        + " These orders are part of what can be sold, at the same price."
        if "orders" in data
        else "",
        "Everything that is made is sold.",
        say.divisibility(True),
        say.one_of(
            "What are the greatest possible sales of the month, in EUR, whatever the materials cost?",
            "Not the profit, but the month's sales are maximized. How much are they, in EUR?",
        )
        if _by_sales(data)
        else say.one_of(
            "What is the maximum profit of the month, that is sales minus material costs, in EUR?",
            "Maximize the month's profit, which is sales minus the cost of materials. What is it, in EUR?",
        ),
        "The plan lists the units of each product; products that are not made can be left out.",
    )


def _by_sales(data: Data) -> bool:
    """Return whether the sales are maximized instead of the profit."""
    return data.get("goal") == "sales"


def model(data: Data) -> LinearModel:
    model = LinearModel("maximize")
    price = {material["id"]: material["price"] for material in data["materials"]}
    worth = {product["id"]: product["price"] for product in data["products"]}
    for part in () if _by_sales(data) else data["parts"]:
        worth[part["product"]] -= part["kg"] * price[part["material"]]
    made = {
        product["id"]: model.variable(worth[product["id"]], upper=product["most"], integer=True)
        for product in data["products"]
    }
    hours: dict[str, dict[int, float]] = {center["id"]: {} for center in data["centers"]}
    for step in data["routings"]:
        hours[step["center"]][made[step["product"]]] = step["minutes"] / 60
    for center in data["centers"]:
        model.row(hours[center["id"]], high=center["hours"])
    kg: dict[str, dict[int, float]] = {material["id"]: {} for material in data["materials"]}
    for part in data["parts"]:
        kg[part["material"]][made[part["product"]]] = part["kg"]
    for material in data["materials"]:
        model.row(kg[material["id"]], high=material["kg"])
    ordered = Counter[str]()
    for order in data.get("orders", ()):
        ordered[order["product"]] += order["units"]
    for product, units in ordered.items():
        model.row({made[product]: 1.0}, low=units)
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    return {
        "production": [
            {"product_id": product["id"], "units": round(units)}
            for product, units in zip(data["products"], values, strict=True)
            if units > 0.5
        ]
    }


def schema(data: Data) -> Schema:
    return plan_schema(production=rows(len(data["products"]), product_id=TEXT, units=whole(0, 1_000_000)))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    products = {product["id"]: product for product in data["products"]}
    made = Counter[str]()
    for entry in plan["production"]:
        one = entry["product_id"]
        if one not in products:
            found.violated(f"there is no product {one!r}")
            continue
        if one in made:
            found.violated(f"product {one} is listed twice")
        made[one] += entry["units"]
    price = {material["id"]: material["price"] for material in data["materials"]}
    total = sum(units * products[one]["price"] for one, units in made.items())
    hours, kg, ordered = Counter[str](), Counter[str](), Counter[str]()
    for step in data["routings"]:
        hours[step["center"]] += made[step["product"]] * step["minutes"] / 60
    for part in data["parts"]:
        amount = made[part["product"]] * part["kg"]
        kg[part["material"]] += amount
        total -= 0 if _by_sales(data) else amount * price[part["material"]]
    for order in data.get("orders", ()):
        ordered[order["product"]] += order["units"]
    for one, product in products.items():
        found.at_most(made[one], product["most"], f"product {one}: the plan makes", "units, and sales are at most")
        found.at_least(made[one], ordered[one], f"product {one}: the plan makes", "units, and confirmed orders are")
    for center in data["centers"]:
        found.at_most(hours[center["id"]], center["hours"], f"work center {center['id']} runs", "h of at most")
    for material in data["materials"]:
        found.at_most(kg[material["id"]], material["kg"], f"material {material['id']}: the plan uses", "kg of at most")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="centers", field="hours", words="the hours of work center {id}", unit="h a month"),
    Limit(table="materials", field="kg", words="the available amount of material {id}", unit="kg a month"),
    Limit(table="products", field="most", words="the largest sales of product {id}", unit="units a month"),
    Limit(table="orders", field="units", sense="at least", words="the quantity of order {id}", unit="units"),
)


def new_order(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Add an order of a product of which the plan makes too little for it."""
    made = {entry["product_id"]: entry["units"] for entry in plan["production"]}
    low = [one for one in data["products"] if made.get(one["id"], 0) < 0.5 * one["most"]]
    if not low:
        return None
    chosen = rng.choice(low)
    units = round(chosen["most"] * rng.uniform(0.55, 0.95))
    order = {"id": "SO-NEW", "product": chosen["id"], "units": units}
    return {**data, "orders": [*data.get("orders", ()), order]}


def order_in_words(data: Data) -> str:
    product, units = data["orders"][-1]["product"], data["orders"][-1]["units"]
    return (
        f"There is a new confirmed order SO-NEW of {units} units of product {product}. The confirmed orders of a "
        "product, in total, are the least that can be made of it; they count as sales at the usual price."
    )


REVISIONS = (
    Revision(name="new-order", kind="constraint", apply=new_order, request=order_in_words),
    Revision(
        name="sales", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "sales"},
        request=lambda data: "The sales of the month must now be as large as possible, in EUR, whatever the materials "
        "cost.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "product_mix",
    sales=(
        ("# The profit of a unit: its price minus the cost of its materials.\n", ""),
        ('cost = parts["quantity_kg_per_unit"] * parts["material_id"].map(materials["price_eur_per_kg"])\n', ""),
        ('profit = profit.sub(cost.groupby(parts["product_id"]).sum(), fill_value=0.0)\n', ""),
        ('profit = products["price_eur_per_unit"]', 'price = products["price_eur_per_unit"]'),
        ("pulp.lpSum(profit[product]", "pulp.lpSum(price[product]"),
    ),
)

FAMILY = ScaledFamily(
    name="product_mix", difficulty="easy", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
