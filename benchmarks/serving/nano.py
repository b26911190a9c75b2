"""Chats of the embedded model through the server, beside its engine alone: the same tokens, so the same work.

The engine writes the same tokens for the same prompt and seed whatever runs beside it. So the chats are first worked
through once, noting what the engine is asked; then three ways of writing just that are timed, in turn:

    engine      the segments alone, in threads of one process: no programs, no server
    episodes    the same threads with the environment and the sandbox: no server
    served      chats with `storm serve`, streamed, from a client in another process
"""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import uvloop

from benchmarks.common import at_once
from benchmarks.serving.client import Exchange, Reply, ask, read
from benchmarks.serving.servers import Target, storm
from storm_calm.agents.reasoners import built_in
from storm_calm.agents.reasoners.nano import Nano
from storm_calm.env import Problem, SolverEnv, run_episode
from storm_calm.env.problems.families import generate
from storm_calm.env.reasoner import Generation, Sampling
from storm_calm.sandbox import Sandbox, open_sandbox

REASONER = "nano"
"""The embedded model."""
ROUNDS = 4
"""Chats for each stream, one after another."""
SEED = 7
"""Of the problems, and of each chat."""

Call = dict[str, Any]
"""A request to the engine: the arguments of `Nano.generate`."""


class Noting(Nano):
    """A nano model that notes what it is asked."""

    calls: list[Call]

    def generate(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """As the model does."""
        self.calls.append({"prompt": prompt, "stop": stop, "max_tokens": max_tokens, "sampling": sampling})
        return super().generate(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)


def measure(runs: int, streams: int) -> dict[str, Any]:
    """Tokens a second of each way, medians over the runs, and what does not agree."""
    # As the server sees a question: without the name of its problem, from which seeds follow.
    count = ROUNDS * streams
    problems = [replace(p, id="chat") for p in generate(["all"], split="heldout", seed=SEED, limit=count)]
    speeds: dict[str, list[float]] = {"engine": [], "episodes": [], "served": []}
    faults = []
    reasoner = Nano(built_in(REASONER))
    with open_sandbox() as sandbox:
        jobs, kept = noted(sandbox, problems)
        for _ in range(runs):
            tokens, seconds = engine(reasoner, jobs, streams)
            speeds["engine"].append(tokens / seconds)
            kept_now, seconds = episodes(reasoner, sandbox, problems, streams)
            speeds["episodes"].append(tokens / seconds)
            with storm(REASONER, os.sched_getaffinity(0)) as target:
                replies, seconds = uvloop.run(served(target, problems, streams))
            told = sum((reply.usage or {}).get("completion_tokens", 0) for reply in replies)
            speeds["served"].append(told / seconds)
            broken = sum(not reply.complete or reply.error is not None or reply.status != 200 for reply in replies)
            if broken:
                faults.append(f"{broken} of {count} answers are not complete")
            if kept_now != kept:
                faults.append(f"the episodes kept {kept_now} tokens instead of {kept}")
            if told != tokens:
                faults.append(f"the server told of {told} tokens instead of {tokens}")
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "chats": count,
        "streams": streams,
        "tokens": tokens,
        "programs": sum(len(reply.executions) for reply in replies),
        **{f"{name}_tokens_per_second": speed for name, speed in medians.items()},
        "share_of_engine": medians["served"] / medians["engine"],
        "share_of_episodes": medians["served"] / medians["episodes"],
        "faults": faults,
    }


def noted(sandbox: Sandbox, problems: Sequence[Problem]) -> tuple[list[list[Call]], int]:
    """What the engine is asked for each of the problems, and how many tokens stay in their transcripts."""
    noting = Noting(built_in(REASONER))
    jobs = []
    kept = 0
    for problem in problems:
        noting.calls = []
        kept += run_episode(SolverEnv(sandbox, noting), noting, problem, seed=SEED).usage.model_tokens
        jobs.append(noting.calls)
    noting.close()
    return jobs, kept


def engine(reasoner: Nano, jobs: Sequence[Sequence[Call]], streams: int) -> tuple[int, float]:
    """Tokens that are written, and seconds: the segments alone."""

    def write(calls: Sequence[Call]) -> int:
        return sum(len(reasoner.generate(**call).ids or ()) for call in calls)

    reasoner.close()  # Nothing is known from the run before.
    counts, seconds = at_once(write, jobs, streams)
    return sum(counts), seconds


def episodes(reasoner: Nano, sandbox: Sandbox, problems: Sequence[Problem], streams: int) -> tuple[int, float]:
    """Tokens that stay in the transcripts, and seconds: the segments with their programs."""

    def work(problem: Problem) -> int:
        tokens: int = run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=SEED).usage.model_tokens
        return tokens

    reasoner.close()
    counts, seconds = at_once(work, problems, streams)
    return sum(counts), seconds


async def served(target: Target, problems: Sequence[Problem], streams: int) -> tuple[list[Reply], float]:
    """The answers, and seconds: chats with the server, so many at once."""
    turn = asyncio.Semaphore(streams)

    async def one(question: str) -> Exchange:
        message = {"role": "user", "content": question}
        body = {"model": target.model, "messages": [message], "seed": SEED, "stream": True}
        async with turn:
            return await ask(target.address, {**body, "stream_options": {"include_usage": True}})

    await one("How are you?")  # The first one takes longer.
    begin = time.perf_counter()
    exchanges = await asyncio.gather(*(one(problem.question) for problem in problems))
    seconds = time.perf_counter() - begin
    return [read(exchange.data) for exchange in exchanges], seconds


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as a table."""
    what = "{chats} chats, {streams} at once: {tokens} tokens, {programs} programs"
    yield what.format(**figures)
    yield f"{'':12} {'tokens/s':>9} {'share of the engine':>20}"
    for name in ("engine", "episodes", "served"):
        speed = figures[f"{name}_tokens_per_second"]
        yield f"{name:12} {speed:9,.0f} {speed / figures['engine_tokens_per_second']:20.2f}"
