"""veRL's platform "cpu", and the rollout backend "transformers" for it and for GPUs without vLLM.

Each process of veRL imports this module because the environment says so:

    VERL_USE_EXTERNAL_MODULES=rl.verl_cpu.cpu_platform      and, for a run without a GPU, VERL_PLATFORM=cpu

What it changes in veRL and torch is listed at its end, each with the reason; all of it only where there is no GPU.
"""

from __future__ import annotations

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

WANTED = os.environ.get("VERL_PLATFORM", "").lower() == "cpu"
"""Whether this run is one without a GPU."""
BACKEND = "cpu:gloo"
"""veRL would ask torch for "cpu:gloo,cpu:gloo", which it refuses."""


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):
    """A processor as veRL's accelerator."""

    @property
    def device_name(self) -> str:
        return "cpu"

    @property
    def vendor_name(self) -> str:
        return "generic"

    @property
    def device_module(self) -> ModuleType:
        return torch.cpu  # This very module: veRL compares by identity.

    def is_available(self) -> bool:
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        return WANTED

    def current_device(self) -> Any:
        return "cpu"  # It goes straight into `.to()`.

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None: ...

    def synchronize(self, device_index: int | None = None) -> None: ...

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None: ...

    def empty_cache(self) -> None: ...

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def profiler_start(self) -> None: ...

    def profiler_stop(self) -> None: ...

    def ray_resource_name(self) -> str:
        return "GPU"  # A name in Ray's books; `ray.init(num_gpus=...)` says that there are some.

    def ray_noset_envvars(self) -> list[str]:
        return []

    def is_ipc_supported(self) -> bool:
        return False

    def cudart(self) -> Any:
        return None


def _register_rollout() -> None:
    """Let `actor_rollout_ref.rollout.name=transformers` find its two ends."""

    def replica() -> Any:
        from storm_calm.rl.verl_cpu.generation_server import GenerationReplica

        return GenerationReplica

    RolloutReplicaRegistry.register("transformers", replica)
    base._ROLLOUT_REGISTRY["transformers", "async"] = "storm_calm.rl.verl_cpu.generation_server.TransformersRollout"


def _complete_torch_cpu() -> None:
    """torch.cpu has no memory to ask about and no random state of its own, and veRL asks."""
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
    """Both ways in which veRL's processes meet, with the one backend that a processor has."""
    from verl.utils import distributed

    in_ray = distributed.initialize_global_process_group_ray

    def meet_in_ray(timeout_second: int | None = None, backend: str | None = None) -> None:
        in_ray(timeout_second=timeout_second, backend=backend or BACKEND)

    def meet(timeout_second: int = 36_000) -> tuple[int, int, int]:
        torch.distributed.init_process_group(backend=BACKEND, timeout=timedelta(seconds=timeout_second))
        return tuple(int(os.environ[name]) for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE"))  # type: ignore[return-value]

    distributed.initialize_global_process_group_ray = meet_in_ray
    distributed.initialize_global_process_group = meet


def _offload_without_pinning() -> None:
    """A reference model is offloaded to memory that is pinned for a GPU; without one that fails."""
    from torch.distributed import fsdp

    class Unpinned(fsdp.CPUOffloadPolicy):
        def __init__(self, pin_memory: bool = False) -> None:
            super().__init__(pin_memory=False)

    fsdp.CPUOffloadPolicy = Unpinned


def _know_64_bits() -> None:
    """In 64 bits, sampler and trainer agree to the last digits that are told, unless one of them is wrong.

    veRL knows 16 and 32 bits alone.
    """
    from verl.utils.torch_dtypes import PrecisionType

    known = PrecisionType.to_dtype

    def to_dtype(precision: Any) -> torch.dtype:
        return torch.float64 if precision == "fp64" else known(precision)

    PrecisionType.to_dtype = staticmethod(to_dtype)


_register_rollout()
if WANTED:
    # The engines are listed under "cuda" and "npu" alone; this is veRL's own way to say which to take.
    os.environ.setdefault("VERL_ENGINE_DEVICE", "cuda")
    _complete_torch_cpu()
    _join_with_gloo()
    _offload_without_pinning()
    _know_64_bits()
