"""Families at any size: data in files, and models, checkers and reference programs that agree about plans."""

import copy
import json
import os
import random
import subprocess
import sys
from functools import cache
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storm_calm.env.checkers import check_outputs
from storm_calm.env.problem import Checker, Output, Problem
from storm_calm.env.problems.families import FAMILIES
from storm_calm.env.problems.families.scaled import SCALED
from storm_calm.env.problems.families.scaled.optimum import proven_optimum, with_second_solver
from storm_calm.env.problems.families.scaled.scaled_family import PLAN
from storm_calm.env.problems.families.scaled.scaled_problems import reference_program, scaled_problems
from storm_calm.env.problems.families.scaled.tables import read_tables, write_tables
from storm_calm.env.problems.families.scaled.workspace_files import write_data
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.token_estimate import estimate_tokens
from storm_calm.env.workspace import full_question, workspace_files
from storm_calm.sandbox import Execution, Limits, open_sandbox
from support.plan_values import VALUES, fits, objective

OPTIONAL = {
    "transportation": lambda data: any("most" in lane for lane in data["lanes"]),
    "facility": lambda data: "max_open" in data,
    "knapsack": lambda data: "exclusions" in data,
    "production": lambda data: "max_stock" in data,
}
"""Whether data have the requirement that only some have."""


@cache
def solved(name, seed, size=40, optional=None):
    """Return feasible data and an optimal plan. optional: whether the data have the optional requirement."""
    family, rng = SCALED[name], random.Random(f"{name}/{seed}")
    while True:
        data = family.draw(rng, size)
        if optional is None or OPTIONAL[name](data) == optional:
            optimum = with_second_solver(family.model(data), 0.0)
            if optimum.status == "optimal":
                return data, family.plan(data, optimum.values)


def outcome(name, seed, change=lambda plan: None, **which):
    """Return the check of a changed optimal plan, which must fit its schema."""
    data, plan = solved(name, seed, **which)
    plan = copy.deepcopy(plan)
    change(plan)
    return SCALED[name].check(data, plan)


@pytest.mark.parametrize("name", SCALED)
def test_a_family_has_the_name_and_difficulty_of_the_small_one(name):
    assert SCALED[name].difficulty == FAMILIES[name].difficulty


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("size", [25, 300])
def test_the_files_have_all_of_the_data(name, size):
    family = SCALED[name]
    for seed in range(6):
        data = family.draw(random.Random(seed), size)
        assert data == family.draw(random.Random(seed), size)
        files = write_tables(family.tables, data)
        assert read_tables(family.tables, files) == data
        assert json.loads(json.dumps(data)) == data


def test_data_and_questions_do_not_depend_on_the_order_of_sets():
    code = (
        "import random\n"
        "from storm_calm.env.problems.families.scaled import SCALED\n"
        "from storm_calm.env.problems.families.wording import Wording\n"
        "for family in SCALED.values():\n"
        "    data = family.draw(random.Random(1), 200)\n"
        "    print(data, family.question(data, Wording(random.Random(1))))\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != b""


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("size", [50, 500, 5000])
def test_the_size_is_about_the_number_of_variables(name, size):
    family = SCALED[name]
    assert 0.8 * size <= len(family.model(family.draw(random.Random(3), size)).costs) <= 1.7 * size


@pytest.mark.parametrize("name", SCALED)
def test_the_question_names_the_files_and_stays_short(name, tmp_path):
    family = SCALED[name]
    data = family.draw(random.Random(1), 5000)
    question = family.question(data, Wording(random.Random(1)))
    assert [file for file in write_tables(family.tables, data) if file not in question] == []
    problem = Problem(
        id="p", question=question, answers=(1.0,), family=name, folder=str(tmp_path),
        files=write_data(tmp_path, family, data), checker=Checker(function="family"),
        outputs=(Output(path=PLAN, schema=family.schema(data)),), time_limit=60.0, memory_mb=2048,
    )  # fmt: skip
    assert estimate_tokens(full_question(problem)) < 2500


@pytest.mark.parametrize("name", SCALED)
def test_wordings_vary(name):
    family = SCALED[name]
    data = family.draw(random.Random(1), 50)
    assert len({family.question(data, Wording(random.Random(seed))) for seed in range(60)}) >= 12


@pytest.mark.parametrize("name", VALUES)
def test_the_optimal_plan_is_feasible_and_fits_its_schema(name):
    for seed in range(5):
        data, plan = solved(name, seed)
        check = SCALED[name].check(data, plan)
        assert (check.violations, fault(name, data, json.dumps(plan))) == ([], "")
        assert check.objective == pytest.approx(with_second_solver(SCALED[name].model(data), 0.0).objective, rel=1e-6)


@given(st.data())
@settings(max_examples=250)
@pytest.mark.parametrize("name", VALUES)
def test_model_and_checker_agree_about_changed_plans(name, data):
    """Entries of an optimal plan are dropped, scaled and added. Both accept it with one objective value, or neither."""
    drawn, plan = solved(name, data.draw(st.integers(0, 7)), size=30)
    plan = copy.deepcopy(plan)
    for _ in range(data.draw(st.integers(0, 3))):
        _change(drawn, plan, data.draw)
    model, check = SCALED[name].model(drawn), SCALED[name].check(drawn, plan)
    values = VALUES[name](drawn, plan)
    if not (name == "production" and makes_too_much(drawn, plan)):
        assert fits(model, values) == (check.violations == [])
    if not check.violations:
        assert check.objective == pytest.approx(objective(model, values), rel=1e-9)


def makes_too_much(drawn, plan):
    """Return whether more is produced in a week than is needed from then on, which the model excludes as a waste."""
    needed = [(row["item"], row["week"], row["units"]) for row in drawn["demand"]]

    def left(lot):
        return sum(units for item, week, units in needed if item == lot["item_id"] and week >= lot["week"])

    return any(lot["units"] > left(lot) for lot in plan["production"])


def _change(drawn, plan, draw):
    """Change one entry of one list of the plan."""
    entries = plan[draw(st.sampled_from(sorted(plan)))]
    kind = draw(st.sampled_from(["drop", "scale", "add"]))
    if kind == "add":
        _add(drawn, plan, entries, draw)
    elif entries:
        place = draw(st.integers(0, len(entries) - 1))
        if kind == "drop":
            del entries[place]
        elif isinstance(entries[place], dict):
            amount = next(key for key in ("tons", "pallets", "units") if key in entries[place])
            entries[place][amount] *= draw(st.sampled_from([0.2, 0.9, 1.1, 2.0]))


def _add(drawn, plan, entries, draw):
    """Add an entry that the plan does not have yet."""
    amount = draw(st.integers(1, 50))
    if entries is plan.get("accepted"):
        new = draw(st.sampled_from(drawn["requests"]))["id"]
    elif entries is plan.get("open_depots"):
        new = draw(st.sampled_from(drawn["depots"]))["id"]
    elif entries is plan.get("production"):
        item, row = draw(st.sampled_from(drawn["items"])), draw(st.sampled_from(drawn["capacity"]))
        new = {"item_id": item["id"], "week": row["week"], "units": amount}
    else:
        lane = draw(st.sampled_from(drawn["lanes"]))
        source, unit = ("plant", "tons") if "plant" in lane else ("depot", "pallets")
        new = {f"{source}_id": lane[source], "customer_id": lane["customer"], unit: amount}

    def key(entry):
        return [value for value in entry.values() if value != amount][:2] if isinstance(entry, dict) else entry

    if key(new) not in [list(one.values())[:2] if isinstance(one, dict) else one for one in entries]:
        entries.append(new)


@pytest.mark.parametrize("name", OPTIONAL)
def test_the_optional_requirement_is_in_files_question_and_model_of_some_problems(name):
    family = SCALED[name]
    having = 0
    for seed in range(60):
        data = family.draw(random.Random(f"{seed}"), 60)
        having += OPTIONAL[name](data)
        words = ("max_t_per_week", "max_open_depots", "exclusions.csv", "max_total_stock_units")
        question = family.question(data, Wording(random.Random(seed)))
        files = " ".join(f"{file} {content.decode()}" for file, content in write_tables(family.tables, data).items())
        assert any(word in question for word in words) == any(word in files for word in words) == OPTIONAL[name](data)
    assert 9 <= having <= 36


@pytest.mark.parametrize("name", ["transportation", "production"])
def test_a_few_problems_have_no_feasible_plan(name):
    family = SCALED[name]
    models = [family.model(family.draw(random.Random(seed), 25)) for seed in range(100)]
    assert 2 <= [with_second_solver(model, 0.1).status for model in models].count("infeasible") <= 16


@pytest.mark.parametrize("name", ["knapsack", "facility"])
def test_the_problems_of_other_families_have_a_feasible_plan(name):
    family = SCALED[name]
    models = [family.model(family.draw(random.Random(seed), 25)) for seed in range(25)]
    assert {with_second_solver(model, 0.1).status for model in models} == {"optimal"}


def fault(name, data, text):
    """Return why the text of a plan file does not fit its schema; "" if it does."""
    problem = Problem(
        id="p",
        question="?",
        answers=(1.0,),
        family=name,
        outputs=(Output(path=PLAN, schema=SCALED[name].schema(data)),),
    )
    execution = Execution(code="", status="ok", isolation="full", backend="local", files={PLAN: text.encode()})
    return "".join(check_outputs(problem, [execution], None).missing)


AMOUNTS = {
    "transportation": ("deliveries", "tons"),
    "facility": ("deliveries", "pallets"),
    "production": ("production", "units"),
}


@pytest.mark.parametrize("name", AMOUNTS)
def test_amounts_that_are_no_numbers_of_the_schema_are_not_checked_at_all(name):
    data, plan = solved(name, 0)
    rows, amount = AMOUNTS[name]
    plan = copy.deepcopy(plan)
    for value, words in (
        (float("nan"), "is not JSON"),
        (float("inf"), "is not JSON"),
        (-1, "-1 is less than the minimum of 0"),
        (1e12, "greater than the maximum"),
        (True, "is not of type 'number'"),
        ("3", "is not of type 'number'"),
        (None, "is not of type 'number'"),
    ):
        plan[rows][0][amount] = value
        assert words in fault(name, data, json.dumps(plan))
    plan[rows][0] |= {amount: 1, "note": "x"}
    assert "'note' was unexpected" in fault(name, data, json.dumps(plan))


@pytest.mark.parametrize("name", VALUES)
def test_plans_of_another_form_do_not_fit_the_schema(name):
    data, plan = solved(name, 0)
    rows = max(plan, key=lambda key: len(plan[key]))
    assert "is too long" in fault(name, data, json.dumps({**plan, rows: plan[rows] * 200}))
    assert f"'{rows}' is a required property" in fault(
        name, data, json.dumps({key: value for key, value in plan.items() if key != rows})
    )
    assert "'cost' was unexpected" in fault(name, data, json.dumps({**plan, "cost": 1}))
    assert "is not of type 'array'" in fault(name, data, json.dumps({**plan, rows: {}}))
    assert "is not of type 'object'" in fault(name, data, "[]")


def violations(name, change, **which):
    """Return the violations of a changed optimal plan."""
    return " | ".join(outcome(name, 0, change, **which).violations)


def test_transportation_names_each_violated_requirement():
    data, plan = solved("transportation", 0, optional=True)
    first = plan["deliveries"][0]
    name = f"from plant {first['plant_id']} to customer {first['customer_id']}"

    def found(change):
        return violations("transportation", change, optional=True)

    def scale(plan):
        for delivery in plan["deliveries"]:
            delivery["tons"] *= 3

    assert f"customer {first['customer_id']} gets" in found(lambda plan: plan["deliveries"].pop(0))
    assert found(lambda plan: plan["deliveries"].append(dict(first, tons=0))) == f"the delivery {name} is listed twice"
    assert "there is no lane from plant 'X' to" in found(lambda plan: plan["deliveries"][0].update(plant_id="X"))
    assert "there is no lane" in found(lambda plan: plan["deliveries"].append(dict(first, customer_id="\n{0}", tons=1)))
    assert "t of capacity" in found(scale)
    limited = next(lane for lane in data["lanes"] if "most" in lane)
    more = {"plant_id": limited["plant"], "customer_id": limited["customer"], "tons": limited["most"] + 1}

    def use(plan):
        plan["deliveries"] = [more]

    words = (
        f"plant {limited['plant']} delivers {limited['most'] + 1} t to customer {limited['customer']}; the lane allows"
    )
    assert f"{words} {limited['most']} |" in found(use)


def test_facility_names_each_violated_requirement():
    data, plan = solved("facility", 0, optional=True)
    first = plan["deliveries"][0]
    capacity = {depot["id"]: depot["capacity"] for depot in data["depots"]}[first["depot_id"]]

    def found(change):
        return violations("facility", change, optional=True)

    def close(plan):
        plan["open_depots"].remove(first["depot_id"])

    assert f"depot {first['depot_id']} is not open, but ships" in found(close)
    assert f"customer {first['customer_id']} gets" in found(lambda plan: plan["deliveries"].pop(0))
    assert "pallets, more than the demand" in found(lambda plan: plan["deliveries"][0].update(pallets=capacity + 1))
    assert f"of capacity {capacity}" in found(lambda plan: plan["deliveries"][0].update(pallets=capacity + 1))
    assert "there is no depot 'DC-?'" in found(lambda plan: plan["open_depots"].append("DC-?"))
    assert "is listed 2 times" in found(lambda plan: plan["open_depots"].append(first["depot_id"]))
    few = {**data, "max_open": 0}
    words = f"the plan opens {len(plan['open_depots'])} depots of at most 0"
    assert SCALED["facility"].check(few, plan).violations == [words]


def test_knapsack_names_each_violated_requirement():
    data, _ = solved("knapsack", 0, optional=True)

    def found(change):
        return violations("knapsack", change, optional=True)

    def accept_all(plan):
        plan["accepted"] = [request["id"] for request in data["requests"]]

    everything = found(accept_all)
    for words in ("t of at most", "m3 of at most", "reefer plugs of at most", "exclude each other"):
        assert words in everything
    assert found(lambda plan: plan["accepted"].append("REQ-x")) == "there is no request 'REQ-x'"
    assert "is listed 2 times" in found(lambda plan: plan["accepted"].append(plan["accepted"][0]))
    assert found(lambda plan: plan["accepted"].pop()) == ""


def test_production_names_each_violated_requirement():
    _, plan = solved("production", 0, optional=True)
    first = plan["production"][0]

    def found(change):
        return violations("production", change, optional=True)

    def scale(plan):
        for lot in plan["production"]:
            lot["units"] *= 4

    assert f"item {first['item_id']} has" in found(lambda plan: plan["production"].pop(0))
    assert "h of available" in found(scale)
    assert "units in stock of at most" in found(scale)
    assert found(lambda plan: plan["production"][0].update(item_id="ART-x")).startswith("there is no item 'ART-x'")
    assert f"item {first['item_id']} is listed twice in week {first['week']}" in found(
        lambda plan: plan["production"].append(dict(first))
    )
    assert found(lambda plan: plan["production"].append(dict(first, week=1 + first["week"] % 2, units=1e-9))) == ""


def test_optima_are_confirmed_by_a_second_solver(monkeypatch):
    family = SCALED["facility"]
    model = family.model(solved("facility", 0)[0])
    proven = proven_optimum(model, 1e-4)
    assert proven.objective == pytest.approx(with_second_solver(model, 0.0).objective, rel=1e-4)
    wrong = family.model(solved("facility", 1)[0])
    monkeypatch.setattr(
        "storm_calm.env.problems.families.scaled.optimum.with_second_solver",
        lambda *_: with_second_solver(wrong, 0.0),
    )
    with pytest.raises(ArithmeticError, match=r"HiGHS finds a solution of .*, but another solver a solution of"):
        proven_optimum(model, 1e-4)


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox(minimum_isolation="limits", workers=1) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("size", [50, 500, 5000])
@pytest.mark.parametrize("name", SCALED)
def test_reference_programs_find_the_answer(name, size, sandbox, tmp_path):
    problems = scaled_problems([SCALED[name]], split="train", seed=5, size=size, folder=tmp_path)
    for problem in islice(problems, 3 if size == 50 else 1):
        execution = sandbox.run(
            reference_program(problem),
            files=dict(workspace_files(problem)),
            results=[PLAN],
            limits=Limits(seconds=60, memory_mb=2048),
        )
        assert execution.status == "ok", execution.stderr
        printed = execution.stdout.splitlines()[-1]
        if problem.answers == ("infeasible",):
            assert printed.lower() == "status: infeasible"
            continue
        check = check_outputs(problem, [execution], sandbox)
        assert (check.feasible, check.violations, check.fault) == (True, (), "")
        assert check.objective == pytest.approx(problem.answers[0], rel=problem.tolerance)
        assert float(printed.removeprefix("objective: ")) == pytest.approx(check.objective, rel=problem.tolerance)
