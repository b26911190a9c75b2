"""The families product_mix, diet, assignment and investment at any size: optima, checkers and programs agree."""

import copy
import json
import random
from dataclasses import replace

import pytest

from storm_calm.env.json_schema import schema_fault
from storm_calm.env.problems.families.linear_model import confirmed_answer
from storm_calm.env.problems.families.scaled import assignment, diet, investment, product_mix
from storm_calm.env.problems.families.scaled.optimum import proven_optimum, with_second_solver
from storm_calm.env.problems.families.scaled.tables import read_tables, write_tables
from storm_calm.env.problems.families.wording import Wording
from storm_calm.sandbox import Limits, open_sandbox
from support.plan_values import fits, objective

FAMILIES = {module.FAMILY.name: module.FAMILY for module in (product_mix, diet, assignment, investment)}
SEEDS = {"product_mix": 10, "diet": 3, "assignment": 4, "investment": 3}
"""Seeds of data with the optional requirement."""
INFEASIBLE = 10
"""A seed of investments without a feasible plan."""
OPTIONAL = {
    "product_mix": "confirmed_orders.csv",
    "diet": "max_g_per_person_day",
    "assignment": "max_jobs_per_technician",
    "investment": "max_average_duration_years",
}


@pytest.fixture(scope="module")
def drawn():
    return {name: family.draw(random.Random(SEEDS[name]), 50) for name, family in FAMILIES.items()}


@pytest.fixture(scope="module")
def optima(drawn):
    """Return the optimum of each family by SCIP or GLOP, which need no process of their own."""
    return {name: with_second_solver(family.model(drawn[name]), 1e-4) for name, family in FAMILIES.items()}


@pytest.fixture(scope="module")
def plans(drawn, optima):
    """Return a function that gives a fresh copy of a family's optimal plan."""
    found = {name: family.plan(drawn[name], optima[name].values) for name, family in FAMILIES.items()}
    return lambda name: copy.deepcopy(found[name])


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [50, 500])
def test_data_are_reproducible_of_the_wanted_size_and_all_in_the_files(name, size):
    family = FAMILIES[name]
    for seed in range(3):
        data = family.draw(random.Random(seed), size)
        assert data == family.draw(random.Random(seed), size)
        assert data == read_tables(family.tables, write_tables(family.tables, data))
        assert 0.9 * size <= len(family.model(data).costs) <= 1.25 * size


@pytest.mark.parametrize("name", FAMILIES)
def test_the_checker_accepts_the_optimal_plan_with_the_objective_value_of_the_model(name, drawn, optima, plans):
    family, data = FAMILIES[name], drawn[name]
    assert schema_fault(family.schema(data), plans(name)) == ""
    check = family.check(data, plans(name))
    assert check.violations == []
    assert check.objective == pytest.approx(optima[name].objective, rel=1e-9)
    assert check.objective == pytest.approx(optima[name].bound, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_optima_are_proven(name, drawn, optima):
    proven = proven_optimum(FAMILIES[name].model(drawn[name]), 1e-4)
    assert proven is not None
    assert proven.objective == pytest.approx(optima[name].objective, rel=2e-4)
    assert proven.bound == pytest.approx(proven.objective, rel=1e-4)


@pytest.mark.slow
def test_programs_find_the_optima_in_the_sandbox(drawn, optima):
    with open_sandbox(minimum_isolation="limits", workers=1) as sandbox:

        def run(family, data):
            files = write_tables(family.tables, data)
            limits = Limits(seconds=60, memory_mb=2048)
            return sandbox.run(family.program(data), files=files, results=["plan.json"], limits=limits)

        for name, family in FAMILIES.items():
            goal = next(one for one in family.revisions if one.kind == "objective")
            for data in (drawn[name], goal.apply(random.Random(1), drawn[name], {})):
                execution = run(family, data)
                assert "objective:" in execution.stdout, execution.stderr
                check = family.check(data, json.loads(execution.files["plan.json"]))
                best = with_second_solver(family.model(data), 1e-4).objective
                printed = float(execution.stdout.rpartition("objective:")[2])
                assert check.violations == []
                assert check.objective == pytest.approx(printed, rel=1e-6)
                assert check.objective == pytest.approx(best, rel=2e-4)
        execution = run(investment.FAMILY, investment.draw(random.Random(INFEASIBLE), 50))
        assert execution.stdout == "status: infeasible\n"
        assert not execution.files


def test_some_investments_have_no_feasible_plan():
    data = investment.draw(random.Random(INFEASIBLE), 50)
    assert confirmed_answer(investment.model(data)) == "infeasible"
    without_minima = [{key: one[key] for key in ("id", "most")} for one in data["sectors"]]
    assert with_second_solver(investment.model({**data, "sectors": without_minima}), 1e-4).status == "optimal"


@pytest.mark.parametrize("name", FAMILIES)
def test_all_others_have_one(name):
    family, infeasible = FAMILIES[name], []
    for seed in range(40):
        model = family.model(family.draw(random.Random(seed), 25))
        relaxed = replace(model, integer=[False] * len(model.costs))
        if with_second_solver(relaxed, 0.0).status == "infeasible":
            infeasible.append(seed)
    assert len(infeasible) in (range(1, 7) if name == "investment" else [0])


@pytest.mark.parametrize("name", FAMILIES)
def test_the_question_names_all_files_and_the_optional_requirement_only_if_the_data_have_it(name):
    family, having = FAMILIES[name], 0
    for seed in range(40):
        data = family.draw(random.Random(seed), 50)
        question = family.question(data, Wording(random.Random(seed)))
        files = write_tables(family.tables, data)
        assert [file for file in files if file not in question] == []
        has = any(OPTIONAL[name] in f"{file} {content.decode()}" for file, content in files.items())
        assert (OPTIONAL[name] in question) == has
        having += has
    assert 6 <= having <= 24


@pytest.fixture
def changed(drawn, plans):
    """Return a function that changes the lines of an optimal plan and returns the violations, joined by " | "."""

    def found(name, change, data=None):
        plan = plans(name)
        [lines] = plan.values()
        change(lines)
        data = data or drawn[name]
        assert schema_fault(FAMILIES[name].schema(data), plan) == ""
        return " | ".join(FAMILIES[name].check(data, plan).violations)

    return found


def test_product_mix_names_each_violated_requirement(drawn, plans, changed):
    data, first = drawn["product_mix"], plans("product_mix")["production"][0]
    one = first["product_id"]
    most = next(product["most"] for product in data["products"] if product["id"] == one)
    ordered = sum(order["units"] for order in data["orders"] if order["product"] == data["orders"][0]["product"])

    def more(lines):
        for line in lines:
            line["units"] *= 2

    def all_of_it(lines):
        lines[:] = [{"product_id": product["id"], "units": product["most"]} for product in data["products"]]

    def check(change):
        return changed("product_mix", change)

    assert check(lambda lines: lines.append({"product_id": "P-0", "units": 1})) == "there is no product 'P-0'"
    assert check(lambda lines: lines.append({"product_id": one, "units": 0})) == f"product {one} is listed twice"
    assert f"product {one}: the plan makes {2 * first['units']} units, and sales are at most {most}" in check(more)
    orders = f"product {data['orders'][0]['product']}: the plan makes 0 units, and confirmed orders are {ordered}"
    assert orders in check(lambda lines: lines.clear())
    assert "h of at most" in check(all_of_it)
    assert "kg of at most" in check(all_of_it)


def test_hours_of_all_products_count_and_materials_are_paid():
    data = {
        "products": [{"id": "A", "price": 20.0, "most": 50}, {"id": "B", "price": 9.0, "most": 50}],
        "centers": [{"id": "W", "hours": 5}],
        "routings": [{"product": "A", "center": "W", "minutes": 10}, {"product": "B", "center": "W", "minutes": 5}],
        "materials": [{"id": "M", "price": 2.0, "kg": 90}],
        "parts": [{"product": "A", "material": "M", "kg": 3}, {"product": "B", "material": "M", "kg": 0.5}],
    }

    def check(a, b):
        production = [{"product_id": "A", "units": a}, {"product_id": "B", "units": b}]
        return product_mix.check(data, {"production": production})

    assert (check(20, 20).objective, check(20, 20).violations) == (20 * 14 + 20 * 8, [])
    assert check(20, 22).violations == ["work center W runs 5.16666667 h of at most 5"]
    assert check(30, 0).violations == []
    assert check(30, 1).violations == [
        "work center W runs 5.08333333 h of at most 5",
        "material M: the plan uses 90.5 kg of at most 90",
    ]
    assert confirmed_answer(product_mix.model(data)) == pytest.approx(5 * 14 + 50 * 8)
    assert confirmed_answer(product_mix.model({**data, "goal": "sales"})) == pytest.approx(30 * 20)


def test_diet_names_each_violated_requirement(drawn, plans, changed):
    data, first = drawn["diet"], plans("diet")["purchases"][0]
    site, supplier, food = first["site_id"], first["supplier_id"], first["food"]

    def check(change):
        return changed("diet", change)

    assert check(lambda lines: lines.append(first | {"tons": 0})) == (
        f"the purchase of {food} from supplier {supplier} for site {site} is listed twice"
    )
    assert "there is no site 'SITE-0'" in check(lambda lines: lines[0].update(site_id="SITE-0"))
    assert f"supplier 'V-0' does not offer '{food}'" in check(lambda lines: lines[0].update(supplier_id="V-0"))
    assert f"supplier '{supplier}' does not offer 'cake'" in check(lambda lines: lines[0].update(food="cake"))
    most = next(offer["most"] for offer in data["offers"] if (offer["supplier"], offer["food"]) == (supplier, food))
    assert f"supplier {supplier} sells {most + 50} t of {food} of at most {most}" in check(
        lambda lines: lines[0].update(tons=most + 50)
    )
    for nutrient in data["nutrients"]:
        words = f"site {site} gets 0 {nutrient['id']} per person and day of at least {nutrient['least']}"
        assert words in check(lambda lines: lines.clear())
    limited = next(kind for kind in data["foods"] if "most" in kind)
    offer = next(one for one in data["offers"] if one["food"] == limited["id"])
    people = data["sites"][0]["people"]
    tons = 2 * limited["most"] * people * data["days"] / 1e6
    line = {"site_id": data["sites"][0]["id"], "supplier_id": offer["supplier"], "food": limited["id"], "tons": tons}

    def too_much(lines):
        lines[:] = [one for one in lines if (one["food"], one["site_id"]) != (line["food"], line["site_id"])]
        lines.append(line)

    words = f"{2 * limited['most']} g of {limited['id']} per person and day of at most {limited['most']}"
    assert f"site {line['site_id']} gets {words}" in check(too_much)


def test_a_diet_counts_people_days_and_freight():
    data = {
        "foods": [{"id": "rice", "most": 300}],
        "nutrients": [{"id": "energy_kcal", "least": 900}],
        "contents": [{"food": "rice", "nutrient": "energy_kcal", "content": 360}],
        "sites": [{"id": "S", "people": 1000}],
        "offers": [{"supplier": "V", "food": "rice", "price": 400, "most": 3}],
        "freight": [{"supplier": "V", "site": "S", "rate": 50}],
        "days": 10,
    }
    line = {"site_id": "S", "supplier_id": "V", "food": "rice"}
    # 250 g for 1000 people and 10 days.
    check = diet.check(data, {"purchases": [line | {"tons": 2.5}]})
    assert (check.objective, check.violations) == (1125, [])
    assert confirmed_answer(diet.model(data)) == pytest.approx(1125)
    assert diet.check(data, {"purchases": [line | {"tons": 2.4}]}).violations == [
        "site S gets 864 energy_kcal per person and day of at least 900"
    ]
    assert diet.check(data, {"purchases": [line | {"tons": 3.1}]}).violations == [
        "supplier V sells 3.1 t of rice of at most 3",
        "site S gets 310 g of rice per person and day of at most 300",
    ]


def test_assignment_names_each_violated_requirement(drawn, plans, changed):
    data, first = drawn["assignment"], plans("assignment")["assignments"][0]
    one, who = first["job_id"], first["technician_id"]
    job = next(job for job in data["jobs"] if job["id"] == one)

    def check(change, data=None):
        return changed("assignment", change, data)

    def without(key, **fields):
        return {**data, key: [line for line in data[key] if any(line[name] != fields[name] for name in fields)]}

    assert check(lambda lines: lines.pop(0)) == f"job {one} has 0 technicians instead of 1"
    assert f"job {one} has 2 technicians instead of 1" in check(lambda lines: lines.__setitem__(1, first))
    assert check(lambda lines: lines[0].update(job_id="J-0")) == (
        f"there is no job 'J-0' | job {one} has 0 technicians instead of 1"
    )
    assert check(lambda lines: lines[0].update(technician_id="T-0")) == (
        f"there is no technician 'T-0' | job {one} has 0 technicians instead of 1"
    )
    assert check(lambda lines: None, without("certificates", technician=who, skill=job["skill"])).startswith(
        f"technician {who} has no certificate for {job['skill']}, the skill of job"
    )
    assert f"technician {who} cannot travel to site {job['site']} of job {one}" in check(
        lambda lines: None, without("travel", technician=who, site=job["site"])
    )
    hours = next(one["hours"] for one in data["technicians"] if one["id"] == who)

    def all_to_one(lines):
        for line in lines:
            line["technician_id"] = who

    # Travel to all sites and all skills.
    able = {
        **data,
        "certificates": [{"technician": who, "skill": skill} for skill in assignment.SKILLS],
        "travel": [{**trip, "technician": who} for trip in data["travel"]],
    }
    found = check(all_to_one, able)
    assert f"h of at most {hours}" in found
    assert f"technician {who} gets {len(data['jobs'])} jobs of at most {data['max_jobs']}" in found


def test_an_assignment_pays_the_round_trip():
    data = {
        "technicians": [{"id": "T", "hours": 3, "wage": 60}],
        "certificates": [{"technician": "T", "skill": "lift"}],
        "jobs": [{"id": "J", "site": "S", "skill": "lift", "minutes": 90}],
        "travel": [{"technician": "T", "site": "S", "distance": 40, "drive": 45}],
        "mileage": 0.5,
    }
    check = assignment.check(data, {"assignments": [{"job_id": "J", "technician_id": "T"}]})
    assert (check.objective, check.violations) == (3 * 60 + 80 * 0.5, [])
    assert confirmed_answer(assignment.model(data)) == pytest.approx(220)
    data["technicians"][0]["hours"] = 2.9
    assert assignment.check(data, {"assignments": [{"job_id": "J", "technician_id": "T"}]}).violations == [
        "technician T works 3 h of at most 2.9"
    ]
    assert confirmed_answer(assignment.model(data)) == "infeasible"


def test_investment_names_each_violated_requirement(drawn, plans, changed):
    data, first = drawn["investment"], plans("investment")["purchases"][0]
    one = first["bond_id"]
    bonds = {bond["id"]: bond for bond in data["bonds"]}

    def check(change):
        return changed("investment", change)

    def buy_all(lines):
        lines[:] = [{"bond_id": bond["id"], "lots": bond["lots"]} for bond in data["bonds"]]

    assert check(lambda lines: lines.append({"bond_id": "XS-0", "lots": 1})) == "there is no bond 'XS-0'"
    assert f"bond {one} is listed twice" in check(lambda lines: lines.append({"bond_id": one, "lots": 0}))
    lots = bonds[one]["lots"] + 1
    assert f"bond {one}: the plan buys {lots} lots of at most {lots - 1}" in check(
        lambda lines: lines[0].update(lots=lots)
    )
    everything = check(buy_all)
    assert f"EUR of a budget of {data['budget']}" in everything
    assert f"bonds of issuer {bonds[one]['issuer']} cost" in everything
    assert f"EUR of at most {data['issuer_most']}" in everything
    # The checker names the first ten.
    one_issuer = {**data, "issuer_most": 10**9, "budget": 10**9}
    found = changed("investment", buy_all, one_issuer)
    for limit in data["sectors"]:
        assert f"bonds of sector {limit['id']} cost" in found
        assert f"EUR of at most {limit['most']}" in found
    for limit in data["sectors"]:
        if "least" in limit:
            words = f"bonds of sector {limit['id']} cost 0 EUR of at least {limit['least']}"
            assert words in check(lambda lines: lines.clear())
    longest = max(data["bonds"], key=lambda bond: bond["duration"])
    assert (
        f"the purchases have an average duration of {longest['duration']} years of at most {data['duration_most']}"
        in check(lambda lines: lines.__setitem__(slice(None), [{"bond_id": longest["id"], "lots": 1}]))
    )


def test_an_investment_pays_the_price_and_earns_on_the_nominal_value():
    data = {
        "sectors": [{"id": "banks", "most": 50_000}],
        "issuers": [{"id": "I", "sector": "banks"}],
        "bonds": [
            {"id": "A", "issuer": "I", "coupon": 3.0, "price": 90, "duration": 8.0, "lot": 10_000, "lots": 9},
            {"id": "B", "issuer": "I", "coupon": 2.0, "price": 100, "duration": 2.0, "lot": 10_000, "lots": 9},
        ],
        "budget": 30_000,
        "issuer_most": 40_000,
    }
    check = investment.check(data, {"purchases": [{"bond_id": "A", "lots": 3}]})
    assert (check.objective, check.violations) == (900, [])
    assert confirmed_answer(investment.model(data)) == pytest.approx(900)
    data["duration_most"] = 5.0
    mixed = investment.check(data, {"purchases": [{"bond_id": "A", "lots": 1}, {"bond_id": "B", "lots": 2}]})
    assert (mixed.objective, mixed.violations) == (700, [])
    assert confirmed_answer(investment.model(data)) == pytest.approx(700)


def produced(data, plan):
    units = {line["product_id"]: line["units"] for line in plan["production"]}
    return [units.get(product["id"], 0) for product in data["products"]]


def bought(data, plan):
    tons = {(line["site_id"], line["supplier_id"], line["food"]): line["tons"] for line in plan["purchases"]}
    offers = [(offer["supplier"], offer["food"]) for offer in data["offers"]]
    return [tons.get((site["id"], *offer), 0.0) for site in data["sites"] for offer in offers]


def assigned(data, plan):
    chosen = {(line["job_id"], line["technician_id"]) for line in plan["assignments"]}
    skills = {(line["technician"], line["skill"]) for line in data["certificates"]}
    pairs = [
        (job["id"], trip["technician"])
        for job in data["jobs"]
        for trip in data["travel"]
        if trip["site"] == job["site"] and (trip["technician"], job["skill"]) in skills
    ]
    assert chosen <= set(pairs)
    return [float(pair in chosen) for pair in pairs]


def invested(data, plan):
    lots = {line["bond_id"]: line["lots"] for line in plan["purchases"]}
    return [lots.get(bond["id"], 0) for bond in data["bonds"]]


VALUES = {"product_mix": produced, "diet": bought, "assignment": assigned, "investment": invested}
AMOUNTS = {"product_mix": "units", "diet": "tons", "investment": "lots"}


@pytest.mark.parametrize("name", FAMILIES)
def test_model_and_checker_agree_about_changed_plans(name, drawn, plans):
    """Entries of the optimal plan are dropped and changed: both accept the result with one objective, or neither."""
    family, data, rng = FAMILIES[name], drawn[name], random.Random(5)
    model = family.model(data)
    skills = {(line["technician"], line["skill"]) for line in data.get("certificates", ())}
    feasible = 0
    for _ in range(120):
        plan = plans(name)
        [lines] = plan.values()
        for _ in range(rng.choice((0, 1, 1, 2))):
            place = rng.randrange(len(lines))
            if name == "assignment":
                job = next(job for job in data["jobs"] if job["id"] == lines[place]["job_id"])
                trips = [trip["technician"] for trip in data["travel"] if trip["site"] == job["site"]]
                lines[place]["technician_id"] = rng.choice([one for one in trips if (one, job["skill"]) in skills])
            elif rng.random() < 0.3:
                del lines[place]
            else:
                amount = lines[place][AMOUNTS[name]] * rng.choice((0.5, 0.9, 0.999, 1.001, 1.1))
                lines[place][AMOUNTS[name]] = amount if name == "diet" else max(1, round(amount))
        if name == "assignment" and rng.random() < 0.2:
            lines.pop()
        values, check = VALUES[name](data, plan), family.check(data, plan)
        assert fits(model, values) == (check.violations == [])
        if not check.violations:
            feasible += 1
            assert check.objective == pytest.approx(objective(model, values), rel=1e-9)
    assert 10 <= feasible <= 110


@pytest.mark.parametrize("name", FAMILIES)
def test_revisions_change_what_question_model_checker_and_program_want(name):
    family = FAMILIES[name]
    revised = dict.fromkeys((revision.name for revision in family.revisions), 0)
    for seed in range(20, 26):
        data = family.draw(random.Random(seed), 40)
        optimum = with_second_solver(family.model(data), 1e-4)
        if optimum.status == "infeasible":
            continue
        plan = family.plan(data, optimum.values)
        for revision in family.revisions:
            after = revision.apply(random.Random(seed), data, plan)
            found = None if after is None else with_second_solver(family.model(after), 1e-4)
            if found is None or found.status == "infeasible":
                assert revision.kind == "constraint"
                continue
            revised[revision.name] += 1
            old, check = family.check(after, plan), family.check(after, family.plan(after, found.values))
            assert check.violations == []
            assert check.objective == pytest.approx(found.objective, rel=1e-6)
            assert revision.request(after).endswith(".")
            if revision.kind == "constraint":
                assert old.violations
            else:
                sign = 1 if family.model(after).sense == "maximize" else -1
                assert old.violations == []
                assert sign * (check.objective - old.objective) >= -1e-4 * abs(check.objective)
                assert family.question(after, Wording(random.Random(1))) != family.question(
                    data, Wording(random.Random(1))
                )
                assert family.program(after) != family.program(data)
                compile(family.program(after), "program", "exec")
    assert all(count >= 2 for count in revised.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_plans_that_do_not_fit_the_schema_are_found(name, drawn, plans):
    schema = FAMILIES[name].schema(drawn[name])
    [key] = plans(name)
    assert schema_fault(schema, {})
    assert schema_fault(schema, {**plans(name), "notes": "none"})
    for field, value in plans(name)[key][0].items():
        for wrong in (-1, None, 0.5) if isinstance(value, int) else (-1, None):
            plan = plans(name)
            plan[key][0][field] = wrong
            assert schema_fault(schema, plan)
