"""The solve loop: the model writes a segment, the environment acts on it, until the run has stopped.

    episode = run_episode(env, reasoner, problem, seed=1)

Curation, evaluation, serving and training share it. The graphs in `agents` run the same two steps as nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import perf_counter
from typing import TypedDict

from storm_calm.env.episode import Episode
from storm_calm.env.problem import Problem
from storm_calm.env.reasoner import Generation, Reasoner, Sampling
from storm_calm.env.solver_env import SolverEnv


class SegmentRequest(TypedDict):
    """The arguments of `Reasoner.generate` and of its kin for the next segment of a run."""

    prompt: str | tuple[int, ...]
    stop: tuple[str, ...]
    max_tokens: int
    sampling: Sampling


def run_episode(
    env: SolverEnv, reasoner: Reasoner, problem: Problem, *, seed: int = 0, sampling: Sampling | None = None
) -> Episode:
    """Let `reasoner` work on `problem` until it stops.

    sampling: instead of the reasoner's own; its seed is replaced by that of each segment, see `segment_seed`.
    Raises ReasonerError if the reasoner fails.
    """
    env.reset(problem)
    while env.episode.stop is None:
        write_segment(env, reasoner.generate, seed=seed, sampling=sampling or reasoner.sampling)
        env.act()
    return env.episode


async def solve_async(
    env: SolverEnv,
    write: Callable[[SegmentRequest], Awaitable[Generation]],
    act: Callable[[], Awaitable[object]],
    *,
    seed: int | str,
    sampling: Sampling,
) -> Episode:
    """Continue the run in `env` until it stops, on an event loop.

    write: awaits the model. act: has `env.act` called, which waits for a program, off the event loop.
    """
    while env.episode.stop is None:
        started = perf_counter()
        generation = await write(next_segment(env, seed=seed, sampling=sampling))
        env.write(generation, seconds=perf_counter() - started)
        await act()
    return env.episode


def write_segment(env: SolverEnv, generate: Callable[..., Generation], *, seed: int | str, sampling: Sampling) -> None:
    """Have `generate` write the next segment, and append it to the run."""
    started = perf_counter()
    generation = generate(**next_segment(env, seed=seed, sampling=sampling))
    env.write(generation, seconds=perf_counter() - started)


def next_segment(env: SolverEnv, *, seed: int | str, sampling: Sampling) -> SegmentRequest:
    """Return what to ask of the model next. sampling: its seed is replaced by that of the segment."""
    transcript = env.episode.transcript
    return {
        "prompt": transcript.text if transcript.ids is None else transcript.ids,
        "stop": env.protocol.stop,
        "max_tokens": env.remaining,
        "sampling": replace(sampling, seed=segment_seed(seed, env.episode)),
    }


def segment_seed(seed: int | str, episode: Episode) -> int:
    """Return the seed for the next segment of `episode`, in [0, 2**31): the same run again draws the same tokens.

    It depends on the problem's id and on how many segments and interventions there were, and not on the machine or on
    the order in which problems are taken.
    """
    segments = sum(span.source == "model" for span in episode.transcript.spans)
    key = f"{seed}|{episode.problem.id}|{segments}|{len(episode.interventions)}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") >> 1
