"""OR-Space: workspaces become problems with files, references have their tolerance, and published programs run."""

import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.env import RULES
from storm_calm.env.problems.benchmarks import benchmark_of, load_benchmarks
from storm_calm.env.problems.benchmarks.workspaces import references_in
from storm_calm.env.workspace import full_question, workspace_files

DATA = "Parameter_Name,Value\ncapacity,4\nprofit,2.5\n"
MODULE = "def best(limit, price):\n    return limit * price\n"
PROGRAM = """import csv
import os
from gurobi_pulp_compat import best
from utils import load

params = load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data"))
print("Status: Optimal")
print(f"OBJECTIVE_VALUE: {best(params['capacity'], params['profit'])}")
"""
UTILITIES = """import csv
import os

def load(folder):
    with open(os.path.join(folder, "general_parameters.csv")) as file:
        return {row["Parameter_Name"]: float(row["Value"]) for row in csv.DictReader(file)}
"""
HEADER = "workspace_id,task_type,instance_number,instance_id,reference_objective,relative_tolerance\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def root(tmp_path):
    """A set of two instances, of which the second has no module of the programs."""
    root = tmp_path / "OR-Space"
    rows = {"build": HEADER, "revise": HEADER}
    for number in (2, 11):
        folders = {
            task: root / f"Workspace_OR/{task}_workspaces/instance_{number}" for task in ("build", "revise", "explain")
        }
        write(folders["build"] / "docs/business_requirement.md", f"Factory {number} makes fabric.\n")
        write(folders["build"] / "data/general_parameters.csv", DATA)
        write(folders["build"] / "data/table_1.csv", "")
        write(folders["build"] / "src/.gitkeep", "")
        write(folders["build"] / "metadata.json", '{"difficulty": "Hard"}')
        for version, data in (("original", DATA), ("revised", DATA.replace("4", "6"))):
            write(folders["revise"] / version / "docs/business_requirement.md", f"Factory {number}, {version}.")
            write(folders["revise"] / version / "data/general_parameters.csv", data)
        write(folders["revise"] / "metadata.json", '{"diff": "+4var"}')
        original = folders["revise"] / "original/src"
        write(original / "current_heuristic.py", PROGRAM)
        write(original / "utils.py", UTILITIES)
        if number == 2:
            write(original / "gurobi_pulp_compat.py", MODULE)
        write(folders["explain"] / "revised/src/optimization_model.py", PROGRAM)
        write(folders["explain"] / "revised/src/utility_code.py", UTILITIES)
        for task, objective in (("build", 10.0), ("revise", 15.0)):
            rows[task] += f"or_space_{number:03}_{task},{task},{number},X_{number},{objective},0.01\n"
    for task, text in rows.items():
        write(root / f"evaluation/{task}_evaluation/reference_objectives.csv", text)
    return root


def test_a_build_workspace_has_its_request_and_its_data(root):
    first, second = load_benchmarks(["or_space_build"], root).problems
    assert (first.id, second.id) == ("or_space_002_build", "or_space_011_build")
    assert first.question.startswith("Factory 2 makes fabric.\n\nThe numbers are in the data files. Build")
    assert (first.answers, first.rule, benchmark_of(first)) == ((10.0,), "or_space", "or_space_build")
    assert workspace_files(first) == {"data/general_parameters.csv": DATA.encode(), "data/table_1.csv": b""}
    assert "data/table_1.csv" in full_question(first)


def test_a_revise_workspace_has_both_versions(root):
    problem = load_benchmarks(["or_space_revise"], root.parent).problems[0]
    assert problem.question.startswith("Factory 2, revised.\n\nThe folder original/ has")
    assert problem.answers == (15.0,)
    assert [file.path for file in problem.files] == [
        "original/data/general_parameters.csv",
        "original/docs/business_requirement.md",
        "original/src/current_heuristic.py",
        "original/src/gurobi_pulp_compat.py",
        "original/src/utils.py",
        "revised/data/general_parameters.csv",
        "revised/docs/business_requirement.md",
    ]


def test_the_rule_is_that_of_the_published_scorer():
    rule = RULES["or_space"]
    assert [rule(p, 100.0) for p in (99.0, 101.0, 101.01, -100.0)] == [True, True, False, False]
    assert [rule(p, 0.5) for p in (0.509, 0.511)] == [True, False]


@pytest.mark.parametrize(
    "row", ["", "or_space_002_build,build,2,X,none,0.01\n", "or_space_002_build,build,2,X,nan,0.01\n"]
)
def test_a_workspace_without_a_readable_reference_is_left_out(root, row):
    file = root / "evaluation/build_evaluation/reference_objectives.csv"
    file.write_text(f"{HEADER}{row}or_space_011_build,build,11,X,10.0,0.01\n")
    loaded = load_benchmarks(["or_space_build"], root)
    assert [problem.id for problem in loaded.problems] == ["or_space_011_build"]
    assert loaded.unread == (str(root / "Workspace_OR/build_workspaces/instance_2"),)


def test_another_tolerance_is_not_scored_as_if_it_were_ours(root):
    file = root / "evaluation/build_evaluation/reference_objectives.csv"
    file.write_text(file.read_text().replace("2,X_2,10.0,0.01", "2,X_2,10.0,0.05"))
    assert [problem.id for problem in load_benchmarks(["or_space_build"], root).problems] == ["or_space_011_build"]


def test_references_that_are_missing_or_no_table_are_an_error(root):
    file = root / "evaluation/build_evaluation/reference_objectives.csv"
    file.write_bytes(b"workspace_id\xff\n")
    with pytest.raises(OSError, match=r"reference_objectives.csv: cannot be read as CSV .* restore it"):
        load_benchmarks(["or_space_build"], root)
    file.unlink()
    with pytest.raises(OSError, match=r"reference_objectives.csv: no such file; download the folder evaluation/"):
        load_benchmarks(["or_space_build"], root)


def test_published_programs_reproduce_the_references(root, tmp_path):
    pytest.importorskip("gurobipy")
    assert len(references_in(root)) == 4
    config = EvalConfig(
        benchmark=("or_space_build", "or_space_revise"),
        data_dir=str(root),
        reasoner=f"replay:{root}",
        rule=("or_space",),
        solver_seconds=60,
    )
    results = evaluate(config, tmp_path / "out")
    assert (results.scored, results.rules["or_space"]["pass@1"].mean) == (4, 1.0)


def test_reading_references_reads_no_answer(root):
    for file in root.glob("evaluation/*/*"):
        file.unlink()
    assert [problem.answers for problem, _ in references_in(root)] == [()] * 4
