"""The rollout backend "transformers": veRL's generation server without vLLM, on processors or a GPU.

    actor_rollout_ref.rollout.name=transformers

One Ray actor for each replica holds a copy of the policy and generates for all rollouts at once (`batched_generation`);
the trainer's workers send it new weights after each step. Made for models that fit one device.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import torch
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput

from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.rl.verl_cpu.batched_generation import GenerationBatch, GenerationRequest

_TOGETHER = 6
"""Rows that are being written for each that has to wait before some join."""


def _server_name(replica: int) -> str:
    return f"transformers_server_{replica}"


class GenerationServer:
    """The actor that generates."""

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
        self._version = 0

    async def ready(self) -> None:
        """Return when the model is loaded."""

    async def generate(
        self, request_id: str, prompt_ids: list[int], sampling_params: dict[str, Any], **_: Any
    ) -> TokenOutput:
        """Go on from `prompt_ids`; sampling_params as vLLM has them."""
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
        future: asyncio.Future[TokenOutput] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = (request, future)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._write())
        return await future

    async def update_weights(self, weights: dict[str, torch.Tensor], version: int | None) -> None:
        """Take over the trainer's weights, between two batches."""
        async with self._lock:
            missing, unexpected = self._model.load_state_dict(weights, strict=False)
            tied = {"lm_head.weight"} if self._model.config.tie_word_embeddings else set()
            if unexpected or set(missing) - tied:
                raise ValueError(f"weights do not fit the model: missing {missing}, unexpected {unexpected}")
            self._model.tie_weights()
            self._batch.forget()
            if version is not None:
                self._version = version

    async def _write(self) -> None:
        """Write until nothing waits and nothing is under way."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            try:
                while self._waiting or self._batch.busy:
                    taken = self._joining()
                    for request, future in taken:
                        self._writing[str(request.key)] = future
                    for written in await loop.run_in_executor(None, self._advance, [one for one, _ in taken]):
                        self._writing.pop(str(written.key)).set_result(
                            TokenOutput(
                                token_ids=list(written.ids),
                                log_probs=list(written.logprobs),
                                stop_reason="completed",
                                extra_fields={"global_steps": self._version},
                            )
                        )
            except Exception as error:
                for future in self._writing.values():
                    future.set_exception(error)
                self._writing.clear()
                raise

    def _joining(self) -> list[tuple[GenerationRequest, asyncio.Future[TokenOutput]]]:
        """Who joins now: nobody until enough are there, as a prompt costs about as much alone as with others."""
        if len(self._waiting) * _TOGETHER < self._batch.active:
            return []
        return [self._waiting.pop(key) for key in list(self._waiting)[: self._batch.room]]

    def _advance(self, new: list[GenerationRequest]) -> list[Any]:
        """Let `new` join, and write until something is finished, or others could join."""
        if new:
            self._batch.join(new)
        while True:
            done = self._batch.step()
            if done or len(self._waiting) * _TOGETHER >= self._batch.active:
                return done

    async def _ignore(self, *_: Any, **__: Any) -> None:
        """Accept a call of veRL's that means nothing to this server."""

    wake_up = sleep = abort_all_requests = resume_generation = _ignore
    clear_kv_cache = release_kv_cache = resume_kv_cache = start_profile = stop_profile = _ignore


class GenerationReplica(RolloutReplica):
    """How the trainer starts a server, and reaches it."""

    async def launch_servers(self) -> None:
        name = _server_name(self.replica_rank)
        # The GPU belongs to the trainer's worker, in Ray's books; the server sits on it as well.
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
    """The trainer's end: hands the weights over."""

    def __init__(self, config: Any, model_config: Any, device_mesh: Any, *arguments: Any, **keywords: Any) -> None:
        super().__init__(config, model_config, device_mesh)
        # veRL reads these.
        self.replica_rank = int(os.environ["RANK"])
        self.is_leader_rank = True
        self._server: Any = None

    async def resume(self, tags: list[str]) -> None: ...

    async def release(self) -> None: ...

    async def update_weights(
        self,
        weights: Iterator[tuple[str, torch.Tensor]],
        wire_format: str = "named_tensors",
        global_steps: int | None = None,
        **_: Any,
    ) -> None:
        """Send all weights. Each rank has to go through `weights`, as gathering them takes all of them."""
        if wire_format != "named_tensors":
            raise ValueError(
                f"wire format {wire_format!r} is not supported; use rollout.checkpoint_engine.backend=naive"
            )
        gathered = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights}
        if self._server is None:
            self._server = ray.get_actor(_server_name(self.replica_rank))
        await self._server.update_weights.remote(gathered, global_steps)
