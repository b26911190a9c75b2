"""Which food to buy from which supplier for each site, so that everyone gets enough of each nutrient at least cost.

A limit on the daily amount of some foods is optional.
"""

import random
from collections import Counter
from collections.abc import Sequence

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.geography import places, road
from storm_calm.env.problems.families.scaled.identifiers import CITIES, identifiers
from storm_calm.env.problems.families.scaled.limits import Limit
from storm_calm.env.problems.families.scaled.plan_schema import AMOUNT, TEXT, Schema, plan_schema, rows
from storm_calm.env.problems.families.scaled.requirements import Requirements
from storm_calm.env.problems.families.scaled.revision import Revision
from storm_calm.env.problems.families.scaled.scaled_family import Plan, PlanCheck, ScaledFamily, program_of
from storm_calm.env.problems.families.scaled.tables import Column, Data, Parameters, Scalar, Table
from storm_calm.env.problems.families.wording import PEOPLE, Wording

NUTRIENTS = {
    "energy_kcal": 2100, "protein_g": 53, "fat_g": 40, "calcium_mg": 450, "iron_mg": 22, "zinc_mg": 10,
    "vitamin_a_ug": 500, "thiamine_mg": 0.9,
}  # fmt: skip
"""What a person needs in a day."""

# Typical contents of 100 g, in the order of the nutrients, then the price of a ton in EUR.
FOODS = {
    "rice": (360, 7, 0.6, 9, 1.7, 1.2, 0, 0.1, 480),
    "wheat flour": (350, 11.5, 1.5, 15, 4, 1.5, 0, 0.28, 420),
    "maize meal": (360, 9, 3.5, 10, 2.5, 1.8, 0, 0.3, 340),
    "sorghum": (335, 11, 3, 26, 4.5, 1.7, 0, 0.34, 330),
    "bulgur": (350, 11, 1.5, 23, 3.7, 2, 0, 0.3, 460),
    "pasta": (365, 12.5, 1.2, 18, 1.5, 1.3, 0, 0.1, 610),
    "lentils": (340, 20, 0.6, 51, 9, 3.6, 2, 0.5, 720),
    "beans": (335, 20, 1.2, 143, 8.2, 2.8, 0, 0.5, 760),
    "split peas": (335, 22, 1.4, 33, 4.4, 3, 7, 0.7, 540),
    "chickpeas": (364, 19, 6, 105, 6.2, 3.4, 3, 0.48, 800),
    "vegetable oil": (885, 0, 100, 0, 0, 0, 900, 0, 1150),
    "palm oil": (885, 0, 100, 0, 0, 0, 750, 0, 980),
    "corn soya blend": (380, 14, 6, 360, 6.5, 5, 1040, 0.35, 820),
    "wheat soya blend": (370, 20, 6, 400, 9, 5.5, 800, 0.5, 860),
    "biscuits": (450, 12, 15, 250, 11, 7.5, 250, 0.5, 1600),
    "groundnuts": (567, 26, 49, 92, 4.6, 3.3, 0, 0.64, 1300),
    "milk powder": (360, 36, 1, 1257, 0.5, 4, 1500, 0.42, 2900),
    "canned fish": (305, 22, 24, 330, 2.7, 1.3, 30, 0.04, 3600),
    "sugar": (400, 0, 0, 0, 0, 0, 0, 0, 560),
    "dates": (245, 2, 0.5, 32, 1.2, 0.3, 3, 0.05, 900),
}
NAMES = tuple(FOODS)
GROUPS = ("cereal",) * 6 + ("pulse",) * 4 + ("oil",) * 2 + ("fortified",) * 3 + ("other",) * 5
RATIONS = ((NAMES[:6], 200), (NAMES[6:10], 40), (NAMES[10:12], 15), (NAMES[12:15], 30), (NAMES[15:18], 10))
"""Foods, and the grams per person and day of each of two of them, in the plan that shows that the data are feasible."""
OFFERS = 4
"""Foods that a supplier offers; a divisor of their number, so that some suppliers together have all of them."""

TABLES = (
    Table(
        key="foods",
        file="foods.csv",
        columns=(
            Column("food", "id"),
            Column("food_group", fill=GROUPS),
            Column("max_g_per_person_day", "most"),
        ),
    ),
    Table(
        key="nutrients",
        file="nutrients.csv",
        columns=(Column("nutrient", "id"), Column("min_per_person_day", "least")),
    ),
    Table(
        key="contents",
        file="food_composition.csv",
        columns=(Column("food", "food"), Column("nutrient", "nutrient"), Column("content_per_100g", "content")),
    ),
    Table(
        key="sites",
        file="sites.csv",
        columns=(Column("site_id", "id"), Column("nearest_city", fill=CITIES), Column("people", "people")),
    ),
    Table(
        key="offers",
        file="offers.csv",
        columns=(
            Column("supplier_id", "supplier"),
            Column("food", "food"),
            Column("price_eur_per_t", "price"),
            Column("available_t", "most"),
            Column("packaging", fill=("bag 25 kg", "bag 50 kg", "carton")),
        ),
    ),
    Table(
        key="freight",
        file="freight.csv",
        columns=(
            Column("supplier_id", "supplier"),
            Column("site_id", "site"),
            Column("freight_eur_per_t", "rate"),
        ),
    ),
    Parameters(file="parameters.csv", scalars=(Scalar("days_in_plan", "days"),)),
)


def draw(rng: random.Random, size: int) -> Data:
    """Draw sites, suppliers and offers. Each site and offer have a variable."""
    count = max(1, round(0.28 * size**0.5))
    site_ids = identifiers(rng, "SITE", count)
    supplier_ids = identifiers(rng, "V", max(len(FOODS) // OFFERS, round(size / OFFERS / count)))
    days = rng.choice((14, 28, 30, 60))
    people = [rng.randint(20, 400) * 100 for _ in site_ids]
    content = {
        (food, nutrient): round(row[place] * rng.uniform(0.92, 1.08), 2 if row[place] < 10 else 1)
        for food, row in FOODS.items()
        for place, nutrient in enumerate(NUTRIENTS)
        if row[place]
    }
    least = {one: round(need * rng.uniform(0.93, 1.07), 2 if need < 10 else None) for one, need in NUTRIENTS.items()}
    offered: list[tuple[str, str]] = []
    for place, supplier in enumerate(supplier_ids):
        if place % (len(FOODS) // OFFERS) == 0:
            deck = rng.sample(NAMES, len(NAMES))
        offered += [(supplier, deck.pop()) for _ in range(OFFERS)]
    bought, most = dict.fromkeys(offered, 0.0), dict.fromkeys(FOODS, 0.0)
    for number in people:
        # A feasible plan: two foods of each group, and as much of all of them as the scarcest nutrient needs.
        ration = {food: grams for group, grams in RATIONS for food in rng.sample(group, 2)}
        scale = max(
            need * 100 / sum(grams * content.get((food, one), 0) for food, grams in ration.items())
            for one, need in least.items()
        )
        for food, grams in ration.items():
            most[food] = max(most[food], scale * grams)
            bought[rng.choice([one for one in offered if one[1] == food])] += scale * grams * number * days / 1e6
    mean = sum(bought.values()) / len(offered)
    centers, ports = places(rng, count), places(rng, len(supplier_ids))
    toll = rng.uniform(0.05, 0.16)
    limited = rng.random() < 0.35
    return {
        "foods": [
            {"id": food, "most": int(most[food] * rng.uniform(1.02, 1.3)) + 1}
            if limited and most[food]
            else {"id": food}
            for food in FOODS
        ],
        "nutrients": [{"id": one, "least": need} for one, need in least.items()],
        "contents": [{"food": food, "nutrient": one, "content": amount} for (food, one), amount in content.items()],
        "sites": [{"id": one, "people": number} for one, number in zip(site_ids, people, strict=True)],
        "offers": [
            {
                "supplier": supplier,
                "food": food,
                "price": round(FOODS[food][-1] * rng.uniform(0.85, 1.2)),
                "most": int(bought[supplier, food] * rng.uniform(1.0, 1.2) + mean * rng.uniform(0.1, 0.8)) + 1,
            }
            for supplier, food in offered
        ],
        "freight": [
            {"supplier": supplier, "site": site, "rate": round(8 + toll * road(port, place), 2)}
            for supplier, port in zip(supplier_ids, ports, strict=True)
            for site, place in zip(site_ids, centers, strict=True)
        ],
        "days": days,
    }


def question(data: Data, say: Wording) -> str:
    limited = any("most" in food for food in data["foods"])
    return say.text(
        say.one_of(
            f"{say.one_of(*PEOPLE)} buys food for the sites of a relief organization.",
            "A relief organization buys food for all of its sites.",
        ),
        "sites.csv has the people of each site, and parameters.csv the days for which they must be fed (days_in_plan).",
        "In these days, the food for a site must contain at least the amount of each nutrient in nutrients.csv, on "
        "average for each of its people and each day.",
        say.one_of(
            "food_composition.csv has the content of 100 g of each food in foods.csv, in the unit at the end of the "
            "nutrient's name; what is not listed is not contained.",
            "The contents of 100 g of a food (see foods.csv) are in food_composition.csv, in the unit that ends the "
            "nutrient's name. A food without a line for a nutrient does not contain it.",
        ),
        "The offers of the suppliers are in offers.csv, with the price of a ton, and the tons that all sites together "
        "can get from the offer.",
        "Each supplier delivers to each site, at the freight per ton in freight.csv.",
        say.one_of(
            "No site may get more of a food than max_g_per_person_day in foods.csv, in grams, on average for each of "
            "its people and each day; an empty cell is no limit.",
            "foods.csv limits how much of a food a site gets, in grams on average for each of its people and each day "
            "(max_g_per_person_day); an empty cell is no limit.",
        )
        if limited
        else "",
        "A ton is 1000 kg.",
        say.divisibility(False),
        say.one_of(
            "What is the smallest total weight of the food, in t, whatever it costs?",
            "Not the cost, but the total weight of the food is minimized. What is it, in t?",
        )
        if _by_weight(data)
        else say.one_of(
            "What is the minimum total cost of food and freight, in EUR?",
            "Minimize the cost of food and freight together. What is it, in EUR?",
        ),
        "The plan lists the tons that a site gets from an offer; purchases of nothing can be left out.",
    )


def _by_weight(data: Data) -> bool:
    """Return whether the weight is minimized instead of the cost."""
    return data.get("goal") == "weight"


def model(data: Data) -> LinearModel:
    model = LinearModel("minimize")
    content: dict[str, dict[str, float]] = {food["id"]: {} for food in data["foods"]}
    for line in data["contents"]:
        content[line["food"]][line["nutrient"]] = line["content"]
    rate = {(line["supplier"], line["site"]): line["rate"] for line in data["freight"]}
    bought: list[dict[int, float]] = [{} for _ in data["offers"]]
    for site in data["sites"]:
        # Grams per person and day.
        grams = 1e6 / (site["people"] * data["days"])
        given: dict[str, dict[int, float]] = {nutrient["id"]: {} for nutrient in data["nutrients"]}
        eaten: dict[str, dict[int, float]] = {food["id"]: {} for food in data["foods"]}
        for number, offer in enumerate(data["offers"]):
            cost = offer["price"] + rate[offer["supplier"], site["id"]]
            tons = model.variable(1.0 if _by_weight(data) else cost)
            bought[number][tons] = 1.0
            eaten[offer["food"]][tons] = grams
            for nutrient, amount in content[offer["food"]].items():
                given[nutrient][tons] = grams * amount / 100
        for nutrient in data["nutrients"]:
            model.row(given[nutrient["id"]], low=nutrient["least"])
        for food in data["foods"]:
            if "most" in food:
                model.row(eaten[food["id"]], high=food["most"])
    for offer, tons_of in zip(data["offers"], bought, strict=True):
        model.row(tons_of, high=offer["most"])
    return model


def plan(data: Data, values: Sequence[float]) -> Plan:
    pairs = ((site, offer) for site in data["sites"] for offer in data["offers"])
    return {
        "purchases": [
            {"site_id": site["id"], "supplier_id": offer["supplier"], "food": offer["food"], "tons": tons}
            for (site, offer), tons in zip(pairs, values, strict=True)
            if tons > 1e-9
        ]
    }


def schema(data: Data) -> Schema:
    most = len(data["sites"]) * len(data["offers"])
    return plan_schema(purchases=rows(most, site_id=TEXT, supplier_id=TEXT, food=TEXT, tons=AMOUNT))


def check(data: Data, plan: Plan) -> PlanCheck:
    found = Requirements()
    offers = {(offer["supplier"], offer["food"]): offer for offer in data["offers"]}
    people = {site["id"]: site["people"] for site in data["sites"]}
    rate = {(line["supplier"], line["site"]): line["rate"] for line in data["freight"]}
    bought, eaten = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    total = 0.0
    seen = set()
    for purchase in plan["purchases"]:
        site, supplier, food, tons = (purchase[name] for name in ("site_id", "supplier_id", "food", "tons"))
        if site not in people:
            found.violated(f"there is no site {site!r}")
            continue
        if (supplier, food) not in offers:
            found.violated(f"supplier {supplier!r} does not offer {food!r}")
            continue
        if (site, supplier, food) in seen:
            found.violated(f"the purchase of {food} from supplier {supplier} for site {site} is listed twice")
        seen.add((site, supplier, food))
        bought[supplier, food] += tons
        eaten[site, food] += tons * 1e6 / (people[site] * data["days"])
        total += tons * (1 if _by_weight(data) else offers[supplier, food]["price"] + rate[supplier, site])
    for (supplier, food), offer in offers.items():
        found.at_most(bought[supplier, food], offer["most"], f"supplier {supplier} sells", f"t of {food} of at most")
    given = Counter[tuple[str, str]]()
    for line in data["contents"]:
        for site in people:
            given[site, line["nutrient"]] += eaten[site, line["food"]] * line["content"] / 100
    each = "per person and day"
    for site in people:
        for nutrient in data["nutrients"]:
            one, need = nutrient["id"], nutrient["least"]
            found.at_least(given[site, one], need, f"site {site} gets", f"{one} {each} of at least")
        for kind in data["foods"]:
            if "most" in kind:
                food = kind["id"]
                found.at_most(eaten[site, food], kind["most"], f"site {site} gets", f"g of {food} {each} of at most")
    return PlanCheck(objective=total, violations=found.violations)


LIMITS = (
    Limit(table="offers", field="most", words="the {food} that supplier {supplier} has", unit="t"),
    Limit(table="foods", field="most", words="the largest daily amount of {id}", unit="g per person"),
    Limit(
        table="nutrients", field="least", sense="at least", words="the daily need of {id}", unit="per person and day"
    ),
    Limit(table="sites", field="people", sense="at least", words="the number of people at site {id}", unit="people"),
)


def largest_ration(rng: random.Random, data: Data, plan: Plan) -> Data | None:
    """Limit a food to less than a site gets in the plan."""
    people = {site["id"]: site["people"] * data["days"] for site in data["sites"]}
    grams = Counter[tuple[str, str]]()
    for purchase in plan["purchases"]:
        site, food = purchase["site_id"], purchase["food"]
        grams[food, site] += purchase["tons"] * 1e6 / people[site]
    largest = {food: max(grams[food, site] for site in people) for food in sorted({food for food, _ in grams})}
    chosen = rng.choice([food for food, amount in largest.items() if amount >= 20] or [""])
    if not chosen or any("most" in food for food in data["foods"]):
        return None
    most = int(largest[chosen] * rng.uniform(0.5, 0.9))
    return {**data, "foods": [{**food, "most": most} if food["id"] == chosen else food for food in data["foods"]]}


def ration_in_words(data: Data) -> str:
    limited = next(food for food in data["foods"] if "most" in food)
    return (
        f"On average for each of its people and each day, no site may get more than {limited['most']} g of "
        f"{limited['id']}."
    )


REVISIONS = (
    Revision(name="largest-ration", kind="constraint", apply=largest_ration, request=ration_in_words),
    Revision(
        name="weight", kind="objective", apply=lambda rng, data, plan: {**data, "goal": "weight"},
        request=lambda data: "Trucks are scarce: the total weight of the food must now be as small as possible, in t, "
        "whatever it costs.",
    ),
)  # fmt: skip

PROGRAM = program_of(
    "diet", weight=(('cost = tons["price_eur_per_t"] + tons["freight_eur_per_t"]', "cost = np.ones(len(tons))"),)
)

FAMILY = ScaledFamily(
    name="diet", difficulty="easy", tables=TABLES, draw=draw, question=question, model=model, plan=plan,
    schema=schema, check=check, program=PROGRAM, limits=LIMITS, revisions=REVISIONS,
)  # fmt: skip
