"""`inspect eval` on our tasks: rewards are ours, faults are not scored, and any solver can be scored."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
from inspect_ai import Task, eval
from inspect_ai import score as score_log
from inspect_ai.log import read_eval_log
from inspect_ai.solver import generate as plain_answer
from inspect_ai.solver import solver
from inspect_ai.util import sandbox as current_sandbox
from scripted_model import call, mock_model, says, scripted_server

from storm_calm.env import Inline, Output, Problem, SolverEnv, score
from storm_calm.env.problems.families import generate
from storm_calm.env.workspace import full_question
from storm_calm.sandbox import SandboxUnavailableError
from storm_inspect import storm_agent, storm_scorer
from storm_inspect.samples import to_dataset
from storm_inspect.shared_sandbox import shared_sandbox
from storm_inspect.solver import ChatRenderer
from storm_inspect.tasks import benchmark, families, stress

pytestmark = pytest.mark.slow


def scripts_for(problem, number):
    """Return the turns of a model, by kind: right, wrong, unreadable, by hand, too many programs, broken."""
    right = problem.answers[0]
    box = f"The answer is \\boxed{{{right}}}."
    return (
        [call(f"print({right!r})"), says(box)],
        [call(f"print({right!r})"), says("The answer is \\boxed{-1.5}.")],
        [says(box)],
        [call("print(1 / 0)"), call(f"print({right!r})"), says(box)],
        [call(f"print({number})"), says("It is about 3 or 4.")],
        [call(f"print({number})"), call("print(2)"), call("print(3)"), call("print(4)"), call("print(5)"), says(box)],
        [call(f"print({right!r})", name="look_up"), says(box)],
        [says(f"Let me compute.\n```python\nprint({right!r})\n```\n"), says(box)],
    )[number % 8]


def ours(problem, turns):
    """Return the score of the same turns in our environment, written as text."""
    env = SolverEnv(shared_sandbox(), ChatRenderer(), protocol=Inline())
    env.reset(problem)
    for turn in turns:
        if env.episode.stop is not None:
            break
        if "code" not in turn:
            env.step(turn["text"])
        elif turn["name"] == "run_python":
            env.step(f"<think>\n{turn['thought']}\n</think>\n```python\n{turn['code']}\n```\n")
        else:
            arguments = {"name": turn["name"], "arguments": {"code": turn["code"]}}
            env.step(f"<tool_call>\n{json.dumps(arguments)}\n</tool_call>")
    return score(env.episode)


def run(problems, scripts, tmp_path, **options):
    """Evaluate a mock model, and return the samples of the log by id."""
    task = Task(
        dataset=to_dataset("test", problems), solver=options.pop("solver", storm_agent()), scorer=storm_scorer()
    )
    log = eval(task, model=mock_model(scripts), log_dir=str(tmp_path / "logs"), display="none", **options)[0]
    assert log.status == "success", log.error
    return {sample.id: sample for sample in log.samples}, log


def knapsack(problem):
    """Return a program that solves a knapsack: its numbers are the capacity, then weight and value of each thing."""
    capacity, *rest = map(int, re.findall(r"\d+", problem.question))
    return (
        f"import pulp\nw, v = {rest[::2]}, {rest[1::2]}\nm = pulp.LpProblem('m', pulp.LpMaximize)\n"
        "x = [pulp.LpVariable(f'x{i}', cat='Binary') for i in range(len(w))]\n"
        f"m += pulp.lpDot(v, x)\nm += pulp.lpDot(w, x) <= {capacity}\nm.solve(pulp.PULP_CBC_CMD(msg=False))\n"
        "print(pulp.LpStatus[m.status], pulp.value(m.objective))"
    )


def metrics_of(log):
    return {name: one.value for name, one in log.results.scores[0].metrics.items()}


def test_rewards_equal_ours_on_200_transcripts(tmp_path):
    drawn = generate(["all"], split="heldout", seed=4, limit=25)
    problems = [
        replace(problem, id=f"{problem.id}-{number}", question=f"{problem.question} ({number})")
        for problem in drawn
        for number in range(8)
    ]
    turns = {problem.id: scripts_for(problem, number) for number, problem in enumerate(problems)}
    scripts = {full_question(problem): turns[problem.id] for problem in problems}
    samples, log = run(problems, scripts, tmp_path)
    assert len(samples) == 200
    expected = {problem.id: ours(problem, turns[problem.id]) for problem in problems}
    found = {id: sample.scores["storm_scorer"] for id, sample in samples.items()}
    assert {id: one.value for id, one in found.items()} == {
        id: "C" if one.reward == 1.0 else "I" for id, one in expected.items()
    }
    assert {id: one.metadata["reason"] for id, one in found.items()} == {id: one.reason for id, one in expected.items()}
    right = sum(one.reward for one in expected.values())
    assert 50 < right < 150
    assert metrics_of(log)["accuracy"] == pytest.approx(right / 200)
    assert metrics_of(log)["executions"] == pytest.approx(
        sum(one.metadata["executions"] for one in found.values()) / 200
    )


def test_the_command_runs_a_task_against_a_server(tmp_path):
    problems = list(generate(["knapsack"], split="heldout", seed=3, limit=4))
    scripts = {
        full_question(problem): [call(knapsack(problem)), says(f"\\boxed{{{problem.answers[0] + wrong}}}")]
        for problem, wrong in zip(problems, (0, 0, 0, 1), strict=True)
    }
    with scripted_server(scripts) as url:
        environment = {**os.environ, "SCRIPTED_BASE_URL": url, "SCRIPTED_API_KEY": "none"}
        command = [
            str(Path(sys.executable).with_name("inspect")), "eval", "storm_inspect/families", "-T", "names=knapsack",
            "-T", "seed=3", "-T", "limit=4", "--model", "openai-api/scripted/m", "--log-dir", str(tmp_path / "logs"),
            "--log-format", "json", "--display", "none",
        ]  # fmt: skip
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    log = read_eval_log(str(next((tmp_path / "logs").glob("*.json"))))
    assert metrics_of(log) == pytest.approx(
        {"accuracy": 0.75, "stderr": 0.25, "backed": 0.75, "executions": 1.0}, abs=1e-6
    )
    sample = log.samples[0]
    assert sample.metadata["family"] == "knapsack"
    assert [message.role for message in sample.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert sample.messages[3].text.strip() == f"Optimal {sample.target[0]}"


def test_at_most_four_programs_run(tmp_path):
    problem = Problem(id="p", question="How many?", answers=(5.0,))
    samples, _ = run([problem], {"How many?": [call(f"print({n})") for n in range(9)]}, tmp_path)
    result = samples["p"].scores["storm_scorer"]
    assert (result.value, result.metadata["reason"], result.metadata["executions"]) == ("I", "budget", 4)


def test_a_limit_of_inspect_ends_the_running_program(tmp_path):
    problem = Problem(id="p", question="How many?", answers=(5.0,))
    started = perf_counter()
    samples, _ = run([problem], {"How many?": [call("while True: pass")]}, tmp_path, time_limit=2)
    assert perf_counter() - started < 9  # The sandbox's own limit is 10.
    assert samples["p"].limit.type == "time"
    assert samples["p"].scores["storm_scorer"].metadata["reason"] == "length"


def test_a_sandbox_fault_is_no_score_and_counts_in_no_metric(tmp_path, monkeypatch):
    problems = [Problem(id=id, question=f"How many {id}?", answers=(5.0,)) for id in ("good", "bad")]
    real = SolverEnv._run_alone

    def failing(env, code):
        if env.episode.problem.id == "bad":
            raise SandboxUnavailableError("the fork server is gone")
        return real(env, code)

    monkeypatch.setattr(SolverEnv, "_run_alone", failing)
    scripts = {problem.question: [call("print(5)"), says("\\boxed{5}")] for problem in problems}
    samples, log = run(problems, scripts, tmp_path)
    fault = samples["bad"].scores["storm_scorer"]
    assert math.isnan(fault.value)
    assert (fault.reason, "the fork server is gone" in fault.explanation) == ("sandbox_fault", True)
    assert log.results.scores[0].unscored_samples == 1
    assert (metrics_of(log)["accuracy"], metrics_of(log)["executions"]) == (1.0, 1.0)


def test_other_solvers_are_scored_by_their_final_answer(tmp_path):
    problems = [Problem(id=id, question=f"{id}?", answers=(5.0,)) for id in ("right", "wrong", "silent")]
    texts = {"right?": "So \\boxed{5}", "wrong?": "So \\boxed{6}", "silent?": "I do not know."}
    scripts = {question: [says(text)] for question, text in texts.items()}
    samples, log = run(problems, scripts, tmp_path, solver=plain_answer())
    assert {id: sample.scores["storm_scorer"].value for id, sample in samples.items()} == {
        "right": "C",
        "wrong": "I",
        "silent": "I",
    }
    assert math.isnan(metrics_of(log)["backed"])


def test_other_solvers_leave_outputs_in_our_sandbox(tmp_path):
    (tmp_path / "data").mkdir()
    problem = next(generate(["transportation"], split="heldout", seed=2, limit=1, size=40, folder=tmp_path / "data"))
    output = problem.outputs[0].path

    @solver
    def writes_plan():
        async def solve(state, generate):
            listed = await current_sandbox().exec(["ls"])
            assert set(listed.stdout.split()) >= {Path(file.path).parts[0] for file in problem.files}
            await current_sandbox().write_file(output, "{}")
            state.output.completion = f"\\boxed{{{problem.answers[0]}}}"
            return state

        return solve

    samples, log = run([problem], {}, tmp_path, solver=writes_plan(), sandbox="storm")
    result = samples[problem.id].scores["storm_scorer"]
    assert result.value == "I"
    assert result.metadata["reason"] in ("no_output", "infeasible_plan")
    assert output in result.explanation
    # The log has no files.
    again = score_log(log, storm_scorer(), action="overwrite", display="none").samples[0].scores["storm_scorer"]
    assert math.isnan(again.value)
    assert f"no sandbox has {output}" in again.explanation


def test_our_agent_writes_plans_that_are_checked_also_from_the_log(tmp_path):
    problem = Problem(
        id="plan", question="Which?", answers=(5.0,),
        outputs=(Output(path="plan.json", schema={"type": "object", "required": ["x"]}),),
    )  # fmt: skip
    question = full_question(problem)
    script = [call("open('plan.json', 'w').write('{\"x\": 5}')\nprint(5)"), says("\\boxed{5}")]
    samples, log = run([problem], {question: script}, tmp_path)
    assert samples["plan"].scores["storm_scorer"].value == "C"
    again = score_log(log, storm_scorer(), action="overwrite", display="none")
    assert again.samples[0].scores["storm_scorer"].value == "C"


def test_task_parameters_choose_the_problems():
    assert {one.metadata["family"] for one in families(names="knapsack,diet", limit=4).dataset} == {"knapsack", "diet"}
    complex_ones = families(difficulty="complex", limit=6, rule="orlm").dataset
    assert {one.metadata["difficulty"] for one in complex_ones} == {"complex"}
    assert {one.metadata["rule"] for one in complex_ones} == {"orlm"}
    train, heldout = (families(limit=5, split=split, seed=1).dataset for split in ("train", "heldout"))
    assert not {one.input for one in train} & {one.input for one in heldout}
    assert [one.id for one in families(limit=5, seed=1).dataset] == [one.id for one in heldout]
    assert len(stress(kinds="outside", limit=3).dataset) == 3
    with pytest.raises(ValueError, match="rule is 'nearly'; give one of paper"):
        stress(limit=1, rule="nearly")
    with pytest.raises(ValueError, match="none of these families is complex"):
        families(names="knapsack", difficulty="complex")


def test_a_benchmark_is_read_from_a_folder(tmp_path):
    lines = [{"en_question": f"How many {n}?", "en_answer": n} for n in (3, 4)]
    (tmp_path / "NL4OPT.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = benchmark(names="nl4opt", data_dir=str(tmp_path), limit=1)
    assert [(one.input, one.target) for one in task.dataset] == [("How many 3?", ["3.0"])]
