"""Compare the throughput of chats with the embedded model through `storm serve` with that of its engine alone.

For a given prompt and seed the engine always generates the same tokens. So the chats are first solved once, to record
the calls of the engine. Then the same work is timed in three ways, alternately:

    engine      only the recorded calls, in threads of this process: no programs, no server
    episodes    the same threads with the environment and the sandbox: no server
    served      streamed chats with `storm serve` in another process
"""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import uvloop

from benchmarks.common import run_concurrently
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
"""Sequential chats per stream."""
SEED = 7
"""Seed of the problems and of each chat."""

Call = dict[str, Any]
"""The arguments of a call of `Nano.generate`."""


class RecordingNano(Nano):
    """A nano model that records the calls of `generate`."""

    calls: list[Call]

    def generate(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Generation:
        self.calls.append({"prompt": prompt, "stop": stop, "max_tokens": max_tokens, "sampling": sampling})
        return super().generate(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)


def measure(runs: int, streams: int) -> dict[str, Any]:
    """Return median tokens per second of each way, and a list of inconsistencies.

    runs: number of repeats. streams: concurrent chats.
    """
    # The server does not know the ids of problems, from which seeds are derived. So all get the id that it uses.
    count = ROUNDS * streams
    problems = [replace(p, id="chat") for p in generate(["all"], split="heldout", seed=SEED, limit=count)]
    speeds: dict[str, list[float]] = {"engine": [], "episodes": [], "served": []}
    faults = []
    reasoner = Nano(built_in(REASONER))
    with open_sandbox() as sandbox:
        jobs, kept = record_calls(sandbox, problems)
        for _ in range(runs):
            tokens, seconds = engine(reasoner, jobs, streams)
            speeds["engine"].append(tokens / seconds)
            kept_now, seconds = episodes(reasoner, sandbox, problems, streams)
            speeds["episodes"].append(tokens / seconds)
            with storm(REASONER, os.sched_getaffinity(0)) as target:
                replies, seconds = uvloop.run(served(target, problems, streams))
            reported = sum((reply.usage or {}).get("completion_tokens", 0) for reply in replies)
            speeds["served"].append(reported / seconds)
            broken = sum(not reply.complete or reply.error is not None or reply.status != 200 for reply in replies)
            if broken:
                faults.append(f"{broken} of {count} answers are incomplete")
            if kept_now != kept:
                faults.append(f"the transcripts have {kept_now} tokens, expected {kept}")
            if reported != tokens:
                faults.append(f"the server reported {reported} tokens, expected {tokens}")
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


def record_calls(sandbox: Sandbox, problems: Sequence[Problem]) -> tuple[list[list[Call]], int]:
    """Return the calls of the engine for each problem, and the number of model tokens in all transcripts."""
    recording = RecordingNano(built_in(REASONER))
    jobs = []
    kept = 0
    for problem in problems:
        recording.calls = []
        kept += run_episode(SolverEnv(sandbox, recording), recording, problem, seed=SEED).usage.model_tokens
        jobs.append(recording.calls)
    recording.close()
    return jobs, kept


def engine(reasoner: Nano, jobs: Sequence[Sequence[Call]], streams: int) -> tuple[int, float]:
    """Make the recorded calls, `streams` jobs at a time; return the tokens generated and the seconds."""

    def write(calls: Sequence[Call]) -> int:
        return sum(len(reasoner.generate(**call).ids or ()) for call in calls)

    reasoner.close()  # Clear the KV caches of the previous run.
    counts, seconds = run_concurrently(write, jobs, streams)
    return sum(counts), seconds


def episodes(reasoner: Nano, sandbox: Sandbox, problems: Sequence[Problem], streams: int) -> tuple[int, float]:
    """Run the episodes with their programs; return the model tokens in the transcripts and the seconds."""

    def work(problem: Problem) -> int:
        tokens: int = run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=SEED).usage.model_tokens
        return tokens

    reasoner.close()
    counts, seconds = run_concurrently(work, problems, streams)
    return sum(counts), seconds


async def served(target: Target, problems: Sequence[Problem], streams: int) -> tuple[list[Reply], float]:
    """Chat with the server, `streams` chats at a time; return the replies and the seconds."""
    slots = asyncio.Semaphore(streams)

    async def one(question: str) -> Exchange:
        message = {"role": "user", "content": question}
        body = {"model": target.model, "messages": [message], "seed": SEED, "stream": True}
        async with slots:
            return await ask(target.address, {**body, "stream_options": {"include_usage": True}})

    await one("How are you?")  # Warm-up: the first request takes longer.
    begin = time.perf_counter()
    exchanges = await asyncio.gather(*(one(problem.question) for problem in problems))
    seconds = time.perf_counter() - begin
    return [read(exchange.data) for exchange in exchanges], seconds


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield "{chats} chats, {streams} concurrent: {tokens} tokens, {programs} programs".format(**figures)
    yield f"{'':12} {'tokens/s':>9} {'share of the engine':>20}"
    for name in ("engine", "episodes", "served"):
        speed = figures[f"{name}_tokens_per_second"]
        yield f"{name:12} {speed:9,.0f} {speed / figures['engine_tokens_per_second']:20.2f}"
