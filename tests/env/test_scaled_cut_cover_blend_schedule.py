"""The families covering, bin_packing, blending and scheduling at any size: optima, checkers and programs agree."""

import copy
import json
import math
import random
from dataclasses import replace

import pytest

from storm_calm.env.json_schema import schema_fault
from storm_calm.env.problems.families.linear_model import confirmed_answer
from storm_calm.env.problems.families.scaled import bin_packing, blending, covering, scheduling
from storm_calm.env.problems.families.scaled.optimum import proven_optimum, with_second_solver
from storm_calm.env.problems.families.scaled.tables import read_tables, write_tables
from storm_calm.env.problems.families.wording import Wording
from storm_calm.sandbox import Limits, open_sandbox
from support.plan_values import fits, objective

FAMILIES = {module.FAMILY.name: module.FAMILY for module in (covering, bin_packing, blending, scheduling)}
SEEDS = {"covering": 1, "bin_packing": 2, "blending": 7, "scheduling": 6}
"""Seeds of data with the optional requirement."""
INFEASIBLE = {"covering": 10, "blending": 2}
"""Seeds of data without a feasible plan."""


@pytest.fixture(scope="module")
def drawn():
    return {name: family.draw(random.Random(SEEDS[name]), 50) for name, family in FAMILIES.items()}


@pytest.fixture(scope="module")
def optima(drawn):
    """Return the optimum of each family by SCIP, which needs no process of its own."""
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
        assert 0.9 * size <= len(family.model(data).costs) <= 1.7 * size


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
        for name, family in FAMILIES.items():
            files = write_tables(family.tables, drawn[name])
            limits = Limits(seconds=60, memory_mb=2048)
            execution = sandbox.run(family.program(drawn[name]), files=files, results=["plan.json"], limits=limits)
            assert "objective:" in execution.stdout, execution.stderr
            check = family.check(drawn[name], json.loads(execution.files["plan.json"]))
            assert check.violations == []
            assert check.objective == pytest.approx(optima[name].objective, rel=2e-4)
        for name, seed in INFEASIBLE.items():
            data = FAMILIES[name].draw(random.Random(seed), 50)
            files = write_tables(FAMILIES[name].tables, data)
            execution = sandbox.run(FAMILIES[name].program(data), files=files, results=["plan.json"])
            assert "Infeasible" in execution.stdout
            assert not execution.files


@pytest.mark.parametrize("name", INFEASIBLE)
def test_some_data_have_no_feasible_plan(name):
    family = FAMILIES[name]
    assert confirmed_answer(family.model(family.draw(random.Random(INFEASIBLE[name]), 50))) == "infeasible"


@pytest.mark.parametrize("name", FAMILIES)
def test_the_question_names_all_files_and_the_optional_requirement_only_if_the_data_have_it(name):
    family = FAMILIES[name]
    optional = {
        "covering": "max_open_stations",
        "bin_packing": "max_pieces_per_bar",
        "blending": "max_share_pct",
        "scheduling": "max_total_cost_eur",
    }[name]
    having = 0
    for seed in range(40):
        data = family.draw(random.Random(seed), 50)
        question = family.question(data, Wording(random.Random(seed)))
        files = write_tables(family.tables, data)
        assert [file for file in files if file not in question] == []
        has = any(optional in content.decode() for content in files.values())
        assert (optional in question) == has
        having += has
    assert 6 <= having <= 24


def violations(name, data, plan):
    """Return the violated requirements of a plan that fits its schema."""
    assert schema_fault(FAMILIES[name].schema(data), plan) == ""
    return " | ".join(FAMILIES[name].check(data, plan).violations)


def test_covering_names_each_violated_requirement(drawn, plans):
    data = drawn["covering"]
    found = {}
    dropped = plans("covering")
    gone = dropped["open_stations"].pop()
    text = violations("covering", data, dropped)
    assert "open stations within" in text
    near = {line["district"] for line in data["times"] if line["station"] == gone}
    assert {word for word in text.split() if word.startswith("D-")} <= near
    open_stations = plans("covering")["open_stations"]
    found["unknown"] = violations("covering", data, {"open_stations": [*open_stations[1:], "ST-000"]}).split(" | ")[0]
    found["twice"] = violations("covering", data, {"open_stations": [*open_stations, open_stations[0]]})
    found["all"] = violations("covering", data, {"open_stations": [station["id"] for station in data["stations"]]})
    assert found == {
        "unknown": "there is no station 'ST-000'",
        "twice": f"station {open_stations[0]} is listed 2 times among the open ones",
        "all": f"the plan opens 50 stations of at most {data['max_open']}",
    }


def test_a_district_that_needs_two_stations_is_not_covered_by_one_listed_twice():
    data = covering.draw(random.Random(1), 200)
    one = next(district for district in data["districts"] if district["needed"] == 2)
    near = [
        line["station"] for line in data["times"] if line["district"] == one["id"] and line["minutes"] <= one["limit"]
    ]
    data["districts"] = [one]
    data["times"] = [line for line in data["times"] if line["district"] == one["id"]]
    assert f"district {one['id']} has 1 open stations within {one['limit']} min; it needs 2" in violations(
        "covering", data, {"open_stations": [near[0], near[0]]}
    )
    assert violations("covering", data, {"open_stations": near[:2]}) == ""


def test_bin_packing_names_each_violated_requirement(drawn, plans):
    data = drawn["bin_packing"]
    orders = {order["id"]: order for order in data["orders"]}

    def changed(change):
        plan = plans("bin_packing")
        change(plan["cuts"])
        return violations("bin_packing", data, plan)

    first = plans("bin_packing")["cuts"][0]
    one = first["pieces"][0]["order_id"]
    other = next(order["id"] for order in data["orders"] if order["material"] != first["material_id"])
    made = sum(
        cut["bars"] * line["pieces_per_bar"]
        for cut in plans("bin_packing")["cuts"]
        for line in cut["pieces"]
        if line["order_id"] == one
    )
    fewer = made - first["bars"] * first["pieces"][0]["pieces_per_bar"]
    assert f"order {one} gets {fewer} pieces of ordered {orders[one]['pieces']}" in changed(lambda cuts: cuts.pop(0))
    assert "cut 1: there is no bar of material 'MAT-00' with" in changed(
        lambda cuts: cuts[0].update(material_id="MAT-00")
    )
    assert f"cut 1: there is no bar of material {first['material_id']!r} with 777 mm" in changed(
        lambda cuts: cuts[0].update(bar_length_mm=777)
    )
    assert "cut 1: there is no order 'ORD-0'" in changed(
        lambda cuts: cuts[0]["pieces"].append({"order_id": "ORD-0", "pieces_per_bar": 1})
    )
    assert f"cut 1: order {one} is listed twice" in changed(lambda cuts: cuts[0]["pieces"].append(cuts[0]["pieces"][0]))
    assert (
        f"cut 1: order {other} is of material {orders[other]['material']}, the bar of {first['material_id']}"
        in changed(lambda cuts: cuts[0]["pieces"].append({"order_id": other, "pieces_per_bar": 1}))
    )
    many = changed(lambda cuts: cuts[0]["pieces"][0].update(pieces_per_bar=50))
    assert f"mm of a bar with {first['bar_length_mm']}" in many
    assert f"pieces of at most {data['max_pieces']}" in many


def test_the_saw_cut_of_every_piece_counts():
    data = {
        "bars": [{"material": "M", "length": 1000, "price": 5.0}],
        "orders": [{"id": "A", "material": "M", "length": 498, "pieces": 4}],
        "saw_cut": 2,
    }
    cut = {"material_id": "M", "bar_length_mm": 1000, "bars": 2, "pieces": [{"order_id": "A", "pieces_per_bar": 2}]}
    assert bin_packing.check(data, {"cuts": [cut]}).violations == []
    assert confirmed_answer(bin_packing.model(data)) == 10
    data["saw_cut"] = 3
    assert bin_packing.check(data, {"cuts": [cut]}).violations == [
        "cut 1: the pieces and saw cuts take 1002 mm of a bar with 1000"
    ]
    assert confirmed_answer(bin_packing.model(data)) == 20


def test_the_ways_to_cut_a_bar_are_all_that_leave_no_room():
    ways = set(bin_packing._ways([5, 3, 2], 10))
    every = {(a, b, c) for a in range(3) for b in range(4) for c in range(6) if 5 * a + 3 * b + 2 * c <= 10}
    assert ways == {way for way in every if 10 - 5 * way[0] - 3 * way[1] - 2 * way[2] < 2}
    limited = set(bin_packing._ways([5, 3, 2], 10, 3))
    assert limited == {
        way for way in every if sum(way) <= 3 and (sum(way) == 3 or 10 - 5 * way[0] - 3 * way[1] - 2 * way[2] < 2)
    }


def test_blending_names_each_violated_requirement(drawn, plans):
    data = drawn["blending"]
    permitted = {(permit["alloy"], permit["scrap"]) for permit in data["permits"]}
    alloy = data["alloys"][0]["id"]
    ordered = data["alloys"][0]["tons"]
    scraps = [scrap for one, scrap in sorted(permitted) if one == alloy]
    banned = next(scrap["id"] for scrap in data["scraps"] if (alloy, scrap["id"]) not in permitted)

    def with_alloy(*melts, alloy=alloy):
        others = [melt for melt in plans("blending")["melts"] if melt["alloy_id"] != alloy]
        new = [{"alloy_id": alloy, "scrap_id": scrap, "tons": tons} for scrap, tons in melts]
        return violations("blending", data, {"melts": [*others, *new]})

    assert f"alloy {alloy} weighs 0 t of ordered {ordered}" in with_alloy()
    assert f"scrap '{banned}' is not permitted in alloy '{alloy}'" in with_alloy((banned, ordered))
    assert f"scrap 'SC-0' is not permitted in alloy '{alloy}'" in with_alloy(("SC-0", ordered))
    assert f"scrap {scraps[0]} is listed twice in alloy {alloy}" in with_alloy((scraps[0], 1), (scraps[0], 1))
    more = with_alloy((scraps[0], 10**6))
    assert f"alloy {alloy} weighs 1000000 t, more than ordered: {ordered}" in more
    assert f"of scrap {scraps[0]}, the alloys use 100" in more
    assert "t of stock" in more
    permit = next(permit for permit in data["permits"] if "share" in permit)
    pure = with_alloy((permit["scrap"], 1), alloy=permit["alloy"])
    assert (
        f"scrap {permit['scrap']} has a share of alloy {permit['alloy']} of 100 % of at most {permit['share']}" in pure
    )
    contents = {(line["scrap"], line["element"]): line["content"] for line in data["analyses"]}
    for side, words in (("least", "instead of at least"), ("most", "instead of at most")):
        line, scrap = next(
            (line, scrap)
            for line in data["specifications"]
            for one, scrap in sorted(permitted)
            if one == line["alloy"] and side in line
            if (contents.get((scrap, line["element"]), 0) - line[side]) * (-1 if side == "least" else 1) > 0.05
        )
        percent = contents.get((scrap, line["element"]), 0)
        text = with_alloy((scrap, 1), alloy=line["alloy"])
        assert f"alloy {line['alloy']} contains {line['element']}: {percent} % {words} {line[side]}" in text


def test_scheduling_names_each_violated_requirement(drawn, plans):
    data = drawn["scheduling"]
    first = plans("scheduling")["production"][0]
    one, machine = first["order_id"], first["machine_id"]

    def changed(change):
        plan = plans("scheduling")
        change(plan["production"])
        return violations("scheduling", data, plan)

    assert f"order {one} gets" in changed(lambda lines: lines.pop(0))
    assert "pieces of ordered" in changed(lambda lines: lines[0].update(pieces=0))
    assert f"order 'ORD-0' has no routing on machine '{machine}'" in changed(
        lambda lines: lines[0].update(order_id="ORD-0")
    )
    assert f"order '{one}' has no routing on machine 'M-0'" in changed(lambda lines: lines[0].update(machine_id="M-0"))
    assert f"order {one} is listed twice on machine {machine}" in changed(lambda lines: lines.append(lines[0]))
    assert f"EUR of at most {data['max_cost']}" in changed(lambda lines: lines[0].update(pieces=10**5))


def test_a_schedule_ends_with_the_last_machine_earlier_work_included():
    data = {
        "machines": [{"id": "A", "busy": 10}, {"id": "B", "busy": 90}],
        "orders": [{"id": "O", "pieces": 20}],
        "routings": [{"order": "O", "machine": "A", "minutes": 2.5, "cost": 1.0}],
    }
    line = {"order_id": "O", "machine_id": "A", "pieces": 20}
    assert scheduling.check(data, {"production": [line]}).objective == 90
    assert confirmed_answer(scheduling.model(data)) == 90
    data["machines"][1]["busy"] = 0
    assert scheduling.check(data, {"production": [line]}).objective == 60


def ways(data, plan):
    """Return the bars of each way to cut one, as the model counts them."""
    bars = {}
    for cut in plan["cuts"]:
        pieces = ((line["order_id"], line["pieces_per_bar"]) for line in cut["pieces"])
        bars[cut["material_id"], cut["bar_length_mm"], *pieces] = cut["bars"]
    keys = []
    for bar, orders, way in bin_packing._cuts(data):
        pieces = ((order["id"], number) for order, number in zip(orders, way, strict=True) if number)
        keys.append((bar["material"], bar["length"], *pieces))
    assert bars.keys() <= set(keys)
    return [float(bars.get(key, 0)) for key in keys]


def blended(data, plan):
    tons = {(melt["alloy_id"], melt["scrap_id"]): melt["tons"] for melt in plan["melts"]}
    return [tons.get((permit["alloy"], permit["scrap"]), 0.0) for permit in data["permits"]]


def scheduled(data, plan):
    pieces = {(line["order_id"], line["machine_id"]): line["pieces"] for line in plan["production"]}
    end = max(
        machine["busy"]
        + sum(
            line["minutes"] * pieces.get((line["order"], line["machine"]), 0)
            for line in data["routings"]
            if line["machine"] == machine["id"]
        )
        for machine in data["machines"]
    )
    return [end, *(float(pieces.get((line["order"], line["machine"]), 0)) for line in data["routings"])]


VALUES = {
    "covering": lambda data, plan: [float(station["id"] in plan["open_stations"]) for station in data["stations"]],
    "bin_packing": ways,
    "blending": blended,
    "scheduling": scheduled,
}
AMOUNTS = {"bin_packing": "bars", "blending": "tons", "scheduling": "pieces"}


@pytest.mark.parametrize("name", FAMILIES)
def test_model_and_checker_agree_about_changed_plans(name, drawn, plans):
    """Entries of the optimal plan are dropped and changed: both accept the result with one objective, or neither."""
    family, data, rng = FAMILIES[name], drawn[name], random.Random(5)
    model = family.model(data)
    feasible = 0
    for _ in range(120):
        plan = plans(name)
        [entries] = plan.values()
        for _ in range(rng.choice((0, 1, 1, 2))):
            place = rng.randrange(len(entries))
            if rng.random() < 0.4:
                del entries[place]
            elif name == "covering":
                entries[place] = rng.choice([one["id"] for one in data["stations"] if one["id"] not in entries])
            else:
                amount = entries[place][AMOUNTS[name]] * rng.choice((0.5, 0.9, 0.999, 1.001, 1.1))
                entries[place][AMOUNTS[name]] = amount if name == "blending" else max(1, round(amount))
        values, check = VALUES[name](data, plan), family.check(data, plan)
        # More pieces than ordered are a waste that the schedule's model excludes.
        upper = [math.inf] * len(values) if name == "scheduling" else model.upper
        assert fits(replace(model, upper=upper), values) == (check.violations == [])
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
        optimum = with_second_solver(family.model(data), 0.0)
        if optimum.status == "infeasible":
            continue
        plan = family.plan(data, optimum.values)
        for revision in family.revisions:
            after = revision.apply(random.Random(seed), data, plan)
            if after is None:
                continue
            found = with_second_solver(family.model(after), 0.0)
            if found.status == "infeasible":
                assert revision.kind == "constraint"
                continue
            revised[revision.name] += 1
            check = family.check(after, family.plan(after, found.values))
            assert check.violations == []
            assert check.objective == pytest.approx(found.objective, rel=1e-6)
            assert family.question(after, Wording(random.Random(1))) != family.question(data, Wording(random.Random(1)))
            assert revision.request(after).endswith(".")
            old = family.check(after, plan)
            if revision.kind == "constraint":
                assert old.violations
            else:
                assert old.violations == []
                assert old.objective >= check.objective * (1 - 1e-6)
                assert family.program(after) != family.program(data)
                compile(family.program(after), "program", "exec")
    # A cover with fewer stations is rare if the problem is this small.
    assert all(count >= 2 for revision, count in revised.items() if revision != "fewer-stations")


@pytest.mark.parametrize("name", FAMILIES)
def test_plans_that_do_not_fit_the_schema_are_found(name, drawn, plans):
    family = FAMILIES[name]
    schema = family.schema(drawn[name])
    [key] = plans(name)
    assert schema_fault(schema, {})
    assert schema_fault(schema, {**plans(name), "notes": "none"})
    if name != "covering":
        for field, value in plans(name)[key][0].items():
            if isinstance(value, int | float):
                plan = plans(name)
                plan[key][0][field] = -1
                assert schema_fault(schema, plan)
