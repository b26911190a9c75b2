"""Harbor itself runs exported tasks: its verifier's rewards are ours, and a failed checker gives an error."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from harbor.models.task.task import Task
from harbor.models.task.verifier_mode import resolve_task_verifier_mode

from storm_calm.env import Checker, Output, Problem, write_problems
from storm_calm.env.problems.families import generate
from storm_calm.env.workspace import problem_file
from storm_calm.rl.datasets import ExportConfig, export

HARBOR = Path(sys.executable).with_name("harbor")


def exported(folder, problems):
    """Export the problems and return the folder of tasks."""
    write_problems(folder / "problems.jsonl", problems)
    export(ExportConfig(source=folder / "problems.jsonl", format="harbor", out=folder / "tasks"))
    return folder / "tasks"


def harbor(*arguments, folder, **variables):
    environment = {
        **os.environ,
        "HARBOR_TELEMETRY": "0",
        "HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).parent),
        **variables,
    }
    command = [str(HARBOR), *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=240)


def run(folder, tasks, commands):
    """Run a job in which the agent runs these commands, and return the result of each trial by task."""
    (folder / "script.json").write_text(json.dumps(commands))
    done = harbor(
        "run", "-p", tasks, "-a", "scripted_agent:ScriptedAgent",
        "-e", "folder_environment:FolderEnvironment", "-o", folder / "jobs", "-n", 2, "-y",
        folder=folder, SCRIPT=str(folder / "script.json"),
    )  # fmt: skip
    results = [json.loads(path.read_text()) for path in (folder / "jobs").glob("*/*/result.json")]
    assert results, done.stdout + done.stderr
    return {Path(result["task_name"]).name: result for result in results}


def reward_of(result):
    return ((result["verifier_result"] or {}).get("rewards") or {}).get("reward")


@pytest.mark.slow
def test_harbor_gives_our_rewards(tmp_path):
    problems = list(generate(["all"], split="train", seed=1, limit=6))
    answers = [str(one.answers[0]) for one in problems[:3]] + ["-1", "", None]
    commands = {
        problem.question: "true" if answer is None else f"printf %s {shlex.quote(answer)} > /workdir/answer.txt"
        for problem, answer in zip(problems, answers, strict=True)
    }
    results = run(tmp_path, exported(tmp_path, problems), commands)
    assert [reward_of(results[problem.id]) for problem in problems] == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert {bool(result["exception_info"]) for result in results.values()} == {False}
    seen = list((tmp_path / "jobs").glob("*/*/agent/seen"))
    assert all("problem.json" not in file.read_text() for file in seen)


@pytest.mark.slow
def test_plans_are_copied_to_the_verifier_and_checked(tmp_path):
    check = "import json\nx = json.load(open('plan.json'))['x']\nassert x < 9\nprint(json.dumps({'feasible': x < 5}))\n"
    (tmp_path / "check.py").write_text(check)
    (tmp_path / "data.csv").write_text("x\n3\n")
    problems = [
        Problem(
            id=f"plan-{x}",
            question=f"How many for {x}?",
            answers=(),
            folder=str(tmp_path),
            files=(problem_file(str(tmp_path), "data.csv"),),
            outputs=(Output(path="plan.json"),),
            checker=Checker(program=problem_file(str(tmp_path), "check.py")),
        )
        for x in (3, 7, 9)
    ]
    commands = {
        problem.question: f"grep -q 3 data.csv && echo '{{\"x\": {problem.id[-1]}}}' > plan.json; echo 3 > answer.txt"
        for problem in problems
    }
    results = run(tmp_path, exported(tmp_path, problems), commands)
    assert [reward_of(results[problem.id]) for problem in problems] == [1.0, 0.0, None]
    assert results["plan-9"]["exception_info"]["exception_type"] == "RewardFileNotFoundError"


def test_harbor_accepts_the_tasks(tmp_path):
    problems = list(generate(["all"], split="train", seed=1, limit=12))
    tasks = sorted(exported(tmp_path, problems).iterdir())
    for task in tasks:
        assert Task.is_valid_dir(task)
        assert resolve_task_verifier_mode(Task(task).config) == "separate"
    linted = harbor("lint", "--json", *tasks, folder=tmp_path)
    assert (linted.returncode, json.loads(linted.stdout)) == (0, [])
