"""The checkpoint engine "ray": it sends the trainer's weights to generation servers that have processes of their own.

    actor_rollout_ref.rollout.checkpoint_engine.backend=ray

veRL's own engines need a GPU (NCCL) or RDMA. This one passes all weights at once through Ray's object store, so they
must fit into it. veRL loads this module by `checkpoint_engine.custom_backend_module`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import ray
import torch
from verl.checkpoint_engine.base import CheckpointEngine, CheckpointEngineRegistry

_MAILBOX = "storm_weights"


class Mailbox:
    """The Ray actor in which the trainer leaves a reference to its latest weights."""

    def __init__(self) -> None:
        self._latest: tuple[int | None, Any] | None = None
        self._changed = asyncio.Condition()

    async def put(self, version: int | None, weights: list[Any]) -> None:
        """weights: a list with the reference, since Ray would replace a bare one by its object."""
        async with self._changed:
            self._latest = (version, weights)
            self._changed.notify_all()

    async def get(self, version: int | None) -> list[Any]:
        """Return the weights of a version, once they are there."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._latest is not None and self._latest[0] == version)
            assert self._latest is not None
            return list(self._latest[1])


@CheckpointEngineRegistry.register("ray")
class RayCheckpointEngine(CheckpointEngine):
    """Sends weights in the trainer's processes, and receives them beside the generation servers."""

    def __init__(self, bucket_size: int, is_master: bool = False) -> None:
        """bucket_size: ignored. is_master: whether this is the trainer's process that sends."""
        self._is_master = is_master
        self._mailbox = ray.remote(Mailbox).options(name=_MAILBOX, get_if_exists=True, num_cpus=0).remote()

    def prepare(self) -> dict[str, Any]:
        return {}

    @classmethod
    def build_topology(
        cls, actor_wg_world_size: int, rollout_world_size: int, metadata: list[dict[str, Any]]
    ) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        return {}, {}

    def init_process_group(self, **keywords: Any) -> None: ...

    def finalize(self) -> None: ...

    async def send_weights(
        self, weights: Iterator[tuple[str, torch.Tensor]], global_steps: int | None = None
    ) -> dict[str, float]:
        # Every process of the trainer iterates, since gathering a sharded weight needs all of them.
        gathered = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights}
        if self._is_master:
            await self._mailbox.put.remote(global_steps, [ray.put(gathered)])
        return {}

    async def receive_weights(self, global_steps: int | None = None) -> AsyncIterator[tuple[str, torch.Tensor]]:
        (reference,) = await self._mailbox.get.remote(global_steps)
        for name, tensor in (await reference).items():
            yield name, tensor
