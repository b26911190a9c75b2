"""GRPO with veRL's trainer, the nano model and the real sandbox, on CPUs: killed during a step, and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from storm_calm.env import Episode, score, write_problems
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.problems.families import generate
from storm_calm.env.problems.stress import kinds
from storm_calm.env.serialize import from_json, to_json
from storm_calm.rl.rollout.rewards import REWARD_NAMES

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "rl" / "train_verl.py"
SETTINGS = [
    "trainer.total_training_steps=3",
    # In 64 bits rounding is negligible: any difference between sampler and trainer would be a bug.
    "actor_rollout_ref.actor.fsdp_config.model_dtype=fp64",
    "actor_rollout_ref.actor.fsdp_config.mixed_precision.param_dtype=fp64",
    "actor_rollout_ref.rollout.dtype=float64",
    "trainer.save_freq=2",
    "storm.families=[knapsack,product_mix]",
    "storm.count=12",
    "storm.keep_rollouts=1",
    # All parts of the reward; nano's answers take about 250 tokens.
    "storm.reward.plan=0.2",
    "storm.reward.solver=0.1",
    "storm.reward.format=0.1",
    "storm.reward.length=0.2",
    "storm.reward.soft_limit=100",
    "storm.reward.process=0.05",
    # SFT's tests export the model for `--reasoner`.
    "storm.export=false",
    "data.train_batch_size=2",
    "actor_rollout_ref.actor.ppo_mini_batch_size=2",
    "actor_rollout_ref.rollout.n=4",
]


def start(out, *words):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "--device", "cpu", "--out", str(out), *words],
        cwd=out.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def train(out, *words):
    process = start(out, *words)
    output, _ = process.communicate(timeout=400)
    return process.returncode, output


def written(out):
    return [json.loads(line) for file in (out / "metrics").glob("*.jsonl") for line in file.read_text().splitlines()]


def ours(out):
    """Return the processes of this run.

    Except Ray's two agents, which notice the end of their parent late.
    """
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                mine = f"TENSORBOARD_DIR={out}".encode() in (folder / "environ").read_bytes()
                title = (folder / "cmdline").read_bytes()
                if mine and b"ray::Dashboard" not in title and b"ray::RuntimeEnv" not in title:
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train until a kill in the third step, then resume. Return the folder and the output of the second session."""
    out = tmp_path_factory.mktemp("grpo") / "run"
    first = start(out, *SETTINGS)
    deadline = time.monotonic() + 300
    while not (out / "metrics").exists() or not any(step["step"] == 2 for step in written(out)):
        assert first.poll() is None, first.stdout.read()
        assert time.monotonic() < deadline, (out / "log.txt").read_text()[-3000:]
        time.sleep(0.2)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    deadline = time.monotonic() + 60
    while left := ours(out):
        assert time.monotonic() < deadline, [Path(f"/proc/{pid}/status").read_text()[:200] for pid in left]
        time.sleep(0.2)
    code, output = train(out, *SETTINGS)
    assert code == 0, output + (out / "log.txt").read_text()[-3000:]
    return out, output


@pytest.fixture(scope="module")
def steps(run):
    return [json.loads(line) for line in (run[0] / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.timeout(700)
def test_a_killed_run_resumes_from_its_last_checkpoint(run, steps):
    assert "from step 2 to 3" in run[1]
    assert [step["step"] for step in steps] == [1, 2, 3]
    assert "step 3  accuracy" in run[1]
    assert "step 1  accuracy" not in run[1]


def test_trainer_and_rollout_server_compute_the_same_probabilities(steps):
    # Log-probabilities are sent in 32 bits. Weights of the step before would give 5e-3.
    assert all(step["data"]["training/rollout_probs_diff_max"] < 1e-6 for step in steps[1:])
    assert any(step["data"]["actor/grad_norm"] > 0 for step in steps)


def test_training_data_equals_the_transcript_token_by_token(run, steps):
    for step in steps:
        lines = (run[0] / "rollouts" / f"step-{step['step']:06d}.jsonl").read_text().splitlines()
        # The third step may have run twice.
        kept = [json.loads(line) for line in lines][-8:]
        assert sorted({line["session"] for line in kept}) == [0, 1, 2, 3]
        for line in kept:
            episode = from_json(Episode, line["episode"])
            ids, mask = episode.transcript.ids, loss_mask(episode.transcript, "rl")
            start = len(episode.transcript.spans[0].ids)
            assert line["rollout"]["prompt_ids"] == list(ids[:start])
            assert line["rollout"]["response_ids"] == list(ids[start:])
            assert line["rollout"]["mask"] == list(mask[start:])
            assert line["score"] == to_json(score(episode))
        right = sum(line["score"]["reward"] for line in kept) / len(kept)
        assert step["data"]["storm/accuracy"] == pytest.approx(right)
        rewards = {name: [line["reward"][name] for line in kept] for name in REWARD_NAMES}
        assert step["data"]["critic/score/mean"] == pytest.approx(sum(rewards["total"]) / len(kept))
        for name, values in rewards.items():
            assert step["data"][f"storm/reward/{name}"] == pytest.approx(sum(values) / len(kept))
        assert min(rewards["length"]) < 0 <= max(rewards["format"])
        lengths = [len(line["rollout"]["response_ids"]) for line in kept]
        assert step["data"]["response_length/mean"] == pytest.approx(sum(lengths) / len(lengths))


def test_metrics_include_programs_solvers_and_times(steps):
    for step in steps:
        data = step["data"]
        assert 0 < data["storm/executions"] <= 4
        assert data["storm/infrastructure"] == 0.0
        assert sum(value for name, value in data.items() if name.startswith("storm/stop/")) == pytest.approx(1.0)
        assert sum(value for name, value in data.items() if name.startswith("storm/solver/")) == pytest.approx(1.0)
        assert 0 < data["storm/environment_seconds"] < data["timing_s/step"]
        assert 0 < data["storm/generation_seconds"] < data["timing_s/step"]


def test_the_trained_model_is_a_checkpoint(run, nano):
    out, _ = run
    before, after = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).model.norm.weight
        for folder in (nano, out / "model")
    )
    assert not torch.equal(before, after)
    assert list((out / "tensorboard").rglob("events.*"))


def test_no_process_is_left_running(run):
    assert ours(run[0]) == []


def test_a_damaged_checkpoint_is_an_error_and_not_overwritten(run):
    out, _ = run
    (file,) = (out / "checkpoints" / "global_step_3" / "actor").glob("model_world*.pt")
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    try:
        code, output = train(out, *SETTINGS, "trainer.total_training_steps=4")
        assert (code, "cannot be read" in output) == (1, True)
        assert file.read_bytes() == whole[:1000]
    finally:
        file.write_bytes(whole)


def test_other_settings_in_the_same_folder_are_an_error(run):
    code, output = train(run[0], *SETTINGS, "storm.seed=8")
    assert (code, "storm.seed: 0 -> 8" in output) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer.total_steps=3"], "did you mean"),
        (["storm.rule=exact"], "storm.rule is 'exact'"),
        (["trainer.logger=[file,wandbb]"], "'wandbb' is unknown; give some of console, file"),
        (["storm.reward.format=0.5", "storm.reward.process=0.1"], "format + length + 5 * process is 1"),
        (["data.max_prompt_length=20"], "more than data.max_prompt_length=20"),
        (["data.max_response_length=20"], "only data.max_response_length=20"),
        (["storm.sandbox=nowhere"], 'sandbox: "nowhere" is not one of local'),
        (["--config", "grpo_qwen3_4b_h100x8", "--device", "cuda", "--model", "no-such-model"], "is not a folder"),
        (["--config", "grpo_qwen3_4b_h100x8", "--device", "cpu"], "is a configuration for --device cuda"),
    ],
)
def test_mistakes_are_errors_before_any_worker_starts(tmp_path, words, message):
    code, output = train(tmp_path / "run", "storm.count=4", *words)
    assert code != 0
    assert message in output
    assert "Traceback" not in output


def test_held_out_problems_are_not_trained_on(tmp_path):
    problems = [next(generate(["diet"], split=split, seed=1, limit=1)) for split in ("train", "heldout")]
    problems.append(next(kinds.generate(["queueing"], seed=1, limit=1)))
    write_problems(tmp_path / "problems.jsonl", problems)
    code, output = train(tmp_path / "run", f"storm.problems={tmp_path / 'problems.jsonl'}")
    assert code != 0
    assert "2 of its problems are for evaluation only" in output
    assert f"such as {problems[1].id!r}; leave them out" in output


@pytest.mark.parametrize(
    "words", [[], ["--device", "cuda", "--config", "grpo_qwen3_4b_h100x8", "--model", "nano-base"]]
)
def test_a_dry_run_checks_everything_and_starts_nothing(tmp_path, words):
    code, output = train(tmp_path / "run", "--dry-run", *words)
    assert code == 0, output
    assert "adv_estimator: grpo" in output
    assert not (tmp_path / "run").exists()
