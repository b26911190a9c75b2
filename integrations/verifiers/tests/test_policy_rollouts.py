"""The raw model with the tool run_python, through `vf-eval`."""

from collections import Counter

import pytest
from framework_commands import episode, evaluate, reward
from scripted_policy_server import ScriptedPolicyServer, behaviours, scripts
from storm_verifiers.harness import shared_sandbox

from storm_calm.agents.reasoners.chat import Chat
from storm_calm.agents.verdict.solver_backing import backed_by_report
from storm_calm.env import SolverEnv, run_episode, score
from storm_calm.env.problems.families import generate
from storm_calm.env.system_prompt import CHAT_PROMPT

COUNT = 200


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory):
    """The problems, the requests, verifiers' traces and our own episodes of the same scripted model."""
    problems = list(generate(["all"], split="train", seed=5, limit=COUNT))
    with ScriptedPolicyServer(behaviours(problems)) as server:
        options = ["-n", COUNT, "-c", 16, "--env.taskset.seed", 5, "--env.agent.harness.isolation", "limits"]
        traces = evaluate(server.url, *options, folder=tmp_path_factory.mktemp("policy"))
        asked = list(server.asked)
        ours = {}
        reasoner = Chat(server.url, model="scripted")
        reasoner.instructions = CHAT_PROMPT
        for problem in problems:
            ours[problem.id] = run_episode(SolverEnv(shared_sandbox("limits"), reasoner), reasoner, problem)
        reasoner.close()
    return problems, asked, {trace["task"]["key"]: trace for trace in traces}, ours


@pytest.mark.slow
def test_rewards_equal_ours_on_200_transcripts(rollouts):
    _, _, traces, ours = rollouts
    assert len(traces) == COUNT
    expected = {key: score(one).reward for key, one in ours.items()}
    assert {key: reward(trace) for key, trace in traces.items()} == expected
    assert {key: episode(trace).transcript.text for key, trace in traces.items()} == {
        key: one.transcript.text for key, one in ours.items()
    }
    stops = Counter(one.stop for one in ours.values())
    assert set(stops) == {"answer", "budget", "repetition", "malformed", "length"}
    assert 0.2 < sum(expected.values()) / COUNT < 0.9


def test_metrics_are_the_programs_and_what_their_solvers_reported(rollouts):
    problems, _, traces, ours = rollouts
    for problem in problems:
        metrics = traces[problem.id]["metrics"]
        runs = [run for run in ours[problem.id].executions if run.ran]
        assert metrics["executions"] == len(runs) <= 4
        assert metrics["solver_reports"] == sum(len(run.reports) for run in runs)
        assert metrics["backed"] == backed_by_report(ours[problem.id])
    assert sum(trace["metrics"]["backed"] for trace in traces.values()) > 0


def test_the_model_never_sees_the_answers(rollouts):
    _, asked, _, _ = rollouts
    assert asked
    assert all(set(body) <= {"model", "messages", "tools", "stream", "stream_options"} for body in asked)
    assert {tool["function"]["name"] for body in asked for tool in body["tools"]} == {"run_python"}
    assert {body["messages"][0]["content"] for body in asked} == {CHAT_PROMPT}


def test_a_rollout_with_calls_of_the_tool_is_one_branch(rollouts):
    problems, _, traces, _ = rollouts
    names = list(scripts(1.0))
    for number, problem in enumerate(problems):
        if names[number % len(names)] in ("right", "solver", "one error", "thought"):
            parents = [node.get("parent") for node in traces[problem.id]["nodes"]]
            assert parents == [None, *range(len(parents) - 1)]
