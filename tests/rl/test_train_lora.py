"""GRPO of a LoRA adapter on CPUs: the rollout server gets merged weights, and the trained model is a plain one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "rl" / "train_verl.py"
SETTINGS = [
    "trainer.total_training_steps=2",
    "trainer.save_freq=2",
    # In 64 bits rounding is negligible: any difference between sampler and trainer would be a bug.
    "actor_rollout_ref.actor.fsdp_config.model_dtype=fp64",
    "actor_rollout_ref.actor.fsdp_config.mixed_precision.param_dtype=fp64",
    "actor_rollout_ref.rollout.dtype=float64",
    "actor_rollout_ref.model.lora_rank=4",
    "actor_rollout_ref.model.lora_alpha=8",
    "actor_rollout_ref.actor.optim.lr=0.005",
    "storm.families=[knapsack,product_mix]",
    "storm.count=8",
    "storm.export=false",
    "data.train_batch_size=2",
    "actor_rollout_ref.actor.ppo_mini_batch_size=2",
    "actor_rollout_ref.rollout.n=4",
]


def train(out, *words):
    return subprocess.run(
        [sys.executable, SCRIPT, "--device", "cpu", "--out", out, *SETTINGS, *words],
        cwd=out.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


@pytest.mark.timeout(600)
def test_an_adapter_is_trained_and_merged(tmp_path, nano):
    out = tmp_path / "run"
    run = train(out)
    assert run.returncode == 0, run.stderr + (out / "log.txt").read_text()[-3000:]
    steps = [json.loads(line)["data"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert any(step["actor/grad_norm"] > 0 for step in steps)
    # Weights without the adapter, or of the step before, would give 1e-3.
    assert all(step["training/rollout_probs_diff_max"] < 1e-6 for step in steps)
    before, after = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (nano, out / "model")
    )
    changed = {
        name for name, weight in after.state_dict().items() if not torch.equal(weight, before.state_dict()[name])
    }
    assert changed
    assert all(".self_attn." in name or ".mlp." in name for name in changed)
    ids = torch.arange(10, 60)[None]
    with torch.inference_mode():
        plain, merged = before(ids).logits, after(ids).logits
        adapted = PeftModel.from_pretrained(before, out / "model" / "lora_adapter").eval()(ids).logits
    # nano's weights are stored in 16 bits.
    assert (adapted - merged).abs().max() < 0.2 * (plain - merged).abs().max()


def test_a_rollout_server_that_takes_whole_weights_needs_merged_ones(tmp_path):
    run = train(tmp_path / "run", "--dry-run", "actor_rollout_ref.model.lora.merge=false")
    assert run.returncode == 1
    assert "with actor_rollout_ref.model.lora_rank=4, set actor_rollout_ref.model.lora.merge=true" in run.stderr
