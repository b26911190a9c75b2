"""Read from a training configuration what its memory depends on, and print the estimate of a dry run.

    print(describe_memory(config, config.model))

The model need not be on this machine: the sizes of Qwen3-4B are known, and those of other models on the hub are read
from their `config.json`.
"""

from pathlib import Path
from typing import Any

from storm_calm.rl.memory_estimate import BYTES, Workload, estimate_memory, format_estimate, shape_of
from storm_calm.rl.preflight_checks import model_config

QWEN3_4B = ("Qwen/Qwen3-4B-Thinking-2507", "tangzhy/STORM-Qwen3-4B")
"""Models with the sizes of Qwen3-4B."""


def describe_memory(config: Any, section: Any) -> str:
    """Return the table of memory per GPU. section: the configuration of the model, in `config`.

    Raises ValueError if the model's sizes cannot be found.
    """
    capacity = float(config.storm.gpu_gb)
    targets = section.target_modules if isinstance(section.target_modules, str) else list(section.target_modules)
    shape = shape_of(sizes_of(str(section.path)), lora_rank=int(section.lora_rank), lora_targets=targets)
    work = grpo_workload(config) if "actor_rollout_ref" in config else sft_workload(config)
    kind = f"{shape.weights / 1e6:,.0f} million weights"
    if shape.trained != shape.weights:
        kind += f", {shape.trained / 1e6:,.1f} million of them trained in a LoRA adapter"
    table = format_estimate(estimate_memory(work, shape, capacity=capacity), capacity=capacity)
    return f"{section.path}: {kind}. Estimated memory:\n{table}"


def sizes_of(model: str) -> Any:
    """Return the transformers configuration of a model: a folder, or a name on the hub."""
    from transformers import AutoConfig, Qwen3Config

    if Path(model).is_dir():
        return model_config(Path(model))
    if model in QWEN3_4B:
        return Qwen3Config(
            vocab_size=151_936,
            hidden_size=2560,
            intermediate_size=9728,
            num_hidden_layers=36,
            num_attention_heads=32,
            num_key_value_heads=8,
            head_dim=128,
            tie_word_embeddings=True,
        )
    try:
        return AutoConfig.from_pretrained(model)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"model {model!r}: its config.json cannot be read: {reason}; give a folder") from error


def sft_workload(config: Any) -> Workload:
    """Return the workload of an SFT configuration."""
    data = config.data
    budget = data.max_token_len_per_gpu if data.use_dynamic_bsz else data.micro_batch_size_per_gpu * data.max_length
    return Workload(
        **_training(config.engine, config.model, config.trainer), tokens=int(budget), reference=False, engine=None
    )


def grpo_workload(config: Any) -> Workload:
    """Return the workload of a GRPO configuration."""
    actor, rollout, data = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout, config.data
    length = int(data.max_prompt_length or 0) + int(data.max_response_length)
    budget = actor.ppo_max_token_len_per_gpu if actor.use_dynamic_bsz else actor.ppo_micro_batch_size_per_gpu * length
    apart = not config.actor_rollout_ref.hybrid_engine
    gpus = _gpus(rollout if apart else config.trainer)
    # All rollouts of a step start together, evenly over the engines.
    batch = -(-int(data.train_batch_size) * int(rollout.n) * int(rollout.tensor_model_parallel_size) // gpus)
    return Workload(
        **_training(actor.fsdp_config, config.actor_rollout_ref.model, config.trainer),
        tokens=int(budget),
        # With LoRA the reference is the model without its adapter.
        reference=bool(actor.use_kl_loss) and not config.actor_rollout_ref.model.lora_rank,
        engine=str(rollout.name),
        apart=apart,
        engine_bytes=BYTES[str(rollout.dtype)],
        tensor_parallel=int(rollout.tensor_model_parallel_size),
        engine_share=0.0 if rollout.name == "transformers" else float(rollout.gpu_memory_utilization),
        sequences=min(int(rollout.max_num_seqs), batch),
        length=length,
    )


def _training(engine: Any, model: Any, trainer: Any) -> dict[str, Any]:
    """Return the fields of a workload that SFT and GRPO have in common."""
    precision = engine.get("mixed_precision") or {}
    return {
        "gpus": _gpus(trainer),
        "weight_bytes": BYTES[str(engine.model_dtype or "fp32")],
        "compute_bytes": BYTES[str(precision.get("param_dtype", "bf16"))],
        "checkpointing": bool(model.enable_gradient_checkpointing),
        "fused_logits": bool(model.use_fused_kernels),
        "offload_all": bool(engine.offload_policy),
        "offload_weights": bool(engine.param_offload),
        "offload_optimizer": bool(engine.optimizer_offload),
    }


def _gpus(trainer: Any) -> int:
    return int(trainer.n_gpus_per_node) * int(trainer.nnodes)
