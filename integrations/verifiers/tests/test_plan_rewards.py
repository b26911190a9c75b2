"""Problems with data in files: their plans are checked, in both forms."""

from contextlib import contextmanager

import pytest
from framework_commands import episode, evaluate_here, reward
from scripted_policy_server import ScriptedPolicyServer, call

from storm_calm.env import score
from storm_calm.env.problems.families import generate
from storm_calm.env.problems.families.scaled.scaled_problems import reference_program
from support.running_server import RunningServer

FAMILIES = ["diet", "knapsack", "assignment"]


def play(problem, kind):
    """Return what the model writes for a problem with files."""
    program = reference_program(problem) if kind != "no plan" else "print(1)"
    if kind == "spoiled plan":
        program += "\nimport json\njson.dump({}, open('plan.json', 'w'))\n"
    return [("", [call(program)]), (f"The best is \\boxed{{{problem.answers[0]}}}.", [])]


@contextmanager
def served(form, model):
    """Yield the URL of the model, or of an agent with the model."""
    if form == "policy":
        yield model.url
        return
    with RunningServer(f"chat:{model.url}") as server:
        yield server.url


@pytest.mark.slow
@pytest.mark.parametrize("form", ["agent", "policy"])
def test_plans_are_checked(tmp_path, form):
    options = {"split": "train", "seed": 4, "limit": 3, "size": 30, "folder": tmp_path / "data"}
    problems = list(generate(FAMILIES, **options))
    kinds = ("best plan", "no plan", "spoiled plan")
    scripts = {problem.question: play(problem, kind) for problem, kind in zip(problems, kinds, strict=True)}
    with ScriptedPolicyServer(scripts) as model, served(form, model) as url:
        taskset = {**options, "id": "storm_verifiers", "families": FAMILIES}
        agent = {"harness": {"form": form, "isolation": "limits"}}
        traces = evaluate_here(url, 3, tmp_path, taskset=taskset, agent=agent)
    by_key = {trace["task"]["key"]: trace for trace in traces}
    results = [(reward(by_key[problem.id]), score(episode(by_key[problem.id])).reason) for problem in problems]
    assert results == [(1.0, "correct"), (0.0, "no_output"), (0.0, "no_output")]
