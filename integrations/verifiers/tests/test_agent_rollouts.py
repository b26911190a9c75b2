"""The agent behind an endpoint, `storm serve` with the nano model, through `vf-eval`."""

import pytest
from framework_commands import episode, evaluate, reward

from storm_calm.env import score
from support.running_server import RunningServer


@pytest.mark.slow
def test_storm_serve_is_evaluated_by_our_rewards(tmp_path):
    with RunningServer() as server:
        traces = evaluate(
            server.url, "-n", 12, "-c", 4, "--env.agent.harness.form", "agent", "--sampling.temperature", 0,
            "--env.taskset.families", "easy", "--env.taskset.split", "heldout", folder=tmp_path,
        )  # fmt: skip
    assert len(traces) == 12
    assert [reward(trace) for trace in traces] == [score(episode(trace)).reward for trace in traces]
    assert sum(reward(trace) for trace in traces) >= 6
    right = [trace for trace in traces if reward(trace)]
    assert all(trace["metrics"]["executions"] >= 1 for trace in right)
    assert any(trace["metrics"]["backed"] == 1 for trace in right)
