"""OR-Space Explain is read from the folder of a user, without its rubrics, and has no accepted answers."""

import json

import pytest

from storm_calm.env.problems.benchmarks import benchmark_of, load_benchmarks
from storm_calm.env.problems.benchmarks.workspaces import references_in
from storm_calm.env.reward import scorable
from storm_calm.env.workspace import full_question, workspace_files
from support.explain_set import question, write_explain_set


def load(folder):
    return load_benchmarks(["or_space_explain"], folder)


def test_an_instance_has_its_question_and_the_files_of_both_versions(tmp_path):
    write_explain_set(tmp_path / "OR-Space")
    problems = load(tmp_path).problems
    assert [problem.id for problem in problems] == [f"or_space_00{number}_explain" for number in (1, 2, 3)]
    problem = problems[1]
    assert (benchmark_of(problem), problem.answers, problem.outputs, scorable(problem)) == (
        "or_space_explain", (), (), False,
    )  # fmt: skip
    files = workspace_files(problem)
    names = ("data/workshop.csv", "docs/business_requirement.md", "logs/solver_output.log")
    assert sorted(files) == [f"{version}/{name}" for version in ("original", "revised") for name in names]
    assert files["revised/data/workshop.csv"] == b"name,value\nmax_hours,12\n"
    asked = full_question(problem)
    assert asked.startswith(question(12))
    assert "Close the explanation with \\boxed{done}." in asked
    assert "checklist" not in asked
    assert "max_hours in workshop.csv" not in asked


def test_instances_are_in_numerical_order_and_limited(tmp_path):
    write_explain_set(tmp_path, hours=range(11, 23))
    loaded = load_benchmarks(["or_space_explain"], tmp_path, limit=10)
    assert [problem.id[9:12] for problem in loaded.problems] == [f"{number:03}" for number in range(1, 11)]
    assert loaded.releases[0].release == "original"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{", "not JSON"),
        ("[]", '"explain_task" has no "question" but null'),
        (json.dumps({"explain_task": {"question": " "}}), '"explain_task" has no "question" but " "'),
    ],
)
def test_an_unreadable_instance_is_left_out_with_a_warning(tmp_path, caplog, metadata, message):
    write_explain_set(tmp_path)
    folders = tmp_path / "Workspace_OR" / "explain_workspaces"
    (folders / "instance_1" / "metadata.json").write_text(metadata)
    (folders / "instance_2" / "revised").rename(folders / "instance_2" / "new")
    loaded = load(tmp_path)
    assert [problem.id for problem in loaded.problems] == ["or_space_003_explain"]
    assert loaded.unread == (str(folders / "instance_1"), str(folders / "instance_2"))
    assert message in caplog.text
    assert "no such folder; restore it" in caplog.text


def test_it_has_no_reference_programs(tmp_path):
    write_explain_set(tmp_path)
    assert references_in(tmp_path) == []


def test_a_folder_without_the_set_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no or_space_explain in it; give the folder that has Workspace_OR/explain"):
        load(tmp_path)
