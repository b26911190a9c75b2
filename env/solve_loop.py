"""The solve loop: the model writes a segment and the environment acts on it, until the episode ends.

    episode = run_episode(env, reasoner, problem, seed=1)

A prompt that is too long for the server is a result of the problem, with the stop reason "context", not a failure.

Curation, evaluation, serving and training share this loop. The graphs in `agents` run its two steps as nodes.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import perf_counter
from typing import TypedDict

from storm_calm.env.episode import Episode
from storm_calm.env.problem import Problem
from storm_calm.env.reasoner import ContextLengthError, Generation, Reasoner, Sampling
from storm_calm.env.solver_env import SolverEnv


class SegmentRequest(TypedDict):
    """Arguments of `Reasoner.generate` or `Reasoner.stream` for the next segment."""

    prompt: str | tuple[int, ...]
    stop: tuple[str, ...]
    max_tokens: int
    sampling: Sampling


def run_episode(
    env: SolverEnv,
    reasoner: Reasoner,
    problem: Problem,
    *,
    seed: int = 0,
    sampling: Sampling | None = None,
    watch: Callable[[SolverEnv], object] | None = None,
) -> Episode:
    """Run `reasoner` on `problem` until the episode ends.

    sampling: replaces the reasoner's own. Its seed is replaced by each segment's, see `segment_seed`.
    watch: called after each segment, before its program runs, and at the end. It may intervene in `env`, and then
        returns a value other than None: the model continues from there.
    Raises ReasonerError if the reasoner fails.
    """
    env.reset(problem)
    while env.episode.stop is None:
        write_segment(env, reasoner.generate, seed=seed, sampling=sampling or reasoner.sampling)
        if watch is not None and watch(env) is not None:
            continue
        env.act()
        if watch is not None and env.episode.stop is not None:
            watch(env)
    return env.episode


async def solve_async(
    env: SolverEnv,
    write: Callable[[SegmentRequest], Awaitable[Generation]],
    act: Callable[[], Awaitable[object]],
    *,
    seed: int | str,
    sampling: Sampling,
    watch: Callable[[], Awaitable[object]] | None = None,
) -> Episode:
    """Continue the episode in `env` on an event loop until it ends.

    write: runs the model. act: runs `env.act`, which blocks, outside of the event loop. watch: as in `run_episode`.
    """
    while env.episode.stop is None:
        started = perf_counter()
        try:
            generation = await write(next_segment(env, seed=seed, sampling=sampling))
        except ContextLengthError:
            env.overflow(seconds=perf_counter() - started)
        else:
            env.write(generation, seconds=perf_counter() - started)
        if watch is not None and await watch() is not None:
            continue
        await act()
        if watch is not None and env.episode.stop is not None:
            await watch()
    return env.episode


def write_segment(env: SolverEnv, generate: Callable[..., Generation], *, seed: int | str, sampling: Sampling) -> None:
    """Generate the next segment and append it to the episode."""
    started = perf_counter()
    try:
        generation = generate(**next_segment(env, seed=seed, sampling=sampling))
    except ContextLengthError:
        env.overflow(seconds=perf_counter() - started)
    else:
        env.write(generation, seconds=perf_counter() - started)


def next_segment(env: SolverEnv, *, seed: int | str, sampling: Sampling) -> SegmentRequest:
    """Return the arguments for the next segment. sampling: its seed is replaced by the segment's."""
    transcript = env.episode.transcript
    return {
        "prompt": transcript.text if transcript.ids is None else transcript.ids,
        "stop": env.protocol.stop,
        "max_tokens": env.remaining,
        "sampling": replace(sampling, seed=segment_seed(seed, env.episode)),
    }


def segment_seed(seed: int | str, episode: Episode) -> int:
    """Return a reproducible seed for the next segment of `episode`, in [0, 2**31).

    It depends on the problem's id and the numbers of segments and interventions, not on the machine or the order of
    problems.
    """
    segments = sum(span.source == "model" for span in episode.transcript.spans)
    key = f"{seed}|{episode.problem.id}|{segments}|{len(episode.interventions)}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") >> 1
