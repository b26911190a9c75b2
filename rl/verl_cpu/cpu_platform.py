"""The platform "cpu" for veRL, and the rollout backend "transformers" for it and for GPUs without vLLM.

Each process of veRL imports this module because of an environment variable:

    VERL_USE_EXTERNAL_MODULES=storm_calm.rl.verl_cpu.cpu_platform

With VERL_PLATFORM=cpu it also patches veRL and torch, as listed at the end of this file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any

import torch
from verl.plugin.platform import PlatformBase, PlatformRegistry
from verl.workers.rollout import base
from verl.workers.rollout.replica import RolloutReplicaRegistry

ENABLED = os.environ.get("VERL_PLATFORM", "").lower() == "cpu"
"""Whether this run uses no GPU."""
BACKEND = "cpu:gloo"
"""veRL would request "cpu:gloo,cpu:gloo", which torch rejects."""


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):
    """The CPU as veRL's accelerator."""

    @property
    def device_name(self) -> str:
        return "cpu"

    @property
    def vendor_name(self) -> str:
        return "generic"

    @property
    def device_module(self) -> ModuleType:
        return torch.cpu  # veRL compares it by identity.

    def is_available(self) -> bool:
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        return ENABLED

    def current_device(self) -> Any:
        return "cpu"  # veRL passes it to `.to()`.

    def device_count(self) -> int:
        return 1

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    manual_seed_all = manual_seed

    def _ignore(self, *_: Any, **__: Any) -> None:
        """Do nothing: a CPU has no such state."""

    set_device = synchronize = set_allocator_settings = empty_cache = profiler_start = profiler_stop = cudart = _ignore

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def ray_resource_name(self) -> str:
        return "GPU"  # Only a name of a resource; `ray.init(num_gpus=...)` provides it.

    def ray_noset_envvars(self) -> list[str]:
        return []

    def is_ipc_supported(self) -> bool:
        return False


def _register_rollout() -> None:
    """Register the server and the client of `actor_rollout_ref.rollout.name=transformers`."""

    def replica() -> Any:
        from storm_calm.rl.verl_cpu.generation_server import GenerationReplica

        return GenerationReplica

    RolloutReplicaRegistry.register("transformers", replica)
    base._ROLLOUT_REGISTRY["transformers", "async"] = "storm_calm.rl.verl_cpu.generation_server.TransformersRollout"


def _complete_torch_cpu() -> None:
    """Add the functions to torch.cpu that veRL expects of an accelerator: memory and random state."""
    missing = {
        "empty_cache": lambda: None,
        "ipc_collect": lambda: None,
        "reset_peak_memory_stats": lambda *_: None,
        "mem_get_info": lambda *_: (0, 0),
        **{name: lambda *_: 0 for name in ("memory_allocated", "memory_reserved")},
        **{name: lambda *_: 0 for name in ("max_memory_allocated", "max_memory_reserved")},
        "manual_seed": torch.manual_seed,
        "manual_seed_all": torch.manual_seed,
        "get_rng_state": torch.get_rng_state,
        "set_rng_state": torch.set_rng_state,
    }
    for name, function in missing.items():
        if not hasattr(torch.cpu, name):
            setattr(torch.cpu, name, function)


def _join_with_gloo() -> None:
    """Use the gloo backend in both ways in which veRL creates a process group."""
    from verl.utils import distributed

    in_ray = distributed.initialize_global_process_group_ray

    def initialize_in_ray(timeout_second: int | None = None, backend: str | None = None) -> None:
        in_ray(timeout_second=timeout_second, backend=backend or BACKEND)

    def initialize(timeout_second: int = 36_000) -> tuple[int, int, int]:
        torch.distributed.init_process_group(backend=BACKEND, timeout=timedelta(seconds=timeout_second))
        return tuple(int(os.environ[name]) for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE"))  # type: ignore[return-value]

    distributed.initialize_global_process_group_ray = initialize_in_ray
    distributed.initialize_global_process_group = initialize


def _offload_without_pinning() -> None:
    """Offload a reference model without pinned memory, which needs a GPU."""
    from torch.distributed import fsdp

    class Unpinned(fsdp.CPUOffloadPolicy):
        def __init__(self, pin_memory: bool = False) -> None:
            super().__init__(pin_memory=False)

    fsdp.CPUOffloadPolicy = Unpinned


def _know_64_bits() -> None:
    """Add the precision "fp64" to veRL, in which log-probabilities of sampler and trainer can be compared exactly."""
    from verl.utils.torch_dtypes import PrecisionType

    known = PrecisionType.to_dtype

    def to_dtype(precision: Any) -> torch.dtype:
        return torch.float64 if precision == "fp64" else known(precision)

    PrecisionType.to_dtype = staticmethod(to_dtype)


def log_probabilities(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of each label.

    logits: shape (..., vocabulary). labels: shape (...). In at least 32 bits, also for logits in 16 bits.
    """
    rows = logits.reshape(-1, logits.shape[-1])
    rows = rows if rows.dtype == torch.float64 else rows.float()
    losses = torch.nn.functional.cross_entropy(rows, labels.reshape(-1), reduction="none")
    return -losses.view(labels.shape)


def _score_all_tokens_at_once() -> None:
    """Compute the log-probabilities of a batch in one operation.

    veRL loops over tokens. With a large vocabulary torch splits each token's sum among the threads, which then wait for
    each other thousands of times a step: minutes if other processes use the cores too.
    """
    from verl.utils import torch_functional

    torch_functional.logprobs_from_logits_v2 = log_probabilities


def _send_merged_adapters_in_full() -> None:
    """Send weights with a merged LoRA adapter to the rollout server in their own precision.

    veRL rounds sharded ones to 16 bits, so the server would sample from other probabilities than the trainer computes.
    """
    from torch.distributed.tensor import DTensor
    from verl.utils import fsdp_utils

    normalize = fsdp_utils.normalize_peft_param_name

    def whole(params: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        named = normalize(params).items()
        return {name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in named}

    fsdp_utils.normalize_peft_param_name = whole


_register_rollout()
if ENABLED:
    # veRL registers its engines only for "cuda" and "npu"; this selects those of "cuda".
    os.environ.setdefault("VERL_ENGINE_DEVICE", "cuda")
    _complete_torch_cpu()
    _join_with_gloo()
    _offload_without_pinning()
    _know_64_bits()
    _score_all_tokens_at_once()
    _send_merged_adapters_in_full()
