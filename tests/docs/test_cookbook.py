"""The cookbook: its programs solve its problems, the page has their results, and its files fit together."""

import csv
import io
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from storm_calm import Problem, SolverEnv, open_sandbox, run_episode
from storm_calm.agents.reasoners.replay import Replay
from storm_calm.agents.verdict import verdict
from storm_calm.sandbox.libraries import DISTRIBUTIONS

ROOT = Path(__file__).resolve().parents[2]
MAKE = runpy.run_path(str(ROOT / "docs" / "cookbook" / "make.py"))
PROBLEMS = MAKE["PROBLEMS"]
NAMES = MAKE["names"]()
INFEASIBLE = {"roster"}


@pytest.fixture(scope="module")
def results():
    with open_sandbox() as sandbox:
        return MAKE["all_solved"](NAMES, sandbox)


@pytest.mark.slow
def test_the_page_has_the_results_of_the_programs(results):
    assert MAKE["PAGE"].read_text(encoding="utf-8") == MAKE["page"](results), "run python docs/cookbook/make.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_another_solver_finds_no_better_plan(name, results):
    report = results[name].report
    assert report.check.outcome == "passed"
    confirmed = (
        "finds the model infeasible, too" if name in INFEASIBLE else "solved the model again and found no better"
    )
    assert confirmed in report.check.text
    assert report.status == ("infeasible" if name in INFEASIBLE else "optimal")
    assert report.not_checked == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_program_prints_what_its_solver_reported(name, results):
    execution, report = results[name].execution, results[name].report
    assert (execution.status, execution.stderr) == ("ok", "")
    last = execution.stdout.splitlines()[-1]
    if name in INFEASIBLE:
        assert last.lower() == "status: infeasible"
    else:
        assert float(last.removeprefix("objective: ")) == pytest.approx(abs(report.objective), abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_what_if_question_has_an_answer(name, results):
    changed = results[name].changed
    assert changed.status == "optimal"
    assert changed.objective_before != changed.solve.report.objective


@pytest.mark.slow
def test_the_cheapest_change_of_the_infeasible_problem_is_its_what_if(results):
    [change] = results["roster"].report.relaxation.changes
    assert (change.kind, change.name, change.after) == ("row_lower", "need_Sat_early", 2)
    assert results["roster"].changes[0].value == change.after


@pytest.mark.slow
def test_the_programs_use_different_libraries(results):
    libraries = {one.report.library for one in results.values()}
    assert len(libraries) >= 7
    assert {library.partition(".")[0] for library in libraries} <= set(DISTRIBUTIONS)


@pytest.mark.slow
def test_the_command_of_the_page_solves_its_problem():
    text = MAKE["PAGE"].read_text(encoding="utf-8")
    [command] = re.findall(r"^```sh\n(storm solve .*?)```", text, re.MULTILINE | re.DOTALL)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-euc", command],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Checked: the plan keeps all limits of its model" in run.stdout
    assert "ship[Metz,Luxembourg]" in run.stdout


def test_the_references_have_the_questions_and_programs():
    assert MAKE["REFERENCES"].read_text(encoding="utf-8") == MAKE["references"](), "run python docs/cookbook/make.py"


def test_there_are_ten_problems_with_questions_data_and_a_what_if():
    assert len(NAMES) == 10
    for name in NAMES:
        folder = PROBLEMS / name
        rows = [len(list(csv.reader(io.StringIO(file.read_text())))) - 1 for file in folder.glob("*.csv")]
        assert max([*rows, 24 if (folder / "orders.xlsx").exists() else 0]) >= 10, name
        question = (folder / "question.md").read_text(encoding="utf-8")
        assert all(f"`{file}`" in question for file in MAKE["files_of"](folder)), name


def test_the_workbook_is_that_of_its_program():
    make = runpy.run_path(str(PROBLEMS / "make_workbook.py"))
    written, expected = openpyxl.load_workbook(make["FILE"]), make["workbook"]()
    assert cells(written) == cells(expected)


def cells(book):
    return {sheet.title: [[cell.value for cell in row] for row in sheet.iter_rows()] for sheet in book}


@pytest.mark.slow
def test_a_right_answer_from_data_files_has_no_warning():
    replay = Replay(MAKE["PROBLEMS"])
    with open_sandbox() as sandbox:
        for name in NAMES:
            folder = MAKE["PROBLEMS"] / name
            files = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in (".csv", ".xlsx")}
            question = (folder / "question.md").read_text(encoding="utf-8").strip()
            env = SolverEnv(sandbox, replay, files=files)
            episode = run_episode(env, replay, Problem(id=name, question=question, answers=()))
            assert min(files) in episode.transcript.text[: episode.transcript.prompt_end]
            assert (episode.stop, verdict(episode, has_files=True).warnings) == ("answer", []), name
