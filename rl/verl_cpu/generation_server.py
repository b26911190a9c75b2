"""The rollout backend "transformers": a generation server for veRL without vLLM, on CPUs or a GPU.

    actor_rollout_ref.rollout.name=transformers

A Ray actor for each replica has a copy of the policy and generates for all rollouts in one batch
(`batched_generation`). The trainer's workers send it new weights after each step. The model must fit on one device.

In the asynchronous modes veRL aborts all requests before it sends weights. An aborted request returns the tokens that
it has, and veRL's client sends the rest again afterwards.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import ray
import torch
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput
from verl.workers.rollout.utils import ensure_async_iterator

from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.rl.verl_cpu.batched_generation import GeneratedSegment, GenerationBatch, GenerationRequest
from storm_calm.rl.verl_cpu.fused_experts import fuse_experts

_ACTIVE_PER_WAITING = 6
"""Waiting requests join once there are at most this many active rows per waiting request."""


def _server_name(replica: int) -> str:
    return f"transformers_server_{replica}"


class GenerationServer:
    """The Ray actor that generates."""

    def __init__(self, config: Any, model_config: Any) -> None:
        from transformers import AutoModelForCausalLM

        cuda = torch.cuda.is_available()
        folder = str(model_config["path"] if isinstance(model_config, dict) else model_config.path)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, config.dtype), attn_implementation="sdpa"
        )
        self._model = model.eval().to("cuda" if cuda else "cpu")
        self._config = config
        self._batch = GenerationBatch(
            self._model,
            ByteTokens(Path(folder) / "tokenizer.json"),
            rows=config.max_num_seqs,
            length=config.prompt_length + config.response_length,
        )
        self._waiting: dict[str, tuple[GenerationRequest, asyncio.Future[TokenOutput]]] = {}
        self._writing: dict[str, asyncio.Future[TokenOutput]] = {}
        self._work: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._paused = False
        self._rejecting = False
        self._version = 0

    async def ready(self) -> None:
        """Return once the model is loaded."""

    async def generate(
        self, request_id: str, prompt_ids: list[int], sampling_params: dict[str, Any], **_: Any
    ) -> TokenOutput:
        """Continue `prompt_ids`. sampling_params: those of vLLM.

        While generation is paused, the request waits; if the server rejects requests, it returns as aborted at once.
        """
        if self._rejecting:
            return self._output((), (), "aborted")
        room = self._config.prompt_length + self._config.response_length - len(prompt_ids)
        stop = sampling_params.get("stop") or ()
        request = GenerationRequest(
            key=request_id,
            ids=tuple(prompt_ids),
            limit=max(1, min(room, sampling_params.get("max_tokens") or room)),
            temperature=float(sampling_params.get("temperature", 1.0)),
            top_p=float(sampling_params.get("top_p", 1.0)),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            seed=sampling_params.get("seed"),
        )
        self._batch.check(request)  # Before others wait with it: they would fail too.
        future: asyncio.Future[TokenOutput] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = (request, future)
        self._start()
        return await future

    async def abort_all_requests(self, reject_request: bool = False) -> None:
        """Pause generation: running requests return what they have, others wait until `resume_generation`.

        reject_request: whether waiting and new requests return as aborted instead, so that another server takes them.
        """
        self._paused, self._rejecting = True, reject_request
        async with self._lock:  # Held until the running requests have returned.
            if reject_request:
                for _, future in self._waiting.values():
                    if not future.done():  # The rollout may have been cancelled.
                        future.set_result(self._output((), (), "aborted"))
                self._waiting.clear()

    async def resume_generation(self) -> None:
        self._paused = self._rejecting = False
        self._start()

    async def update_weights(self, weights: dict[str, torch.Tensor], version: int | None) -> None:
        """Load the trainer's weights, once no request is being generated."""
        async with self._lock:
            missing, unexpected = self._model.load_state_dict(fuse_experts(weights), strict=False)
            tied = {"lm_head.weight"} if self._model.config.tie_word_embeddings else set()
            if unexpected or set(missing) - tied:
                raise ValueError(f"weights do not fit the model: missing {missing}, unexpected {unexpected}")
            self._model.tie_weights()
            self._batch.forget()
            if version is not None:
                self._version = version

    def _start(self) -> None:
        """Start to generate, unless that is running, paused or without a request."""
        if self._waiting and not self._paused and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """Generate until no request is waiting or active, or until generation is paused."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            try:
                while (self._waiting or self._batch.busy) and not self._paused:
                    taken = self._joining()
                    for request, future in taken:
                        self._writing[str(request.key)] = future
                    self._deliver(await loop.run_in_executor(None, self._advance, [one for one, _ in taken]))
                self._deliver(self._batch.abort(), "aborted")
            except Exception as error:
                self._batch.abort()
                for future in self._writing.values():
                    if not future.done():
                        future.set_exception(error)
                self._writing.clear()
                raise
        # A request may have arrived, or generation may have been resumed, since the loop ended.
        self._work = None
        self._start()

    def _deliver(self, segments: Sequence[GeneratedSegment], reason: str = "completed") -> None:
        for written in segments:
            future = self._writing.pop(str(written.key))
            if not future.done():  # The rollout may have been cancelled.
                future.set_result(self._output(written.ids, written.logprobs, reason))

    def _output(self, ids: Sequence[int], logprobs: Sequence[float], reason: str) -> TokenOutput:
        return TokenOutput(
            token_ids=list(ids),
            log_probs=list(logprobs),
            stop_reason=reason,
            extra_fields={"global_steps": self._version},
        )

    def _joining(self) -> list[tuple[GenerationRequest, asyncio.Future[TokenOutput]]]:
        """Return the requests that join now: none until enough wait, since one prefill costs as much as several."""
        if len(self._waiting) * _ACTIVE_PER_WAITING < self._batch.active:
            return []
        taken = [self._waiting.pop(key) for key in list(self._waiting)[: self._batch.room]]
        return [(request, future) for request, future in taken if not future.done()]  # Cancelled rollouts are done.

    def _advance(self, new: list[GenerationRequest]) -> list[GeneratedSegment]:
        """Start the requests `new`, and generate until a segment is finished, others can join, or it is paused."""
        if new:
            self._batch.join(new)
        while True:
            done = self._batch.step()
            if done or self._paused or len(self._waiting) * _ACTIVE_PER_WAITING >= self._batch.active:
                return done

    async def _ignore(self, *_: Any, **__: Any) -> None:
        """Accept a call of veRL that does not apply to this server."""

    wake_up = sleep = release_kv_cache = resume_kv_cache = _ignore
    start_profile = stop_profile = _ignore


class GenerationReplica(RolloutReplica):
    """The trainer's handle of a server."""

    async def launch_servers(self) -> None:
        name = _server_name(self.replica_rank)
        # Ray assigns the GPU to the trainer's worker; the server shares it.
        environment = {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"} if torch.cuda.is_available() else {}
        server = (
            ray.remote(GenerationServer)
            .options(name=name, num_cpus=0, max_concurrency=self.max_concurrency, runtime_env={"env_vars": environment})
            .remote(config=self.config, model_config=self.model_config)
        )
        await server.ready.remote()
        self.servers = [server]
        self._server_handle, self._server_address = server, name


class TransformersRollout(BaseRollout):
    """The trainer's client, which sends the weights."""

    def __init__(self, config: Any, model_config: Any, device_mesh: Any, *arguments: Any, **keywords: Any) -> None:
        super().__init__(config, model_config, device_mesh)
        # veRL reads these. A worker of its own for a server, without a trainer, is given the server's number.
        self.replica_rank = int(keywords.get("replica_rank", os.environ["RANK"]))
        self.is_leader_rank = True
        self._server: Any = None

    async def resume(self, tags: list[str]) -> None: ...

    async def release(self) -> None: ...

    async def update_weights(
        self,
        weights: Iterator[tuple[str, torch.Tensor]] | AsyncIterator[tuple[str, torch.Tensor]],
        wire_format: str = "named_tensors",
        global_steps: int | None = None,
        **_: Any,
    ) -> None:
        """Send all weights. Each rank must iterate over `weights`, since gathering them needs all ranks."""
        if wire_format != "named_tensors":
            raise ValueError(f"unsupported wire format {wire_format!r}; use rollout.checkpoint_engine.backend=naive")
        gathered = {name: tensor.detach().to("cpu", copy=True) async for name, tensor in ensure_async_iterator(weights)}
        if self._server is None:
            self._server = ray.get_actor(_server_name(self.replica_rank))
        await self._server.update_weights.remote(gathered, global_steps)
