"""GRPO with veRL's asynchronous trainers, the nano model and the real sandbox, on CPUs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storm_calm.env import Episode, score
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.serialize import from_json, to_json

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "rl" / "train_verl.py"
TESTS = Path(__file__).resolve().parents[1]
SETTINGS = [
    "trainer.save_freq=2",
    "storm.families=[knapsack,product_mix]",
    "storm.count=40",
    "storm.keep_rollouts=1",
    "storm.export=false",
    "data.train_batch_size=2",
    "actor_rollout_ref.actor.ppo_mini_batch_size=2",
    "actor_rollout_ref.rollout.n=4",
]


def start(out, config, *words):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "--config", config, "--out", str(out), *SETTINGS, *words],
        cwd=out.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )


def finish(process, out):
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output + (out / "log.txt").read_text()[-3000:]
    return output


def steps(out):
    """Return the metrics of all steps so far."""
    files = sorted((out / "metrics").glob("*.jsonl"))
    return [json.loads(line)["data"] for file in files for line in file.read_text().splitlines()]


def assert_trained_on_the_transcripts(out):
    kept = [json.loads(line) for file in (out / "rollouts").glob("*.jsonl") for line in file.read_text().splitlines()]
    assert kept
    for line in kept:
        episode = from_json(Episode, line["episode"])
        ids, mask = episode.transcript.ids, loss_mask(episode.transcript, "rl")
        begin = len(episode.transcript.spans[0].ids)
        assert line["rollout"]["response_ids"] == list(ids[begin:])
        assert line["rollout"]["mask"] == list(mask[begin:])
        assert line["score"] == to_json(score(episode))


@pytest.mark.timeout(900)
def test_generation_beside_training_is_killed_in_a_step_and_resumes(tmp_path):
    out = tmp_path / "run"
    words = ("grpo_nano_cpu_separate_async", "trainer.total_training_steps=4")
    first = start(out, *words)
    deadline = time.monotonic() + 300
    while not (out / "metrics").exists() or len(steps(out)) < 3:
        assert first.poll() is None, first.stdout.read()
        assert time.monotonic() < deadline, (out / "log.txt").read_text()[-3000:]
        time.sleep(0.1)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    output = finish(start(out, *words), out)
    assert "from step 2 to 4" in output
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    data = [line["data"] for line in lines]
    # Generation is one step ahead, except after a start, and its weights are never newer than the trainer's.
    assert {step["training/off_policy/trajectory_staleness/max"] for step in data} <= {0, 1, 2}
    assert data[1]["training/off_policy/trajectory_staleness/mean"] > 0
    assert all(step["rollout_corr/rollout_is_mean"] == pytest.approx(1, abs=0.1) for step in data)
    assert all(0 < step["storm/utilization/generating"] <= 1 for step in data[1:2])
    assert_trained_on_the_transcripts(out)


@pytest.mark.timeout(600)
def test_stuck_rollouts_are_replaced_while_others_continue_across_steps(tmp_path):
    loops = tmp_path / "agent_loops.yaml"
    loops.write_text("- name: storm\n  _target_: support.stuck_agent_loop.StuckAgentLoop\n")
    out = tmp_path / "run"
    words = [f"actor_rollout_ref.rollout.agent.agent_loop_config_path={loops}", "storm.rollout_seconds=10"]
    finish(start(out, "grpo_nano_cpu_colocate_async", *words, "trainer.total_training_steps=5"), out)
    found = steps(out)
    assert len(found) == 5
    assert sum(step.get("training/rollout_failure/evicted_samples", 0) for step in found) > 0
    assert "storm.rollout_seconds=10" in (out / "failures.jsonl").read_text()
    assert max(step["storm/infrastructure"] for step in found) > 0
    assert_trained_on_the_transcripts(out)
