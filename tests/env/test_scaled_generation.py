"""Problems with a size: reproducible, with files that a later run uses again, and answers that are proven."""

import json
import random
from pathlib import Path

import pytest

from storm_calm.env import read_problems, write_problems
from storm_calm.env.checkers import check_outputs
from storm_calm.env.problems.families import SCALED, generate
from storm_calm.env.problems.families.plan_checks import check_plan
from storm_calm.env.problems.families.scaled import answer, optimum, scaled_problems
from storm_calm.env.problems.families.scaled.optimum import Optimum, proven_optimum, with_second_solver
from storm_calm.env.problems.families.scaled.scaled_family import PLAN
from storm_calm.env.problems.families.scaled.tables import Column, Parameters, Scalar, Table, read_tables, write_tables
from storm_calm.env.problems.families.scaled.workspace_files import ANSWER, read_data
from storm_calm.env.problems.heldout import is_heldout
from storm_calm.env.workspace import full_question, workspace_files
from storm_calm.sandbox import Execution

NAMES = ["transportation", "knapsack"]


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Solve with SCIP in this process instead of HiGHS in another."""
    monkeypatch.setattr(optimum, "with_highs", with_second_solver)


def draw(folder, names=NAMES, split="train", seed=1, limit=4, size=30):
    return list(generate(names, split=split, seed=seed, limit=limit, size=size, folder=folder))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_problems_and_files(tmp_path):
    first, again = draw(tmp_path / "a"), draw(tmp_path / "b")
    assert first == again
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert draw(tmp_path / "c", limit=2) == first[:2]
    others = draw(tmp_path / "d", seed=2) + draw(tmp_path / "e", size=40)
    assert not {problem.id for problem in first} & {problem.id for problem in others}


def test_a_problem_refers_to_its_files_and_wants_a_checked_plan(tmp_path):
    problem = draw(tmp_path, limit=1)[0]
    assert problem.id.startswith("transportation-30-")
    assert (problem.source, problem.family, problem.difficulty) == ("generated", "transportation", "easy")
    assert Path(problem.folder) == tmp_path / problem.id
    assert {file.path for file in problem.files} >= {"plants.csv", "customers.csv", "lanes.csv", "parameters.csv"}
    assert (problem.outputs[0].path, problem.checker.function) == (PLAN, "family")
    assert (problem.time_limit, problem.memory_mb, problem.tolerance) == (60.0, 2048, 1e-4)
    assert problem.question.endswith("A plan within 0.01% of the best objective value is good enough.")
    assert ANSWER not in full_question(problem)


def test_splits_share_no_data_and_are_recognized_by_the_id(tmp_path):
    train, heldout = draw(tmp_path, limit=8), draw(tmp_path, split="heldout", limit=8)
    assert not {problem.files for problem in train} & {problem.files for problem in heldout}
    assert [is_heldout(problem) for problem in (*train, *heldout)] == [False] * 8 + [True] * 8


def test_an_interrupted_run_continues_with_its_folders(tmp_path, monkeypatch):
    first = draw(tmp_path, limit=2)
    monkeypatch.setattr(scaled_problems, "proven_answer", lambda *_: pytest.fail("solved again"))
    assert draw(tmp_path, limit=2) == first


def test_a_folder_with_other_files_is_an_error(tmp_path):
    problem = draw(tmp_path, limit=1)[0]
    file = Path(problem.folder) / "lanes.csv"
    file.write_text("other\n")
    with pytest.raises(ValueError, match=r"lanes\.csv: exists with another content; choose another folder"):
        draw(tmp_path, limit=1)
    file.unlink()
    assert draw(tmp_path, limit=1) == [problem]
    (Path(problem.folder) / ANSWER).write_text('{"answer": "best"}')
    with pytest.raises(ValueError, match=r"answer\.json: not a proven answer .*; remove the file"):
        draw(tmp_path, limit=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folder": None}, "problems with a size have files; give folder="),
        ({"size": 5}, "size is 5; give a whole number from 20 to 50000"),
        ({"size": 10**6}, "size is 1000000; give a whole number from 20 to 50000"),
        ({"names": ["sudoku"]}, 'unknown family of problems with a size "sudoku"; known: all, easy, complex, '),
        ({"split": "test"}, 'unknown split "test"'),
    ],
)
def test_invalid_options_name_the_fix(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        draw(**{"folder": tmp_path / "new", **options})
    assert not (tmp_path / "new").exists()


def test_all_means_every_family_with_a_size(tmp_path, monkeypatch):
    monkeypatch.setattr(
        scaled_problems, "proven_answer", lambda *_: answer.ProvenAnswer(answer=1.0, tolerance=1e-3, variables=1)
    )
    assert [problem.family for problem in draw(tmp_path, names=["all"], limit=len(SCALED))] == list(SCALED)


def test_problem_files_keep_the_problems(tmp_path):
    problems = draw(tmp_path)
    write_problems(tmp_path / "problems.jsonl", problems)
    assert list(read_problems(tmp_path / "problems.jsonl")) == problems
    lines = [json.loads(line) for line in (tmp_path / "problems.jsonl").read_text().splitlines()]
    assert [line["folder"] for line in lines] == [problem.id for problem in problems]


def test_plans_are_checked_against_the_files(tmp_path):
    problem = draw(tmp_path, names=["knapsack"], limit=1)[0]
    family = SCALED["knapsack"]
    data = read_data(family, problem)
    plan = family.plan(data, with_second_solver(family.model(data), 1e-4).values)
    check = check_plan(problem, workspace_files(problem), {PLAN: plan})
    assert (check.feasible, check.objective, check.violations) == (True, problem.answers[0], ())
    everything = json.dumps({"accepted": [request["id"] for request in data["requests"]]}).encode()
    execution = Execution(code="", status="ok", isolation="full", backend="local", files={PLAN: everything})
    check = check_outputs(problem, [execution], None)
    assert (check.feasible, check.fault, list(check.outputs)) == (False, "", [PLAN])
    assert check.violations[0].endswith(f"t of at most {data['departures'][0]['weight']}")


def test_data_whose_optimum_is_not_proven_are_drawn_again(tmp_path, monkeypatch):
    first = draw(tmp_path / "a", limit=1)[0]
    results = iter([None, answer.ProvenAnswer(answer=7.0, tolerance=1e-4, variables=30)])
    monkeypatch.setattr(scaled_problems, "proven_answer", lambda *_: next(results))
    second = draw(tmp_path / "b", limit=1)[0]
    assert (second.answers, second.id != first.id) == ((7.0,), True)
    assert [path.name for path in (tmp_path / "b").iterdir()] == [second.id]
    monkeypatch.setattr(scaled_problems, "proven_answer", lambda *_: None)
    with pytest.raises(ValueError, match="transportation: in 20 draws of size 30, no solver proved an optimum"):
        draw(tmp_path / "c", limit=1)


def facility_model(seed=3):
    family = SCALED["facility"]
    return family, family.draw(random.Random(seed), 40)


def test_an_answer_is_the_checked_objective_value_of_the_models_plan(monkeypatch):
    family, data = facility_model()
    proven = answer.proven_answer(family, data)
    found = with_second_solver(family.model(data), 1e-4)
    assert proven.answer == pytest.approx(found.objective, rel=1e-4)
    assert proven.bound == pytest.approx(proven.answer, rel=1.01e-4)
    monkeypatch.setattr(answer, "proven_optimum", lambda *_: Optimum(status="infeasible"))
    assert answer.proven_answer(family, data).answer == "infeasible"
    monkeypatch.setattr(answer, "proven_optimum", lambda *_: None)
    assert answer.proven_answer(family, data) is None


def test_a_model_that_disagrees_with_the_checker_is_an_error(monkeypatch):
    family, data = facility_model()
    found = with_second_solver(family.model(data), 1e-4)
    for wrong, message in (
        ({"values": (0.0,) * len(found.values)}, "facility: the checker rejects the model's plan: customer .* gets 0"),
        (
            {"objective": 2 * found.objective, "bound": 2 * found.bound},
            "facility: the checker computes .*, but the model",
        ),
    ):
        changed = {"objective": found.objective, "bound": found.bound, "values": found.values, **wrong}
        monkeypatch.setattr(answer, "proven_optimum", lambda *_, changed=changed: Optimum(status="optimal", **changed))
        with pytest.raises(ArithmeticError, match=message):
            answer.proven_answer(family, data)


def test_infeasible_needs_both_solvers(monkeypatch):
    family, data = facility_model()
    model = family.model(data)
    found = {"first": Optimum(status="infeasible"), "second": Optimum(status="infeasible")}
    monkeypatch.setattr(optimum, "with_highs", lambda *_: found["first"])
    monkeypatch.setattr(optimum, "with_second_solver", lambda *_: found["second"])
    assert proven_optimum(model, 1e-4).status == "infeasible"
    found["second"] = Optimum(status="open")
    assert proven_optimum(model, 1e-4) is None
    found["second"] = with_second_solver(model, 1e-4)
    with pytest.raises(ArithmeticError, match="HiGHS finds infeasible, but another solver a solution of"):
        proven_optimum(model, 1e-4)
    found["first"] = Optimum(status="open")
    assert proven_optimum(model, 1e-4) is None


def test_tables_omit_what_the_data_do_not_have():
    tables = (
        Table(
            key="rows",
            file="rows.csv",
            columns=(Column("row_id", "id"), Column("note", fill=("a", "b")), Column("max_t", "most")),
        ),
        Table(key="more", file="more.csv", columns=(Column("x", "x"),)),
        Parameters(file="parameters.csv", scalars=(Scalar("rate_eur", "rate"),)),
    )
    data = {"rows": [{"id": "R-01"}, {"id": "R, 2"}]}
    assert write_tables(tables, data) == {"rows.csv": b'row_id,note\nR-01,a\n"R, 2",b\n'}
    data = {"rows": [{"id": "R-01", "most": 0.5}, {"id": "7e3"}], "more": [], "rate": -3}
    files = write_tables(tables, data)
    assert files == {
        "rows.csv": b"row_id,note,max_t\nR-01,a,0.5\n7e3,b,\n",
        "more.csv": b"x\n",
        "parameters.csv": b"parameter;value\nrate_eur;-3\n",
    }
    assert read_tables(tables, files) == data


@pytest.mark.slow
def test_highs_runs_in_a_process_that_prints_nothing_here(capfd, monkeypatch, tmp_path):
    monkeypatch.undo()
    assert len(draw(tmp_path, names=["facility"], limit=1)) == 1
    assert capfd.readouterr() == ("", "")
