"""`storm families` with a size: problems with data files, and programs that solve them."""

import json

import pytest

from storm_calm.env import read_problems
from storm_calm.env.problems.families.scaled import optimum
from storm_calm.env.problems.families.scaled.optimum import with_second_solver
from storm_calm.env.workspace import full_question

SMALL = ("transportation,production", "--size", 30, "--limit", 2, "--seed", 3)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Solve with SCIP in this process instead of HiGHS in another."""
    monkeypatch.setattr(optimum, "with_highs", with_second_solver)


def test_a_folder_gets_problems_their_files_and_programs(storm, tmp_path):
    result = storm("families", *SMALL, "--write", "data")
    assert result.stdout == "data/problems.jsonl: 2 problems, transportation 1, production 1\n"
    problems = read_problems(tmp_path / "data" / "problems.jsonl")
    assert result.stderr.split() == [problem.id for problem in problems]
    references = [json.loads(line) for line in (tmp_path / "data" / "references.jsonl").read_text().splitlines()]
    assert [(one["id"], one["question"]) for one in references] == [(one.id, full_question(one)) for one in problems]
    for reference in references:
        compile(reference["program"], "main.py", "exec")
    assert "GAP = 8e-05" in references[1]["program"]
    again = storm("families", *SMALL, "--write", "data")
    assert (again.exit_code, again.stderr) == (
        2,
        "storm: data/problems.jsonl: already exists; choose another --write\n",
    )
    (tmp_path / "data" / "problems.jsonl").unlink()
    facts = json.loads(storm("families", *SMALL, "--write", "data", "--json").stdout)
    assert facts == {"out": "data/problems.jsonl", "problems": 2, "by_family": {"transportation": 1, "production": 1}}
    assert read_problems(tmp_path / "data" / "problems.jsonl") == problems


def test_a_question_with_files_is_shown_and_nothing_is_left_behind(storm, tmp_path):
    shown = storm("families", "--show", "transportation", "--size", 30).stdout
    assert "- lanes.csv: CSV, 30 rows" in shown
    assert '"deliveries"' in shown
    problem = json.loads(storm("families", "--show", "transportation", "--size", 30, "--json").stdout)
    assert problem["question"] in shown
    assert "folder" not in problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", 30), "--size needs --write DIR; to print one problem use --show NAME"),
        (("--size", 30, "--out", "a.jsonl"), "--size needs --write DIR"),
        (("--write", "data"), "--write writes problems with data files; give their --size, such as --size 500"),
        (("--write", "data", "--size", 3), "size is 3; give a whole number from 20 to 50000"),
        (("--write", "data", "--size", 30, "--limit", 0), "--limit: 0 is not a whole number of at least 1"),
        (("--write", "data", "--size", 30, "--out", "a"), "--show prints one question, --out writes many, and --write"),
        (("sudoku", "--write", "data", "--size", 30), 'unknown family of problems with a size "sudoku"; known: all'),
        (("--show", "queueing", "--size", 30), 'unknown family of problems with a size "queueing"'),
    ],
)
def test_wrong_options_are_a_one_line_error(storm, tmp_path, arguments, message):
    result = storm("families", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["curate", "eval"])
def test_a_dry_run_with_a_size_leaves_no_files_behind(storm, tmp_path, command):
    plan = storm(command, "--families", "transportation", "--size", 30, "--limit", 1, "--out", "out", "--dry-run")
    assert plan.exit_code == 0
    assert "size = 30" in plan.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["curate", "eval"])
def test_a_size_is_for_families(storm, command, problems):
    result = storm(command, "--problems", problems, "--size", 30, "--out", "out")
    assert result.stderr.startswith("storm: --size: goes with --families")


@pytest.mark.parametrize("command", ["curate", "eval"])
def test_problems_are_not_written_into_a_folder_of_something_else(storm, tmp_path, command):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    result = storm(command, "--families", "transportation", "--size", 30, "--out", "out")
    assert "out: holds something else than" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["curate", "eval"])
def test_reference_programs_solve_their_problems_in_a_run(storm, tmp_path, command):
    chosen = ("--families", "transportation,production", "--size", 30, "--limit", 2, "--seed", 3, "--split", "train")
    assert storm("families", *SMALL, "--write", "data").exit_code == 0
    run = ("--out", "out", "--reasoner", "replay:data", "--minimum-isolation", "limits", "--display", "none", "--json")
    facts = json.loads(storm(command, *chosen, *run).stdout)
    assert sorted(path.name.partition("-")[0] for path in (tmp_path / "out" / "workspaces").iterdir()) == [
        "production",
        "transportation",
    ]
    if command == "eval":
        assert facts["rules"]["paper"]["pass@1"]["mean"] == 1.0
    else:
        assert (facts["native_correct"], facts["by_family"].keys()) == (2, {"transportation", "production"})
    other = storm(command, *chosen, "--size", 40, *run, "--resume")
    assert "size: 30 -> 40" in other.stderr
    assert len(list((tmp_path / "out" / "workspaces").iterdir())) == 2
    assert json.loads(storm(command, "--out", "out", "--resume", "--display", "none", "--json").stdout) == facts
