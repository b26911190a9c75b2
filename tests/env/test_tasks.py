"""Variants of problems with files, and tasks about solved ones: complete, checked against the truth, and solvable."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.env import read_problems, write_problems
from storm_calm.env.checkers import check_outputs
from storm_calm.env.json_schema import schema_fault
from storm_calm.env.problem import Checker, Problem, ProblemFile
from storm_calm.env.problems.families import SCALED, generate
from storm_calm.env.problems.families.scaled import optimum
from storm_calm.env.problems.families.scaled.limits import Limit, in_turn, limits_in
from storm_calm.env.problems.families.scaled.optimum import with_second_solver
from storm_calm.env.problems.families.scaled.tables import read_tables, write_tables
from storm_calm.env.problems.families.tasks import task_problems as module
from storm_calm.env.problems.families.tasks.binding import binding
from storm_calm.env.problems.families.tasks.check_task import check_explanation
from storm_calm.env.problems.families.tasks.conflicts import LimitChange, conflict, conflicts
from storm_calm.env.problems.families.tasks.current_program import write_program
from storm_calm.env.problems.families.tasks.file_changes import differences
from storm_calm.env.problems.families.tasks.limit_words import change_words
from storm_calm.env.problems.families.tasks.reference_program import reference_program
from storm_calm.env.problems.families.tasks.revise import revise
from storm_calm.env.problems.families.tasks.sensitivities import tighter, worth
from storm_calm.env.problems.families.tasks.solved import solve
from storm_calm.env.problems.families.tasks.stored_task import task_of
from storm_calm.env.problems.families.tasks.task_kinds import TASKS, chosen_variants, variant_of
from storm_calm.env.problems.families.tasks.tightness import tightness, usage_of
from storm_calm.env.problems.heldout import is_heldout
from storm_calm.env.token_estimate import estimate_tokens
from storm_calm.env.workspace import full_question, workspace_files
from storm_calm.sandbox import Execution, Limits, open_sandbox

TRANSPORTATION = SCALED["transportation"]
CAPACITY, DEMAND = TRANSPORTATION.limits[:2]
PLANS = ("original", "wording", "objective", "constraint")


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Solve with SCIP in this process instead of HiGHS in another."""
    monkeypatch.setattr(optimum, "with_highs", with_second_solver)


def draw(folder, task="plan", variants=(), names=("transportation",), split="train", limit=1, size=40, seed=2):
    return list(
        generate(
            list(names), split=split, seed=seed, limit=limit, size=size, folder=folder, task=task, variants=variants
        )
    )


def check(problem, output):
    """Return the check of an output, which is written by no program."""
    files = {problem.outputs[0].path: json.dumps(output).encode()}
    execution = Execution(code="", status="ok", isolation="full", backend="local", files=files)
    return check_outputs(problem, [execution], sandbox=None)


def two_plants(first=100, second=100, cost=(40.0, 50.0), demands=(60, 70)):
    """Return data with plants A and B, which can both deliver to all customers."""
    customers = [{"id": f"C{number}", "demand": demand} for number, demand in enumerate(demands, start=1)]
    return {
        "plants": [
            {"id": "A", "supply": first, "cost": cost[0]},
            {"id": "B", "supply": second, "cost": cost[1]},
        ],
        "customers": customers,
        "lanes": [{"plant": plant, "customer": one["id"], "distance": 100} for one in customers for plant in "AB"],
        "rate": 0.1,
    }


def limits(data, kind=CAPACITY):
    return limits_in((kind,), data)


# Variants


def test_variants_are_of_the_same_data_and_split(tmp_path):
    original, wording, objective, constraint = draw(tmp_path, variants=PLANS, limit=4)
    hashes = {problem.id.rpartition("-")[2] for problem in (original, wording, objective, constraint)}
    assert len(hashes) == 1
    assert original == draw(tmp_path)[0]
    assert wording.answers == original.answers
    assert wording.files == original.files
    assert wording.question != original.question
    assert objective.answers[0] != original.answers[0]
    assert constraint.answers[0] > original.answers[0]


def test_variants_of_a_heldout_problem_are_heldout(tmp_path):
    found = draw(tmp_path, variants=PLANS, limit=4, split="heldout") + draw(tmp_path, "revise", split="heldout")
    assert all(map(is_heldout, found))
    assert not any(map(is_heldout, draw(tmp_path, variants=PLANS, limit=4) + draw(tmp_path, "explain")))


def test_the_plan_of_a_variant_is_checked_against_its_own_objective(tmp_path):
    original, objective = draw(tmp_path, variants=("original", "objective"), limit=2)
    solved = solve(TRANSPORTATION, read_tables(TRANSPORTATION.tables, workspace_files(original)))
    found = check(objective, solved.plan)
    assert found.feasible
    assert found.objective != pytest.approx(solved.objective)
    assert found.objective > objective.answers[0]


def test_names_of_variants_are_read_from_the_ids(tmp_path):
    assert [variant_of(problem) for problem in draw(tmp_path, variants=PLANS, limit=4)] == list(PLANS)
    assert [variant_of(problem) for problem in draw(tmp_path, "revise", limit=3)] == [
        "revise number", "revise objective", "revise constraint",
    ]  # fmt: skip
    small = next(generate(["knapsack"], split="train", seed=1, limit=1))
    assert variant_of(small) == variant_of(Problem(id="a-12", question="?", answers=(1.0,))) == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "solve"}, 'unknown task "solve"; known: plan, revise, explain'),
        ({"task": "revise", "variants": ("wording",)}, 'unknown variant "wording" of the task revise; known: number'),
        ({"variants": ("number",)}, 'unknown variant "number" of the task plan; known: original, wording'),
    ],
)
def test_unknown_tasks_and_variants_name_the_known_ones(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        draw(tmp_path, **options)


def test_tasks_need_a_size():
    with pytest.raises(ValueError, match="tasks and variants have data in files; give their size"):
        list(generate(["knapsack"], split="train", seed=1, limit=1, task="revise"))


def test_all_variants_of_a_task_are_chosen_by_default():
    assert chosen_variants("plan", ()) == ("original",)
    assert chosen_variants("explain", ()) == TASKS["explain"]
    assert chosen_variants("plan", ("wording", "original")) == ("original", "wording")


def test_a_family_without_limits_has_no_tasks(monkeypatch, tmp_path):
    monkeypatch.setitem(SCALED, "transportation", replace(TRANSPORTATION, limits=(), revisions=()))
    with pytest.raises(ValueError, match="transportation has no variant binding, worth, tighter, conflict; choose"):
        draw(tmp_path, "explain")


# Revise tasks


@pytest.mark.parametrize("variant", TASKS["revise"])
def test_a_revise_task_has_the_solved_problem_and_a_change_that_matters(tmp_path, variant):
    [problem] = draw(tmp_path, "revise", (variant,))
    files = workspace_files(problem)
    assert {"previous_plan.json", "current_model.py", "plants.csv"} <= set(files)
    data = read_tables(TRANSPORTATION.tables, files)
    previous = json.loads(files["previous_plan.json"])
    solved = TRANSPORTATION.check(data, previous)
    assert solved.violations == []
    assert f"objective value {solved.objective:.12g}" in problem.question
    after = check(problem, previous)
    assert not after.feasible or after.objective > problem.answers[0] * (1 + 10 * problem.tolerance)


def test_the_revised_data_are_in_no_file(tmp_path):
    [problem] = draw(tmp_path, "revise", ("constraint",))
    least = next(plant for plant in task_of(problem).data["plants"] if "least" in plant)
    assert f"Plant {least['id']} must produce at least {least['least']} t" in problem.question
    assert b"min_t_per_week" not in workspace_files(problem)["plants.csv"]
    assert "task.json" not in full_question(problem)


def test_the_current_program_does_not_handle_what_the_data_do_not_have():
    facility = SCALED["facility"]
    data = next(data for seed in range(9) if "max_open" not in (data := facility.draw(random.Random(seed), 30)))
    assert "max_open_depots" in facility.program(data)
    program = write_program(facility, data, 1e-4)
    assert "max_open_depots" not in program
    assert "parameters" not in program
    assert write_program(facility, {**data, "max_open": 2}, 1e-4).count("max_open_depots") == 2


def test_a_family_without_a_possible_change_has_no_revise_task():
    solved = solve(TRANSPORTATION, two_plants(1000, 1000))
    assert revise(random.Random(1), replace(solved, family=replace(TRANSPORTATION, revisions=())), "constraint") is None


# Explanations


def test_a_limit_is_tight_only_if_all_optimal_plans_use_it_up():
    def found(data, index):
        solved, limit = solve(TRANSPORTATION, data), limits(data)[index]
        return tightness(solved, usage_of(TRANSPORTATION, data, limit), limit.value(data))

    assert found(two_plants(), 0) == "tight"
    assert found(two_plants(), 1) == "slack"
    # Both plants cost the same: some optimal plans use up A, and some do not.
    assert found(two_plants(cost=(40.0, 40.0)), 0) == "unclear"


def test_the_usage_of_a_limit_is_found_in_rows_and_bounds():
    data = two_plants()
    data["lanes"][0]["most"] = 30
    of_plant = usage_of(TRANSPORTATION, data, limits(data)[0])
    assert of_plant.coefficients == {0: 1.0, 2: 1.0}
    of_lane = usage_of(TRANSPORTATION, data, limits(data, TRANSPORTATION.limits[2])[0])
    assert of_lane.coefficients == {0: 1.0}
    # The demand limits the deliveries from below.
    assert usage_of(TRANSPORTATION, data, limits(data, DEMAND)[0]) is None
    facility = SCALED["facility"]
    sites = facility.draw(random.Random(1), 30)
    of_depot = usage_of(facility, sites, limits_in(facility.limits, sites)[0])
    assert set(of_depot.coefficients.values()) == {1.0}


def test_conflicts_are_all_smallest_sets_without_a_plan():
    data = two_plants(100, 100, demands=(60, 70))
    first, second = limits(data)
    changes = [
        LimitChange(limit=first, value=50),
        LimitChange(limit=second, value=60),
        LimitChange(limit=limits(data, DEMAND)[0], value=90),
        LimitChange(limit=limits(data, DEMAND)[1], value=75),
    ]
    # 50 + 100 and 100 + 60 are enough for 130, but not for 160; 110 for nothing.
    sets = conflicts(TRANSPORTATION, data, changes)
    assert sorted(map(sorted, sets)) == [[0, 1], [0, 2], [1, 2, 3]]


def test_truths_are_those_of_the_changed_problems():
    solved = solve(TRANSPORTATION, TRANSPORTATION.draw(random.Random(4), 60))
    more, less = worth(random.Random(1), solved), tighter(random.Random(1), solved)
    for found, name in ((more, "improvement"), (less, "optimum")):
        assert len(found.truth[name]) == len(found.changes) == 3
        for label, change in found.changes.items():
            [cell] = change.cells
            [limit] = [
                one
                for one in limits_in(TRANSPORTATION.limits, solved.data)
                if one.place(TRANSPORTATION.tables) == (cell.file, cell.column)
                and all(text in one.words(solved.data) for text in cell.where.values())
            ]
            after = solve(TRANSPORTATION, limit.changed(solved.data, cell.value))
            if after is None:
                assert found.truth[name][label] is None
                continue
            value = after.objective if name == "optimum" else solved.objective - after.objective
            low, high = found.truth[name][label]
            assert low < value < high
            assert high - low < 0.3
            line = f"{limit.words(solved.data)} ({cell.column} in {cell.file}) "
            assert f"- {label}: {line}" in found.question


def test_questions_about_binding_limits_have_both_kinds():
    solved = solve(TRANSPORTATION, TRANSPORTATION.draw(random.Random(4), 60))
    found = binding(random.Random(1), solved)
    assert 0 < len(found.truth["binding"]) < len(found.changes)
    assert found.answers == (float(len(found.truth["binding"])),)
    assert binding(random.Random(1), solve(TRANSPORTATION, two_plants(1000, 1000))) is None


def test_conflicting_changes_have_a_plan_one_by_one():
    solved = solve(TRANSPORTATION, TRANSPORTATION.draw(random.Random(4), 60))
    found = conflict(random.Random(1), solved)
    named = {label for labels in found.truth["conflict"] for label in labels}
    assert all(1 < len(labels) <= 3 for labels in found.truth["conflict"])
    assert named < set(found.changes)
    assert conflict(random.Random(1), replace(solved, family=replace(TRANSPORTATION, limits=()))) is None


BINDING = {"binding": ["L1", "L3"]}
WORTH = {"improvement": {"L1": [9.9, 10.1], "L2": [-0.1, 0.1]}, "first": "greatest"}
TIGHTER = {"optimum": {"L1": [99.0, 101.0], "L2": None}, "first": "least"}
CONFLICT = {"conflict": [["C1", "C2"], ["C2", "C3", "C4"]]}


@pytest.mark.parametrize(
    ("truth", "right", "summary"),
    [
        (BINDING, {"binding": ["L3", "L1"]}, 2),
        (WORTH, {"improvement": {"L1": 10.02, "L2": 0}}, 10.02),
        (TIGHTER, {"optimum": {"L1": 100, "L2": None}}, 100),
        (CONFLICT, {"conflict": ["C2", "C1"]}, 2),
        (CONFLICT, {"conflict": ["C4", "C3", "C2"]}, 3),
    ],
)
def test_all_right_answers_are_accepted(truth, right, summary):
    found = check_explanation(truth, right)
    assert (found.feasible, found.objective, found.best, found.violations) == (True, summary, summary, ())


@pytest.mark.parametrize(
    ("truth", "wrong", "violation"),
    [
        (BINDING, {"binding": ["L1"]}, "the named limits are not exactly those that bind"),
        (BINDING, {"binding": ["L1", "L2", "L3"]}, "the named limits are not exactly those that bind"),
        (WORTH, {"improvement": {"L1": -10, "L2": 0}}, "the improvement of L1 is wrong"),
        (TIGHTER, {"optimum": {"L1": 100, "L2": 90}}, "the optimum of L2 is wrong"),
        (TIGHTER, {"optimum": {"L1": None, "L2": None}}, "the optimum of L1 is wrong"),
        (CONFLICT, {"conflict": []}, "a plan is possible with all named changes together"),
        (CONFLICT, {"conflict": ["C1", "C3", "C4"]}, "a plan is possible with all named changes together"),
        (CONFLICT, {"conflict": ["C1", "C2", "C3"]}, "the named changes conflict even without one of them"),
    ],
)
def test_violations_name_what_is_wrong_without_the_right_answer(truth, wrong, violation):
    found = check_explanation(truth, wrong)
    assert not found.feasible
    assert found.violations == (violation,)


@pytest.mark.parametrize("variant", TASKS["explain"])
def test_an_explanation_must_fit_its_schema(tmp_path, variant):
    [problem] = draw(tmp_path, "explain", (variant,), size=60, seed=1)
    schema = problem.outputs[0].schema
    assert schema_fault(schema, {}) != ""
    task = task_of(problem)
    if variant in ("binding", "conflict"):
        named = task.truth[variant] if variant == "binding" else task.truth[variant][0]
        right = {variant: named}
        assert schema_fault(schema, {variant: ["X9"]}) != ""
    else:
        key = "improvement" if variant == "worth" else "optimum"
        middles = {label: span and sum(span) / 2 for label, span in task.truth[key].items()}
        right = {key: middles}
        assert schema_fault(schema, {key: dict.fromkeys(middles, "much")}) != ""
    found = check(problem, right)
    assert (found.feasible, found.missing, found.fault) == (True, (), "")
    assert found.objective == pytest.approx(problem.answers[0])


# Files


def test_the_changes_of_a_reference_program_give_the_files_of_the_changed_problem(tmp_path, monkeypatch):
    before = TRANSPORTATION.draw(random.Random(1), 30)
    after = limits(before)[1].changed({**before, "rate": 0.2}, 7)
    after["customers"] = [*after["customers"], {"id": "NEW", "demand": 1}]
    after["plants"][0] = {**after["plants"][0], "least": 3}
    for path, content in write_tables(TRANSPORTATION.tables, before).items():
        (tmp_path / path).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    exec(differences(TRANSPORTATION.tables, before, after).program(), {})
    assert read_tables(TRANSPORTATION.tables, {path.name: path.read_bytes() for path in Path().iterdir()}) == after
    assert differences(TRANSPORTATION.tables, before, before).program() == ""


def test_a_stored_task_is_used_again(tmp_path, monkeypatch):
    first = draw(tmp_path, "revise", limit=2, seed=1)
    monkeypatch.setattr(module, "solve", lambda family, data: pytest.fail("the task was solved again"))
    assert draw(tmp_path, "revise", limit=2, seed=1) == first
    (Path(first[0].folder) / "task.json").write_text("{}")
    with pytest.raises(ValueError, match=r"task\.json: not a task"):
        draw(tmp_path, "revise", seed=1)


def test_problem_files_keep_tasks_with_their_checkers(tmp_path):
    problems = draw(tmp_path, "explain", limit=2)
    write_problems(tmp_path / "problems.jsonl", problems)
    assert list(read_problems(tmp_path / "problems.jsonl")) == problems
    (Path(problems[0].folder) / "task.json").write_text("{}")
    with pytest.raises(ValueError, match=r"task\.json: has changed since the problem was written"):
        read_problems(tmp_path / "problems.jsonl")


def test_only_a_function_has_data():
    file = ProblemFile(path="check.py", sha256="0" * 64)
    assert Checker(function="task", data=file).file == Checker(program=file).file == file
    with pytest.raises(ValueError, match="a checker's program has no data"):
        Checker(program=file, data=file)


def test_a_stricter_number_has_no_more_decimals():
    data = {"plants": [{"id": "A", "supply": 101}, {"id": "B", "supply": 2.25}], "customers": [{"demand": 10}]}
    assert [limit.stricter(data, 0.3) for limit in limits(data)] == [71, 1.57]
    assert limits(data, DEMAND)[0].stricter(data, 0.3) == 13


def test_numbers_of_plurals_rise_and_fall():
    hours = Limit(table="plants", field="supply", words="the hours of {id}", unit="h")
    family = replace(TRANSPORTATION, tables=TRANSPORTATION.tables, limits=(CAPACITY, hours))
    solved = replace(solve(TRANSPORTATION, two_plants()), family=family)
    one, several = (limits(solved.data, kind)[0] for kind in family.limits)
    place = "(capacity_t_per_week in plants.csv)"
    assert change_words(solved, one, 50) == f"the capacity of plant A {place} falls from 100 to 50 t"
    assert change_words(solved, several, 120) == f"the hours of A {place} rise from 100 to 120 h"


def test_limits_of_each_kind_come_in_turn():
    data = {"few": [{"id": 1, "most": 1}], "many": [{"id": number, "least": 2} for number in range(9)], "all": 3}
    kinds = (
        Limit(table="few", field="most", words="few {id}", unit="t"),
        Limit(table="many", field="least", sense="at least", words="many {id}", unit="t"),
        Limit(field="all", words="all", unit="h"),
        Limit(field="absent", words="absent", unit="h"),
    )
    found = in_turn(random.Random(1), limits_in(kinds, data))
    assert len(found) == 11
    assert len({one.kind for one in found[:3]}) == 3


# Programs


def run(problem, code, sandbox):
    limits = Limits(seconds=problem.time_limit, memory_mb=problem.memory_mb)
    paths = tuple(output.path for output in problem.outputs)
    execution = sandbox.run(code, limits=limits, files=dict(workspace_files(problem)), results=paths)
    assert execution.status == "ok", execution.error_line
    return check_outputs(problem, [execution], sandbox), execution


@pytest.fixture(scope="module")
def real_sandbox():
    with open_sandbox(minimum_isolation="limits") as sandbox:
        yield sandbox


def test_the_current_program_solves_the_problem_before_the_change_only(tmp_path, real_sandbox):
    [problem] = draw(tmp_path, "revise", ("number",))
    right, _ = run(problem, reference_program(problem), real_sandbox)
    assert right.feasible
    assert right.objective == pytest.approx(problem.answers[0])
    wrong, _ = run(problem, workspace_files(problem)["current_model.py"].decode(), real_sandbox)
    assert not wrong.feasible


@pytest.mark.slow
@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("task", TASKS)
def test_reference_programs_solve_all_tasks(name, task, tmp_path, real_sandbox):
    kinds = {revision.kind for revision in SCALED[name].revisions}
    variants = tuple(kinds) if task == "plan" else ()
    # What binds is proven by dozens of solves, so these are smaller.
    size = 30 if task == "explain" else 60
    for problem in draw(tmp_path, task, variants, names=(name,), limit=3, size=size):
        found, execution = run(problem, reference_program(problem), real_sandbox)
        assert (found.feasible, found.violations, found.fault) == (True, (), ""), problem.id
        value = float(execution.stdout.rstrip().rpartition(":")[2])
        assert value == pytest.approx(found.objective, abs=1e-6, rel=1e-6)
        if task != "explain":
            assert found.objective == pytest.approx(problem.answers[0], rel=problem.tolerance)
        assert estimate_tokens(full_question(problem)) < 4000
