"""The estimate of GPU memory: exact where it can be measured here, and a fit where the configurations say so."""

from dataclasses import replace

import pytest
import torch
from transformers import DynamicCache

from storm_calm.rl.compose import compose
from storm_calm.rl.memory_estimate import ADAM_BYTES, Workload, estimate_memory, format_estimate, shape_of
from storm_calm.rl.memory_settings import QWEN3_4B, describe_memory, grpo_workload, sizes_of
from storm_calm.rl.preflight_checks import count_weights
from storm_calm.rl.train_sft import train as train_sft
from storm_calm.rl.train_verl import train as train_grpo
from support.public_tokenizers import random_model

WORK = Workload(
    gpus=1,
    tokens=1000,
    weight_bytes=4,
    compute_bytes=2,
    checkpointing=True,
    fused_logits=False,
    offload_all=False,
    offload_weights=False,
    offload_optimizer=False,
    reference=False,
    engine=None,
)


def parts(work, shape, capacity=80.0):
    return {part.name: part for part in estimate_memory(work, shape, capacity=capacity).parts}


@pytest.mark.parametrize("name", QWEN3_4B)
def test_the_sizes_of_qwen3_4b_are_known_without_a_network(name):
    shape = shape_of(sizes_of(name))
    # Embeddings, and in each of 36 layers attention, its two norms of 128, the MLP and two norms of 2560; a last norm.
    attention = 2560 * 4096 * 2 + 2560 * 1024 * 2 + 2 * 128
    layer = attention + 3 * 2560 * 9728 + 2 * 2560
    assert shape.weights == shape.trained == 151_936 * 2560 + 36 * layer + 2560 == 4_022_468_096
    assert (shape.layer, shape.root) == (layer, 151_936 * 2560 + 2560)


def test_the_number_of_weights_is_that_of_the_files(nano):
    assert shape_of(sizes_of(str(nano))).weights == count_weights(nano)


def test_only_the_adapter_is_trained_with_lora():
    shape = shape_of(sizes_of(QWEN3_4B[0]), lora_rank=16)
    linear = [(2560, 4096), (2560, 1024), (2560, 1024), (4096, 2560), (2560, 9728), (2560, 9728), (9728, 2560)]
    assert shape.trained == 36 * sum(16 * (inputs + outputs) for inputs, outputs in linear)
    full, lora = parts(WORK, replace(shape, trained=shape.weights)), parts(WORK, shape)
    assert lora["weights"] == full["weights"]
    assert lora["optimizer (AdamW)"].training == pytest.approx(shape.trained * 8 / 1e9)


def test_the_kv_cache_takes_what_a_models_cache_takes():
    model = random_model("qwen3", 1024)
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(torch.arange(50)[None], past_key_values=cache, use_cache=True)
    used = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    work = replace(WORK, engine="vllm", engine_bytes=4, sequences=1, length=50)
    estimate = estimate_memory(work, shape_of(model.config), capacity=80.0)
    assert estimate.kv_bytes * 50 == used == estimate.kv_wanted * 1e9


def test_weights_gradients_and_optimizer_take_what_a_training_step_takes():
    model = random_model("qwen3", 1024)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.arange(20)[None], labels=torch.arange(20)[None]).loss.backward()
    optimizer.step()
    moments = [state for states in optimizer.state.values() for state in states.values() if state.dim()]
    shape = shape_of(model.config)
    assert sum(state.nbytes for state in moments) == shape.weights * ADAM_BYTES
    found = parts(WORK, shape)
    assert found["weights"].training * 1e9 == pytest.approx(sum(one.nbytes for one in model.parameters()))
    assert found["gradients"].training * 1e9 == pytest.approx(sum(one.grad.nbytes for one in model.parameters()))


def test_gpus_share_the_states_and_offloading_moves_them():
    shape = shape_of(sizes_of(QWEN3_4B[0]))
    one, eight = (parts(replace(WORK, gpus=gpus), shape) for gpus in (1, 8))
    for name in ("weights", "gradients", "optimizer (AdamW)"):
        assert eight[name].training == pytest.approx(one[name].training / 8)
    offloaded = estimate_memory(replace(WORK, offload_all=True), shape, capacity=80.0)
    assert offloaded.cpu == pytest.approx(shape.weights * 16 / 1e9)
    assert not estimate_memory(WORK, shape, capacity=60.0).fits(60.0)
    assert offloaded.fits(60.0)


@pytest.mark.parametrize("gpus", [1, 4, 8])
@pytest.mark.parametrize("kind", ["grpo", "sft"])
def test_the_configurations_for_h100_fit_by_estimate(kind, gpus):
    config = compose(f"{kind}_qwen3_4b_h100x{gpus}", ["storm.out=x"])
    text = describe_memory(config, config.actor_rollout_ref.model if kind == "grpo" else config.model)
    assert f"GB per GPU, of {gpus} " in text
    assert "4,022 million weights" in text
    assert text.split("fits into 80 GB")[1].split()[0] == "yes"
    assert ("rollouts of 18,432 tokens" in text) == (kind == "grpo")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        (train_grpo, "grpo_qwen3_4b_h100x4", ["actor_rollout_ref.model.path=tangzhy/STORM-Qwen3-4B"]),
        (train_sft, "sft_qwen3_4b_h100x1", ["data.train_files=sft.parquet"]),
    ],
)
def test_a_dry_run_needs_neither_a_gpu_nor_the_model(tmp_path, monkeypatch, capsys, command, name, words):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    command(compose(name, [f"storm.out={tmp_path / 'run'}", *words]), dry_run=True)
    output = capsys.readouterr().out
    assert "4,022 million weights. Estimated memory:" in output
    assert "is not on this machine, so its tokenizer, its prompts and the data were not checked" in output
    assert "The settings are valid; nothing was started." in output
    assert list(tmp_path.iterdir()) == []


def test_full_training_on_one_gpu_without_offloading_does_not_fit():
    words = ["storm.out=x", "actor_rollout_ref.actor.fsdp_config.offload_policy=false"]
    config = compose("grpo_qwen3_4b_h100x1", words)
    assert describe_memory(config, config.actor_rollout_ref.model).split("fits into 80 GB")[1].split()[0] == "NO"
    adapter = compose("grpo_qwen3_4b_h100x1", [*words, "actor_rollout_ref.model.lora_rank=32"])
    text = describe_memory(adapter, adapter.actor_rollout_ref.model)
    assert "66.1 million of them trained in a LoRA adapter" in text
    assert text.split("fits into 80 GB")[1].split()[0] == "yes"


def test_the_workload_is_read_from_the_settings():
    work = grpo_workload(compose("grpo_qwen3_4b_h100x4", ["storm.out=x"]))
    assert (work.gpus, work.tokens, work.length, work.sequences) == (4, 18_432, 18_432, 256)
    assert (work.weight_bytes, work.compute_bytes, work.engine_bytes) == (4, 2, 2)
    assert (work.checkpointing, work.reference) == (True, True)


def test_an_engine_with_gpus_of_its_own_shares_them_with_no_trainer():
    config = compose("grpo_qwen3_4b_h100x8_separate_async", ["storm.out=x"])
    work = grpo_workload(config)
    assert (work.gpus, work.apart, work.sequences) == (4, True, 256)
    found = parts(work, shape_of(sizes_of(QWEN3_4B[0])))
    assert found["weights"].training > found["weights"].rollouts == found["optimizer (AdamW)"].rollouts == 0


def test_the_table_shows_what_the_engine_has_room_for():
    shape = shape_of(sizes_of(QWEN3_4B[0]))
    work = replace(WORK, engine="vllm", engine_share=0.5, sequences=128, length=18_432)
    table = format_estimate(estimate_memory(work, shape, capacity=80.0), capacity=80.0)
    room = (80 * 0.5 - 4_022_468_096 * 2 / 1e9 - 2.0) * 1e9 // 147_456
    assert f"147,456 bytes per token; {room:,.0f} tokens" in table
    assert "128" not in table
