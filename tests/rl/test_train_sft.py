"""Supervised fine-tuning with veRL's trainer, on CPUs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from storm_calm.agents.reasoners import open_reasoner
from storm_calm.env import SolverEnv, run_episode
from storm_calm.env.prompt_format import NANO, read_prompt_format
from storm_calm.rl.datasets import sft_row
from storm_calm.rl.datasets.dataset_files import write_rows
from support.scripted_policy import ANSWERING, FAILING, SOLVING, ScriptedPolicy

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "rl" / "train_sft.py"
ROWS = 8


def train(*words, cwd):
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--device", "cpu", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def golden(renderer, sandbox, workshop, tmp_path_factory):
    """Write a dataset of two kinds of trajectories of different lengths."""
    rows = []
    for number in range(ROWS):
        script = ScriptedPolicy(renderer, (SOLVING, ANSWERING) if number % 2 else (FAILING, SOLVING, ANSWERING))
        rows.append(sft_row(run_episode(SolverEnv(sandbox, script), script, workshop)))
    path = tmp_path_factory.mktemp("golden") / "sft.parquet"
    write_rows(path, rows, "verl-sft")
    return path, rows


def settings(epochs):
    return [f"data.train_batch_size={ROWS}", "data.micro_batch_size_per_gpu=4", f"trainer.total_epochs={epochs}"]


@pytest.fixture(scope="module")
def trained(golden, tmp_path_factory):
    """Train two steps in one process."""
    out = tmp_path_factory.mktemp("sft") / "run"
    run = train("--data", golden[0], "--out", out, *settings(2), cwd=out.parent)
    assert run.returncode == 0, run.stderr + (out / "log.txt").read_text()[-3000:]
    return out, run.stdout


def losses(out):
    return [json.loads(line)["data"]["train/loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.timeout(400)
def test_the_loss_covers_only_the_learned_tokens(trained, golden, nano):
    model = AutoModelForCausalLM.from_pretrained(nano, dtype=torch.float32)
    total, count = 0.0, 0
    for row in golden[1]:
        ids = torch.tensor([row["input_ids"]])
        with torch.no_grad():
            logprobs = model(ids).logits[0].log_softmax(-1)
        for at in range(1, len(row["input_ids"])):
            if row["loss_mask"][at]:
                total -= logprobs[at - 1, row["input_ids"][at]].item()
                count += 1
    found = losses(trained[0])
    assert found[0] == pytest.approx(total / count, rel=1e-4)
    assert found[1] < found[0]


@pytest.mark.timeout(400)
def test_the_trained_model_is_a_checkpoint_and_a_reasoner(trained, nano):
    out, output = trained
    before, after = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).model.norm.weight
        for folder in (nano, out / "model")
    )
    assert not torch.equal(before, after)
    assert read_prompt_format(out / "model") == read_prompt_format(out / "nano") == NANO
    reasoner = open_reasoner(str(out / "nano"))
    prompt = reasoner.render([{"role": "user", "content": "How many?"}])
    assert reasoner.generate(prompt, stop=(), max_tokens=3, sampling=reasoner.sampling).ids
    reasoner.close()
    assert "8 golden trajectories, 2 epochs, 2 steps" in output


@pytest.mark.timeout(400)
def test_one_and_two_processes_learn_the_same(trained, golden, tmp_path):
    out = tmp_path / "two"
    words = [*settings(2), "data.micro_batch_size_per_gpu=2", "trainer.n_gpus_per_node=2", "storm.export=false"]
    run = train("--data", golden[0], "--out", out, *words, cwd=tmp_path)
    assert run.returncode == 0, run.stderr + (out / "log.txt").read_text()[-3000:]
    assert losses(out) == pytest.approx(losses(trained[0]), rel=1e-3)


@pytest.mark.timeout(400)
def test_a_finished_run_is_unchanged_and_resumes_for_more_steps(trained, golden):
    out, _ = trained
    kept = (out / "model" / "model.safetensors").read_bytes()
    again = train("--data", golden[0], "--out", out, *settings(2), cwd=out.parent)
    assert "all 2 steps are already done" in again.stdout
    assert (out / "model" / "model.safetensors").read_bytes() == kept
    changed = train("--data", golden[0], "--out", out, *settings(2), "optim.lr=1.0", cwd=out.parent)
    assert (changed.returncode, "optim.lr: 0.0002 -> 1.0" in changed.stderr) == (1, True)


def test_mistakes_are_errors_before_training_starts(golden, tmp_path):
    for words, message in [
        ((), "no data: give --data FILE"),
        (("--data", "none.parquet"), "no such file; make it with `storm export"),
        (("--data", golden[0], "--model", "no-such-model"), "'no-such-model' is not a folder, one of nano"),
        (("--data", golden[0], "data.train_batch_size=9"), "8 rows, fewer than a batch"),
        (("--data", golden[0], "data.max_length=50"), "more than data.max_length=50"),
        (("--data", golden[0], "--fast"), "unknown option '--fast'"),
    ]:
        run = train("--out", tmp_path / "out", *words, cwd=tmp_path)
        assert run.returncode == 1
        assert message in run.stderr
        assert "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()


def test_a_dry_run_prints_the_settings_and_starts_nothing(golden, tmp_path):
    run = train("--data", golden[0], "--out", tmp_path / "out", "--dry-run", *settings(1), cwd=tmp_path)
    assert run.returncode == 0
    assert "max_length: 1536" in run.stdout
    assert not (tmp_path / "out").exists()
