"""STORM on an event loop: the machine of `agents.graphs.storm` with nodes that wait, for servers with many runs.

    token = RUN.set(Live(reasoner=reasoner, env=env, ...))
    state = await machine.ainvoke({"problem": problem.to_dict(), "seed": 1})

A run's parts are found in a context variable, so that one compiled graph serves all of them. Text goes from the
reasoner straight to `Live.told`: LangGraph sees a segment when it is finished, and no token of it before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

from storm_calm.agents.graphs import storm
from storm_calm.agents.graphs.state import Question, State, asked
from storm_calm.agents.reasoners.async_reasoners import AsyncReasoner, Told, Written
from storm_calm.env import Message, Sampling, SolverEnv, StepResult, segment_seed


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """The parts of one run."""

    reasoner: AsyncReasoner
    """Who writes."""
    env: SolverEnv
    """Where it happens; of this run alone."""
    sampling: Sampling
    """How tokens are drawn, but for the seed."""
    before: tuple[Message, ...]
    """Earlier turns of the conversation."""
    max_new_tokens: int | None
    """Tokens that may follow the prompt; None for as many as there is room for."""
    threads: Executor
    """Where programs are waited for."""
    preparing: Executor
    """Where prompts are rendered and encoded: a long one takes too long for an event loop."""
    told: Told
    """Gets the model's text as it is written."""
    wrote: Callable[[Written], None]
    """Gets each finished segment."""
    acted: Callable[[StepResult], None]
    """Gets what came of it."""


RUN: ContextVar[Live] = ContextVar("run")
"""The run that a task works on."""


async def start(state: Question) -> dict[str, Any]:
    """Begin the run."""
    live = RUN.get()
    env = live.env
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(live.preparing, partial(env.reset, asked(state), before=live.before))
    if live.max_new_tokens is not None:
        env.max_tokens = min(env.max_tokens, env.episode.transcript.count() + live.max_new_tokens)
    return {"episode": env.episode.to_dict(), "answer": None}


async def reason(state: State) -> dict[str, Any]:
    """Let the reasoner write one segment."""
    live = RUN.get()
    env = live.env
    transcript = env.episode.transcript
    started = perf_counter()
    written = await live.reasoner.write(
        transcript.text if transcript.ids is None else transcript.ids,
        stop=env.protocol.stop,
        max_tokens=env.remaining,
        sampling=replace(live.sampling, seed=segment_seed(state.get("seed", 0), env.episode)),
        told=live.told,
    )
    env.write(written.generation, seconds=perf_counter() - started)
    live.wrote(written)
    return {"episode": env.episode.to_dict()}


async def execute(state: State) -> dict[str, Any]:
    """Do what the segment asks for; a program is waited for in a thread."""
    live = RUN.get()
    live.acted(await asyncio.get_running_loop().run_in_executor(live.threads, live.env.act))
    return {"episode": live.env.episode.to_dict()}


machine = storm.wire(start=start, reason=reason, execute=execute)
"""The machine; it runs within a context in which `RUN` is set."""
