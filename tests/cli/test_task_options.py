"""`--task` and `--variant` of `storm families`, `storm eval` and `storm curate`."""

import json

import pytest

from storm_calm.env import read_problems
from storm_calm.env.problems.families.scaled import optimum
from storm_calm.env.problems.families.scaled.optimum import with_second_solver

SMALL = ("--size", 40, "--seed", 1)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Solve with SCIP in this process instead of HiGHS in another."""
    monkeypatch.setattr(optimum, "with_highs", with_second_solver)


def test_a_folder_gets_tasks_their_files_and_programs(storm, tmp_path):
    result = storm("families", "transportation", *SMALL, "--task", "revise", "--limit", 3, "--write", "data")
    assert result.stdout == "data/problems.jsonl: 3 problems, transportation 3\n"
    problems = read_problems(tmp_path / "data" / "problems.jsonl")
    assert [problem.id.split("-")[1:3] for problem in problems] == [
        ["revise", "number"], ["revise", "objective"], ["revise", "constraint"],
    ]  # fmt: skip
    references = [json.loads(line) for line in (tmp_path / "data" / "references.jsonl").read_text().splitlines()]
    for reference in references:
        compile(reference["program"], "main.py", "exec")
    assert [reference["id"] for reference in references] == [problem.id for problem in problems]


def test_variants_are_chosen_by_name(storm):
    shown = storm("families", "--show", "transportation", *SMALL, "--task", "explain", "--variant", "conflict").stdout
    assert "no plan is possible with all of them:\n- C1: " in shown
    assert "- current_model.py: text" in shown
    assert "task.json" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "revise", "--out", "a"), "--task and --variant choose problems with data files; give their --size"),
        (("knapsack", *SMALL, "--variant", "number", "--write", "a"), 'unknown variant "number" of the task plan'),
    ],
)
def test_wrong_options_of_families_are_a_one_line_error(storm, tmp_path, arguments, message):
    result = storm("families", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["curate", "eval"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "revise"), "--task: goes with --size, such as --families facility --size 500 --task revise"),
        (("--variant", "wording"), "--variant: goes with --size, such as --families facility --size 500 --variant"),
        (("--size", 40, "--variant", "cheap"), '--variant: unknown variant "cheap" of the task plan; known: original'),
    ],
)
def test_wrong_options_of_runs_are_a_one_line_error(storm, command, arguments, message):
    result = storm(command, "--families", "knapsack", *arguments, "--out", "out")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"storm: {message}")


@pytest.mark.slow
def test_a_run_measures_the_accuracy_on_each_variant(storm, tmp_path):
    variants = ("--variant", "original,wording,objective,constraint", "--limit", 4)
    assert storm("families", "transportation", *SMALL, *variants, "--write", "data").exit_code == 0
    run = ("--reasoner", "replay:data", "--minimum-isolation", "limits", "--display", "none", "--json")
    result = storm("eval", "--problems", "data/problems.jsonl", "--out", "out", *run)
    groups = json.loads(result.stdout)["by_variant"]
    assert list(groups) == ["original", "wording", "objective", "constraint"]
    assert [group["paper"]["mean"] for group in groups.values()] == [1.0] * 4
