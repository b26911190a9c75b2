"""Estimate the memory of a training run on each GPU, from its settings and the shape of the model, without a GPU.

    estimate = estimate_memory(workload, shape_of(config))
    print(format_estimate(estimate, capacity=80.0))

Exact: numbers of weights (the model is built on torch's meta device), bytes of the optimizer and of the KV cache. All
other parts are formulas, each with its source. Allocators and kernels add a few percent that no formula has.
"""

from dataclasses import dataclass
from typing import Any

CUDA_GB = 2.0
"""Assumed for the CUDA context, NCCL's buffers and workspaces."""
ENGINE_GB = 2.0
"""Assumed for activations and CUDA graphs of the rollout engine."""
ADAM_BYTES = 8
"""Two moments of 32 bits for each trained weight (Adam, arXiv 1412.6980)."""
BYTES = {"fp64": 8, "fp32": 4, "bf16": 2, "fp16": 2, "float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}
"""Bytes of a number by the name of its type in veRL's settings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """The sizes of a model that memory depends on."""

    weights: int
    """Number of weights; tied ones count once."""
    trained: int
    """Number of weights that are trained: all, or those of the LoRA adapter."""
    layer: int
    """Number of weights of the largest layer."""
    root: int
    """Number of weights outside of layers: embeddings, and the output's if they are not tied."""
    vocabulary: int
    hidden: int
    layers: int
    inner: int
    """Numbers per token that a layer keeps for the backward pass, see `shape_of`."""
    cached: int
    """Numbers per token in the KV cache, over all layers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """The settings that memory depends on, see `rl.memory_settings`."""

    gpus: int
    """GPUs that share weights, gradients and optimizer (FSDP)."""
    tokens: int
    """Tokens of a micro-batch on one GPU."""
    weight_bytes: int
    """Bytes of a stored weight; 4 in veRL's default."""
    compute_bytes: int
    """Bytes of a number in forward and backward passes; 2 in veRL's default."""
    checkpointing: bool
    """Whether a layer's activations are computed again in the backward pass."""
    fused_logits: bool
    """Whether the loss is computed without all logits in memory."""
    offload_all: bool
    """Whether weights, gradients and optimizer are in CPU memory, also during training (FSDP2's offload policy)."""
    offload_weights: bool
    """Whether weights are in CPU memory during rollouts."""
    offload_optimizer: bool
    """Whether the optimizer is in CPU memory during rollouts."""
    reference: bool
    """Whether a reference model is in CPU memory, for a KL loss."""
    engine: str | None
    """The rollout backend; None for SFT."""
    apart: bool = False
    """Whether the engine has GPUs of its own (asynchronous training)."""
    engine_bytes: int = 2
    tensor_parallel: int = 1
    engine_share: float = 0.0
    """The share of GPU memory that vLLM reserves; 0 for a backend that takes what it needs."""
    sequences: int = 0
    """The most rollouts of one engine at a time."""
    length: int = 0
    """The most tokens of a rollout, prompt included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPart:
    name: str
    training: float
    """GB while the model is updated."""
    rollouts: float
    """GB while rollouts are generated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryEstimate:
    gpus: int
    parts: tuple[MemoryPart, ...]
    """The parts on each GPU."""
    cpu: float
    """GB of CPU memory for offloaded parts, on all GPUs' machines together."""
    kv_bytes: int
    """Bytes of the KV cache per token, on each GPU."""
    kv_wanted: float
    """GB of the KV cache if all `sequences` had `length` tokens."""
    length: int

    @property
    def training(self) -> float:
        return sum(part.training for part in self.parts)

    @property
    def rollouts(self) -> float:
        return sum(part.rollouts for part in self.parts)

    def fits(self, capacity: float) -> bool:
        """Return whether a GPU with `capacity` GB is large enough."""
        return max(self.training, self.rollouts) <= capacity


def shape_of(config: Any, *, lora_rank: int = 0, lora_targets: Any = "all-linear") -> ModelShape:
    """Return the shape of a causal language model.

    config: its transformers configuration. lora_rank, lora_targets: of the adapter; rank 0 for none.
    """
    import torch
    from transformers import AutoModelForCausalLM

    text = config.get_text_config()
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    weights = sum(weight.numel() for weight in model.parameters())
    layers = [sum(weight.numel() for weight in layer.parameters()) for layer in model.base_model.layers]
    trained = weights
    if lora_rank:
        from peft import LoraConfig, get_peft_model

        adapter = LoraConfig(task_type="CAUSAL_LM", r=lora_rank, target_modules=lora_targets)
        with torch.device("meta"):
            adapted: Any = get_peft_model(model, adapter)
        trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    heads, size = (
        text.num_attention_heads,
        getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
    )
    queries, keys = heads * size, (getattr(text, "num_key_value_heads", None) or heads) * size
    # vLLM stores the compressed keys and values of latent attention (DeepSeek V3, arXiv 2412.19437, section 2.1.1).
    latent = getattr(text, "kv_lora_rank", None)
    cached = latent + text.qk_rope_head_dim if latent else 2 * keys
    # Inputs of both norms and of all projections, both residuals; queries and keys before and after norm and rotation;
    # values; the attention's output; and gate, activation, up and their product.
    inner = 6 * text.hidden_size + 4 * queries + 4 * keys + 4 * text.intermediate_size
    return ModelShape(
        weights=weights,
        trained=trained,
        layer=max(layers),
        root=weights - sum(layers),
        vocabulary=text.vocab_size,
        hidden=text.hidden_size,
        layers=text.num_hidden_layers,
        inner=inner,
        cached=cached * text.num_hidden_layers,
    )


def estimate_memory(work: Workload, shape: ModelShape, *, capacity: float) -> MemoryEstimate:
    """Return the memory on each GPU. capacity: GB of a GPU, of which vLLM reserves a share."""
    # FSDP shards all three equally (ZeRO stage 3, arXiv 1910.02054, section 5).
    weights = _gb(shape.weights * work.weight_bytes / work.gpus)
    gradients = _gb(shape.trained * work.weight_bytes / work.gpus)
    optimizer = _gb(shape.trained * ADAM_BYTES / work.gpus)
    on_gpu = 0.0 if work.offload_all else 1.0
    stays = 0.0 if work.apart else on_gpu
    cpu = 0.0 if on_gpu else (weights + gradients + optimizer) * work.gpus
    if on_gpu:
        cpu += work.gpus * (weights * work.offload_weights + optimizer * work.offload_optimizer)
    if work.reference:
        cpu += _gb(shape.weights * 2)
    states = [
        MemoryPart(name="weights", training=weights * on_gpu, rollouts=weights * stays * (not work.offload_weights)),
        MemoryPart(name="gradients", training=gradients * on_gpu, rollouts=0.0),
        MemoryPart(
            name="optimizer (AdamW)",
            training=optimizer * on_gpu,
            rollouts=optimizer * stays * (not work.offload_optimizer),
        ),
    ]
    # FSDP2 gathers a layer, prefetches the next one and keeps the root; one layer's gradients await their reduction,
    # in 32 bits (torch's notes on fully_shard).
    gathered = work.compute_bytes * (shape.root + 2 * shape.layer)
    gathered += 4 * (max(shape.layer, shape.root) if shape.trained == shape.weights else 0)
    # With checkpointing each layer keeps its input, and one at a time all of `inner` (arXiv 2205.05198, section 5).
    kept = shape.layers * shape.hidden + shape.inner if work.checkpointing else shape.layers * shape.inner
    # Logits, their gradients, and a copy in 32 bits for the softmax.
    logits = 0 if work.fused_logits else shape.vocabulary * (2 * work.compute_bytes + 4)
    busy = [
        MemoryPart(name="gathered layers and gradients", training=_gb(gathered), rollouts=0.0),
        MemoryPart(
            name=f"activations of {work.tokens:,} tokens",
            training=_gb(work.tokens * kept * work.compute_bytes),
            rollouts=0.0,
        ),
        MemoryPart(name="logits", training=_gb(work.tokens * logits), rollouts=0.0),
    ]
    kv_bytes = shape.cached * work.engine_bytes // work.tensor_parallel
    wanted = _gb(kv_bytes * work.sequences * work.length)
    engine: list[MemoryPart] = []
    if work.engine is not None:
        # A colocated engine releases both during training (`rollout.free_cache_engine`).
        own = _gb(shape.weights * work.engine_bytes / work.tensor_parallel)
        cache = max(0.0, work.engine_share * capacity - own - ENGINE_GB) if work.engine_share else wanted
        engine = [
            MemoryPart(name=f"{work.engine}: weights", training=0.0, rollouts=own),
            MemoryPart(name=f"{work.engine}: KV cache", training=0.0, rollouts=cache),
            MemoryPart(name=f"{work.engine}: activations (assumed)", training=0.0, rollouts=ENGINE_GB),
        ]
    cuda = MemoryPart(name="CUDA and NCCL (assumed)", training=CUDA_GB, rollouts=CUDA_GB if engine else 0.0)
    return MemoryEstimate(
        gpus=work.gpus,
        parts=(*states, *busy, *engine, cuda),
        cpu=cpu,
        kv_bytes=kv_bytes,
        kv_wanted=wanted,
        length=work.length,
    )


def format_estimate(estimate: MemoryEstimate, *, capacity: float) -> str:
    """Return the estimate as a table. capacity: GB of a GPU."""
    columns = ("training", "rollouts") if estimate.kv_wanted else ("training",)
    width = max(len(part.name) for part in estimate.parts)
    title = f"GB per GPU, of {estimate.gpus}"
    width = max(width, len(title))
    lines = [f"{title:{width}}" + "".join(f"{column:>10}" for column in columns)]
    for part in estimate.parts:
        lines.append(f"{part.name:{width}}" + "".join(f"{getattr(part, column):10.1f}" for column in columns))
    lines.append(f"{'total':{width}}" + "".join(f"{getattr(estimate, column):10.1f}" for column in columns))
    answer = "yes" if estimate.fits(capacity) else "NO"
    lines.append(f"{f'fits into {capacity:g} GB':{width}}{answer:>10}")
    if estimate.cpu:
        lines.append(f"CPU memory for offloaded parts: {estimate.cpu:.0f} GB")
    cache = next((part.rollouts for part in estimate.parts if part.name.endswith("KV cache")), 0.0)
    if cache:
        tokens = int(cache * 1e9 / estimate.kv_bytes)
        lines.append(
            f"KV cache: {estimate.kv_bytes:,} bytes per token; {tokens:,} tokens, or {tokens / estimate.length:.0f} "
            f"rollouts of {estimate.length:,} tokens at a time. All rollouts at once, at full length: "
            f"{estimate.kv_wanted:,.0f} GB; further ones wait"
        )
    return "\n".join(lines)


def _gb(size: float) -> float:
    return size / 1e9
