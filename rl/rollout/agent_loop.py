"""The agent loop: veRL's generation server drives `env.SolverEnv`, the environment of curation and evaluation.

veRL finds it in `rl/config/agent_loops.yaml`, and makes one object for each rollout. The loop is `env.solve_async`,
which awaits the server instead of calling a reasoner. Token ids, masks and reward come from the environment:

- Sampled ids are appended and never encoded again; observations are encoded separately.
- The mask is 1 for sampled tokens and 0 for tokens of the environment.
- The reward is that of `env.score`: 1 for the correct final answer, else 0. `storm.reward` adds components.
- Programs are retried after a sandbox failure. If it persists, the rollout raises, and veRL replaces its group.
- A rollout that exceeds its wall-clock limit raises too: something it waits for is stuck.
"""

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput

from storm_calm.agents.runs.rollout_record import Rollout
from storm_calm.agents.runs.sandbox_options import SandboxOptions
from storm_calm.agents.triggers import findings
from storm_calm.agents.verdict import check_answer
from storm_calm.env import Episode, Generation, Problem, Sampling, Score, SegmentRequest, SolverEnv, score, solve_async
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.plans.checks import Check
from storm_calm.env.prompt_format import read_prompt_format
from storm_calm.env.serialize import from_json
from storm_calm.env.workspace import full_question
from storm_calm.rl.prompt_renderer import CheckpointRenderer
from storm_calm.rl.rollout.activity import ACTIVITY
from storm_calm.rl.rollout.rewards import Reward, RewardSettings, compute_reward
from storm_calm.rl.rollout.rollout_metrics import covered_seconds, record_failure, rollout_figures, save_rollout
from storm_calm.sandbox import Sandbox, SandboxUnavailableError

SANDBOX_RETRY_PAUSES = (1.0, 5.0, 20.0)
"""Pauses in seconds before each retry of a program whose sandbox failed."""

WEIGHT_VERSIONS = ("global_steps", "min_global_steps", "max_global_steps")
"""Fields of a server's response with the versions of its weights."""


class RolloutTimeoutError(RuntimeError):
    """A rollout exceeded its wall-clock limit."""


class StormAgentLoop(AgentLoopBase):
    """The agent loop of one rollout."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.settings: Mapping[str, Any] = self.config.storm
        self.renderer = renderer(str(self.config.actor_rollout_ref.model.path), str(self.settings["out"]))
        self.sandbox = shared_sandbox(SandboxOptions.of(self.settings), self.settings["workers"])
        self.rewards = RewardSettings.of(
            self.settings["reward"], response_length=int(self.rollout_config.response_length)
        )

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """Run the episode of a row's problem.

        sampling_params: veRL's. row: a row of the dataset, with the problem in `extra_info`, see `rl.datasets.rl_rows`.
        Raises SandboxUnavailableError if the sandbox keeps failing, and RolloutTimeoutError if the rollout takes longer
        than the setting `rollout_seconds`.
        """
        seconds = float(self.settings["rollout_seconds"])
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._run(sampling_params, row)
        except TimeoutError as error:
            if not limit.expired():
                raise
            reason = f"a rollout took longer than storm.rollout_seconds={seconds:g}"
            record_failure(self.settings, reason)
            raise RolloutTimeoutError(reason) from error

    async def _run(self, sampling_params: dict[str, Any], row: dict[str, Any]) -> AgentLoopOutput:
        problem = from_json(Problem, json.loads(row["extra_info"]["problem"]))
        length = int(self.rollout_config.response_length)
        messages = self._env(1).protocol.messages(full_question(problem), self.renderer.instructions)
        prompt = self.renderer.render(messages)
        env = self._env(len(self.renderer.encode_marked(prompt)[0]) + length)
        env.reset(problem)
        seed = f"{self.settings['seed']}/{row.get('global_steps', 0)}/{row.get('session_id', 0)}"
        request, logprobs, versions = uuid4().hex, list[float](), list[int]()
        generating: list[tuple[float, float]] = []
        acting: list[tuple[float, float]] = []

        async def write(segment: SegmentRequest) -> Generation:
            ids = segment["prompt"]
            assert isinstance(ids, tuple), "the renderer has a tokenizer"
            logprobs.extend([0.0] * (len(ids) - len(logprobs)))
            started = monotonic()
            limits = {
                "max_tokens": segment["max_tokens"],
                "stop": list(segment["stop"]),
                # vLLM itself knows only the ends in generation_config.json, which may lack the end of a turn.
                "stop_token_ids": sorted(self.renderer.tokens.end_ids),
            }
            params = {**sampling_params, **limits, "seed": segment["sampling"].seed}
            with ACTIVITY.generating.task():
                output = await self.server_manager.generate(
                    request_id=request, prompt_ids=list(ids), sampling_params=params
                )
            generating.append((started, monotonic()))
            known = (output.extra_fields.get(name) for name in WEIGHT_VERSIONS)
            versions.extend(version for version in known if version is not None)
            generation = self.renderer.read(output.token_ids, stop=segment["stop"])
            logprobs.extend(list(output.log_probs or [0.0] * len(output.token_ids))[: len(generation.ids or ())])
            return generation

        async def act() -> None:
            with ACTIVITY.acting.task():
                await self._act(env)
            acting.append((generating[-1][1], monotonic()))
            del logprobs[len(env.episode.transcript.ids or ()) :]

        episode = await solve_async(env, write, act, seed=seed, sampling=Sampling())
        scored, reward = await self._score(episode)
        rollout = to_rollout(episode, logprobs, length, filler=min(self.renderer.tokens.end_ids))
        save_rollout(self.settings, row, episode, scored, reward, rollout)
        return AgentLoopOutput(
            prompt_ids=rollout.prompt_ids,
            response_ids=rollout.response_ids,
            response_mask=rollout.mask,
            response_logprobs=rollout.logprobs,
            reward_score=reward.total,
            num_turns=sum(span.source in ("model", "tool") for span in episode.transcript.spans),
            metrics=AgentLoopMetrics(
                generate_sequences=covered_seconds(generating), tool_calls=covered_seconds(acting)
            ),
            extra_fields={
                # veRL's own metrics need these.
                **({"min_global_steps": min(versions), "max_global_steps": max(versions)} if versions else {}),
                "turn_scores": [],
                "tool_rewards": [],
                "reward_extra_info": rollout_figures(episode, scored, reward),
                "generating": generating,
                "acting": acting,
                "activity": ACTIVITY.reading(),
            },
        )

    async def _act(self, env: SolverEnv) -> None:
        """Run `env.act` in a thread, and retry it if the sandbox failed."""
        loop = asyncio.get_running_loop()
        before = env.snapshot()
        for pause in (*SANDBOX_RETRY_PAUSES, None):
            result = await loop.run_in_executor(threads(self.settings["workers"]), env.act)
            if result.stop != "infrastructure":
                return
            record_failure(self.settings, result.observation)
            if pause is None:
                raise SandboxUnavailableError(result.observation)
            await asyncio.sleep(pause)
            env.restore(before)

    async def _score(self, episode: Episode) -> tuple[Score, Reward]:
        """Score an episode. With `check_plans` a right answer gets no reward if the plan behind it fails its check.

        Raises RuntimeError if the problem's checker failed: veRL then replaces the rollout's group.
        """
        scored = score(episode, self.settings["rule"])
        if scored.reason == "checker":
            raise RuntimeError(f"problem {episode.problem.id!r}: no reward, since {scored.violations[0]}")
        check = await self._check(episode) if self._checks_plans and scored.reward == 1.0 else None
        if self.settings["check_plans"] and check is not None and check.outcome == "failed":
            scored = replace(scored, reward=0.0, reason="failed_check")
        found = await asyncio.to_thread(findings, episode) if self.rewards.process else []
        return scored, compute_reward(episode, scored, check, found, self.rewards)

    @property
    def _checks_plans(self) -> bool:
        return bool(self.settings["check_plans"]) or self.rewards.plan > 0

    async def _check(self, episode: Episode) -> Check | None:
        """Check the plan behind the answer, and retry it if the sandbox failed."""
        loop, work = asyncio.get_running_loop(), partial(check_answer, episode, self.sandbox)
        for pause in (*SANDBOX_RETRY_PAUSES, None):
            try:
                return await loop.run_in_executor(threads(self.settings["workers"]), work)
            except SandboxUnavailableError as error:
                record_failure(self.settings, str(error))
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last pause is None")

    def _env(self, tokens: int) -> SolverEnv:
        # The protocol is that of the renderer's prompt format.
        return SolverEnv(
            self.sandbox,
            self.renderer,
            max_executions=int(self.settings["max_executions"]),
            max_tokens=max(1, tokens),
            record=self._checks_plans,
        )


def to_rollout(episode: Episode, logprobs: list[float], length: int, *, filler: int) -> Rollout:
    """Convert a finished episode to veRL's format.

    logprobs: those of the transcript's tokens; it may be shorter than the transcript. length: the response limit, which
    an observation may exceed. filler: a token without loss for an empty response, which veRL does not support.
    """
    transcript = episode.transcript
    ids = transcript.ids
    assert ids is not None, "the renderer has a tokenizer"
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


@cache
def renderer(model: str, out: str) -> CheckpointRenderer:
    """Return the renderer shared by all rollouts of a process, in the prompt format of the run folder `out`."""
    return CheckpointRenderer(Path(model), read_prompt_format(Path(out)))


@cache
def shared_sandbox(options: SandboxOptions, workers: int | None) -> Sandbox:
    """Return the sandbox shared by all rollouts of a process."""
    return options.open_sandbox(workers=workers)


@cache
def threads(workers: int | None) -> ThreadPoolExecutor:
    """Return the thread pool in which environments wait for programs, large enough to keep all workers busy."""
    return ThreadPoolExecutor(4 * (workers or 16), thread_name_prefix="environment")
