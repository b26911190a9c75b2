"""The problems of a taskset and how `vf-validate` confirms them."""

import json
from dataclasses import replace
from itertools import islice

import pytest
from framework_commands import run_command
from storm_verifiers.problem_source import confirm, draw
from storm_verifiers.taskset import StormConfig, StormTaskset, problem_of

from storm_calm.env import read_problems, write_problems
from storm_calm.env.problems.families import generate


def test_families_are_endless_and_the_same_for_the_same_seed():
    taskset = StormTaskset(StormConfig(families=["knapsack", "diet"], seed=3, split="heldout"))
    assert not taskset.bounded
    drawn = [problem_of(task.data) for task in taskset.take(6)]
    assert drawn == list(generate(["knapsack", "diet"], split="heldout", seed=3, limit=6))
    assert [task.key for task in taskset.take(6)] == [problem.id for problem in drawn]


def test_a_limit_makes_the_taskset_finite():
    taskset = StormTaskset(StormConfig(families=["easy"], limit=5))
    assert taskset.bounded
    assert len(list(taskset)) == 5


def test_the_prompt_has_the_question_and_nothing_of_the_answer():
    task = next(iter(StormTaskset(StormConfig(families=["diet"]))))
    problem = problem_of(task.data)
    assert task.data.prompt == problem.question
    assert task.data.name == "diet"


def test_a_problem_file_is_a_finite_taskset(tmp_path):
    write_problems(tmp_path / "problems.jsonl", generate(["complex"], split="train", seed=1, limit=4))
    taskset = StormTaskset(StormConfig(problems=tmp_path / "problems.jsonl"))
    assert taskset.bounded
    assert tuple(problem_of(task.data) for task in taskset) == read_problems(tmp_path / "problems.jsonl")


def test_an_invalid_problem_is_named_with_its_line(tmp_path):
    (tmp_path / "problems.jsonl").write_text('{"id": "a", "question": "How many?", "answer": 1}\n{"id": "b"}\n')
    taskset = StormTaskset(StormConfig(problems=tmp_path / "problems.jsonl"))
    with pytest.raises(ValueError, match=r"problems\.jsonl:2"):
        list(taskset)


def test_a_size_needs_a_folder():
    with pytest.raises(ValueError, match="give the folder"):
        StormConfig(families=["diet"], size=40)


def test_problems_with_files_are_solved_again_from_their_files(tmp_path):
    for source in islice(draw(["diet", "knapsack"], split="train", seed=2, size=30, folder=tmp_path), 2):
        assert source.problem.files
        assert confirm(source) is True
        wrong = replace(source.problem, answers=(source.problem.answers[0] * 1.5 + 1,))
        assert confirm(replace(source, problem=wrong)) is False


def test_a_wrong_answer_is_not_confirmed():
    for source in islice(draw(["all"], split="train", seed=2), 12):
        assert confirm(source) is True
        assert confirm(replace(source, problem=replace(source.problem, answers=(-1.0,)))) is False


def test_problems_of_a_file_without_a_model_are_unchecked():
    problem = next(generate(["diet"], split="train", seed=0, limit=1))
    source = next(draw(["diet"], split="train", seed=0))
    assert confirm(replace(source, problem=problem, model=None)) is None


@pytest.mark.slow
def test_vf_validate_confirms_problems_and_that_no_answer_earns_nothing(tmp_path):
    run_command(
        "vf-validate", "storm_verifiers", "-n", 12, "-c", 4, "--runtime.type", "subprocess", "--no-rich",
        "-o", "runs", "--run.name", "run", folder=tmp_path,
    )  # fmt: skip
    summary = json.loads((tmp_path / "runs" / "run" / "summary.json").read_text())
    assert summary["outcomes"]["valid"] == 12, summary
    assert summary["checks"]["gold"]["valid"] == summary["checks"]["noop"]["valid"] == 12
