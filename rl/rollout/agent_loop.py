"""The rollout: `env.SolverEnv`, the environment of curation and evaluation, driven by veRL's generation server.

veRL names it through `rl/config/agent_loops.yaml`, and makes one for each rollout. The loop is
`env.solve_async`, which awaits the server instead of calling a reasoner; ids, masks and reward are the environment's:

- ids are appended as they were sampled, and never encoded anew; observations are encoded by themselves,
- the mask is 1 on what the model sampled and 0 on what the environment wrote,
- the reward is `env.score`'s: 1 for the right final answer, 0 for anything else,
- a fault of the sandbox is waited out; where it stays, the rollout raises, and veRL replaces its group.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput

from storm_calm.agents.runs.sandbox_options import SandboxOptions
from storm_calm.env import Episode, Generation, Problem, Sampling, SegmentRequest, SolverEnv, score, solve_async
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.serialize import from_json
from storm_calm.rl.prompt_renderer import CheckpointRenderer
from storm_calm.rl.rollout.rollout_metrics import covered_seconds, record_failure, rollout_figures, save_rollout
from storm_calm.sandbox import Sandbox, SandboxUnavailableError

SANDBOX_RETRY_PAUSES = (1.0, 5.0, 20.0)
"""Seconds to wait before a program is tried again whose sandbox failed; then the rollout is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """A finished episode as veRL wants it."""

    prompt_ids: list[int]
    """The prompt, shape (prompt tokens,)."""
    response_ids: list[int]
    """All that follows, at most `response_length` tokens and at least one."""
    mask: list[int]
    """1 where the model sampled, shape of `response_ids`."""
    logprobs: list[float]
    """The sampler's log-probabilities; 0.0 where the model did not sample; shape of `response_ids`."""


class StormAgentLoop(AgentLoopBase):
    """One rollout of a problem."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.settings: Mapping[str, Any] = self.config.storm
        self.renderer = renderer(str(self.config.actor_rollout_ref.model.path), self.settings["instructions"])
        self.sandbox = shared_sandbox(SandboxOptions.of(self.settings), self.settings["workers"])

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """Work on the row's problem until it stops.

        sampling_params: of veRL. row: of the data set; `extra_info` holds the problem, see `rl.datasets.rl_rows`.
        Raises SandboxUnavailableError where the sandbox fails and does not come back.
        """
        problem = from_json(Problem, json.loads(row["extra_info"]["problem"]))
        length = int(self.rollout_config.response_length)
        prompt = self.renderer.render(self._env(1).protocol.messages(problem.question, self.renderer.instructions))
        env = self._env(len(self.renderer.encode_marked(prompt)[0]) + length)
        env.reset(problem)
        seed = f"{self.settings['seed']}/{row.get('global_steps', 0)}/{row.get('session_id', 0)}"
        request, logprobs, versions = uuid4().hex, list[float](), list[int]()
        generating: list[tuple[float, float]] = []
        acting: list[tuple[float, float]] = []

        async def write(segment: SegmentRequest) -> Generation:
            ids = segment["prompt"]
            assert isinstance(ids, tuple), "the renderer gives ids"
            logprobs.extend([0.0] * (len(ids) - len(logprobs)))
            started = monotonic()
            output = await self.server_manager.generate(
                request_id=request,
                prompt_ids=list(ids),
                sampling_params={
                    **sampling_params,
                    "max_tokens": segment["max_tokens"],
                    "stop": list(segment["stop"]),
                    "seed": segment["sampling"].seed,
                },
            )
            generating.append((started, monotonic()))
            versions.extend(value for value in weight_versions(output.extra_fields) if value is not None)
            generation = self.renderer.read(output.token_ids, stop=segment["stop"])
            logprobs.extend(list(output.log_probs or [0.0] * len(output.token_ids))[: len(generation.ids or ())])
            return generation

        async def act() -> None:
            await self._act(env)
            acting.append((generating[-1][1], monotonic()))
            del logprobs[len(env.episode.transcript.ids or ()) :]

        episode = await solve_async(env, write, act, seed=seed, sampling=Sampling())
        scored = score(episode, self.settings["rule"])
        known = rollout_figures(episode, scored)
        rollout = to_rollout(episode, logprobs, length, filler=min(self.renderer.tokens.end_ids))
        save_rollout(self.settings, row, episode, scored, asdict(rollout))
        return AgentLoopOutput(
            prompt_ids=rollout.prompt_ids,
            response_ids=rollout.response_ids,
            response_mask=rollout.mask,
            response_logprobs=rollout.logprobs,
            reward_score=scored.reward,
            num_turns=sum(span.source in ("model", "tool") for span in episode.transcript.spans),
            metrics=AgentLoopMetrics(
                generate_sequences=covered_seconds(generating), tool_calls=covered_seconds(acting)
            ),
            extra_fields={
                # veRL's own metrics fail where these are missing.
                **({"min_global_steps": min(versions), "max_global_steps": max(versions)} if versions else {}),
                "turn_scores": [],
                "tool_rewards": [],
                "reward_extra_info": known,
                "generating": generating,
                "acting": acting,
            },
        )

    async def _act(self, env: SolverEnv) -> None:
        """Call `env.act` off the event loop, again after a while if the sandbox failed."""
        loop = asyncio.get_running_loop()
        written = env.snapshot()
        for wait in (*SANDBOX_RETRY_PAUSES, None):
            result = await loop.run_in_executor(threads(self.settings["workers"]), env.act)
            if result.stop != "infrastructure":
                return
            record_failure(self.settings, result.observation)
            if wait is None:
                raise SandboxUnavailableError(result.observation)
            await asyncio.sleep(wait)
            env.restore(written)

    def _env(self, tokens: int) -> SolverEnv:
        return SolverEnv(
            self.sandbox, self.renderer, max_executions=int(self.settings["max_executions"]), max_tokens=max(1, tokens)
        )


def to_rollout(episode: Episode, logprobs: list[float], length: int, *, filler: int) -> Rollout:
    """The finished episode in veRL's shape.

    logprobs: one for each token of the transcript as far as they are known, shape (tokens,) or shorter.
    length: tokens of a response; an observation may have run past it. filler: a token for an empty response, not
    learned, as veRL has no empty ones.
    """
    transcript = episode.transcript
    ids = transcript.ids
    assert ids is not None, "the renderer gives ids"
    mask = loss_mask(transcript, "rl")
    start = sum(len(span.ids or ()) for span in transcript.spans if span.source == "prompt")
    response, learned = list(ids[start:])[:length], list(mask[start:])[:length]
    padded = [*logprobs, *[0.0] * len(ids)][start : len(ids)][:length]
    if not response:
        response, learned, padded = [filler], [0], [0.0]
    return Rollout(
        prompt_ids=list(ids[:start]),
        response_ids=response,
        mask=learned,
        logprobs=[value if used else 0.0 for value, used in zip(padded, learned, strict=True)],
    )


def weight_versions(fields: Mapping[str, Any]) -> tuple[int | None, ...]:
    """The weights' versions that a server's answer tells of."""
    return tuple(fields.get(name) for name in ("global_steps", "min_global_steps", "max_global_steps"))


@cache
def renderer(folder: str, instructions: str | None) -> CheckpointRenderer:
    """One for all rollouts of a process."""
    return CheckpointRenderer(Path(folder), instructions=instructions)


@cache
def shared_sandbox(options: SandboxOptions, workers: int | None) -> Sandbox:
    """One for all rollouts of a process; it ends with the process."""
    return options.open_sandbox(workers=workers)


@cache
def threads(workers: int | None) -> ThreadPoolExecutor:
    """Threads in which environments wait for their programs, enough to keep all places of the sandbox busy."""
    return ThreadPoolExecutor(4 * (workers or 16), thread_name_prefix="environment")
