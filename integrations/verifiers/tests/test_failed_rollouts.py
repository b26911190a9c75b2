"""Faults that are not the model's: they are errors in verifiers, never a reward of 0."""

import pytest
import storm_verifiers.harness
from framework_commands import episode, evaluate_here, reward
from scripted_policy_server import ScriptedPolicyServer, behaviours, call

from storm_calm.env.problems.families import generate
from storm_calm.sandbox import Limits, SandboxUnavailableError


class FaultySandbox:
    """A sandbox whose workers are gone."""

    isolation = "limits"
    limits = Limits()

    def run(self, *arguments, **options):
        raise SandboxUnavailableError("the workers are gone")


PROBLEM = next(generate(["diet"], split="train", seed=5, limit=1))


def rollout(folder, script=None, **agent):
    """Return the trace of one rollout of the scripted model."""
    scripts = behaviours([PROBLEM]) if script is None else {PROBLEM.question: script}
    taskset = {"id": "storm_verifiers", "seed": 5, "families": ["diet"]}
    agent = {"harness": {"isolation": "limits"}, **agent}
    with ScriptedPolicyServer(scripts) as server:
        (trace,) = evaluate_here(server.url, 1, folder, taskset=taskset, agent=agent)
    return trace


def test_a_sandbox_fault_is_an_error_without_a_reward(tmp_path, monkeypatch):
    monkeypatch.setattr(storm_verifiers.harness, "shared_sandbox", lambda isolation: FaultySandbox())
    trace = rollout(tmp_path)
    assert [error["type"] for error in trace["errors"]] == ["SandboxError"]
    assert "the workers are gone" in trace["errors"][0]["message"]
    assert not trace["ok"]
    assert trace["rewards"] == {}
    assert trace["stop_condition"] == "sandbox_error"


def test_a_sandbox_that_cannot_open_is_an_error_without_a_reward(tmp_path, monkeypatch):
    def fail(isolation):
        raise SandboxUnavailableError("no isolation here")

    monkeypatch.setattr(storm_verifiers.harness, "shared_sandbox", fail)
    trace = rollout(tmp_path)
    assert [error["type"] for error in trace["errors"]] == ["SandboxError"]
    assert trace["rewards"] == {}


def test_a_server_that_is_gone_is_an_error_without_a_reward(tmp_path):
    taskset = {"id": "storm_verifiers", "families": ["diet"]}
    (trace,) = evaluate_here(
        "http://127.0.0.1:9/v1", 1, tmp_path, taskset=taskset, agent={"harness": {"form": "agent"}}
    )
    assert [error["type"] for error in trace["errors"]] == ["ProviderError"]
    assert trace["rewards"] == {}


@pytest.mark.parametrize("limit", [{"max_turns": 2}, {"timeout": {"rollout": 3}}], ids=["turns", "seconds"])
def test_a_limit_of_the_run_ends_a_rollout_as_too_long(tmp_path, limit):
    code = "import time\ntime.sleep(30)" if "timeout" in limit else "print(1)"
    trace = rollout(tmp_path, [("", [call(code)])], **limit)
    assert reward(trace) == 0
    assert episode(trace).stop == "length"
