"""Measure concurrent requests: plain answers, and answers with programs.

Each function puts one load on one server and returns its figures by name. Requests start evenly over the first second.
The figure `wrong` counts the flawed answers, by kind of flaw.
"""

import asyncio
import http.client
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import uvloop

from benchmarks.serving.client import Exchange, Reply, ask, chat, read, wrong
from benchmarks.serving.script import Script
from benchmarks.serving.servers import Target
from benchmarks.serving.upstream import Played

RAMP = 1.0
"""Seconds over which the requests start."""
WARM = 3
"""Number of sequential warm-up requests before a load."""
T = TypeVar("T")
Figures = dict[str, Any]
"""Numbers by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """The server that receives a load, and the upstream behind it."""

    target: Target
    upstream: Target


def answers(route: Route, script: Script, streams: int) -> Figures:
    """Request `streams` streamed answers and measure latency, throughput, CPU time and memory."""
    scripts = numbered(script, streams)
    warm(route, script)
    used = route.target.cpu_seconds()
    exchanges = uvloop.run(_ask_all(route, scripts))
    used = route.target.cpu_seconds() - used
    firsts = [1000 * (exchange.first - exchange.began) for exchange in exchanges if exchange.first is not None]
    if not firsts:
        raise SystemExit(f"{route.target.name} sent no token: {exchanges[0].data[:500]!r}")
    tokens = sum(exchange.fillers for exchange in exchanges)
    took = max(_end(exchange) for exchange in exchanges) - min(exchange.began for exchange in exchanges)
    return {
        "first_ms": percentile(firsts, 0.5),
        "first_p95_ms": percentile(firsts, 0.95),
        "tokens_per_second": tokens / took,
        "processor_seconds_per_1000": 1000 * used / tokens,
        "highest_mb": route.target.highest_mb(),
        "family_mb": route.target.family_mb(),
        "wrong": count_flaws(route, scripts, [read(exchange.data) for exchange in exchanges]),
    }


def programs(route: Route, script: Script, streams: int) -> Figures:
    """Request `streams` streamed answers with a program; compare with the sum of upstream and program time."""
    scripts = numbered(replace(script, mode="script"), streams)
    warm(route, replace(script, mode="script"))
    clear(route.upstream)
    exchanges = uvloop.run(_ask_all(route, scripts))
    replies = [read(exchange.data) for exchange in exchanges]
    written: defaultdict[str, float] = defaultdict(float)
    for played in log(route.upstream):
        written[played.id] += (played.ended or time.monotonic()) - played.began
    ran = [sum(execution["wall_seconds"] for execution in reply.executions) for reply in replies]
    ideal = [written[script.id] + program for script, program in zip(scripts, ran, strict=True)]
    total = [_end(exchange) - exchange.began for exchange in exchanges]
    added = [1000 * (whole - least) for whole, least in zip(total, ideal, strict=True)]
    return {
        "seconds": percentile(total, 0.5),
        "ideal_seconds": percentile(ideal, 0.5),
        "program_ms": 1000 * percentile(ran, 0.5),
        "added_ms": percentile(added, 0.5),
        "added_p95_ms": percentile(added, 0.95),
        "wrong": count_flaws(route, scripts, replies),
    }


def warm(route: Route, script: Script) -> None:
    """Request a few answers that are not measured."""
    for number in range(WARM):
        short = replace(script, id=f"warm-{number}", tokens=10)
        uvloop.run(ask(route.target.address, chat(short, model=route.target.model)))


def percentile(values: Sequence[float], part: float) -> float:
    """Return a percentile of a non-empty sequence, by the nearest value. part: in [0, 1]; 0.5 is the median."""
    if part == 0.5:
        return statistics.median(values)
    return sorted(values)[round(part * (len(values) - 1))]


def log(upstream: Target) -> list[Played]:
    """Return the requests that the upstream received since its log was cleared."""
    return [Played(**played) for played in _call(upstream, "GET", "/log")]


def clear(upstream: Target) -> None:
    """Clear the upstream's log."""
    _call(upstream, "POST", "/log/clear")


async def spread(jobs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Start the jobs evenly over `RAMP` seconds; return all results."""

    async def delayed(number: int, job: Coroutine[Any, Any, T]) -> T:
        await asyncio.sleep(RAMP * number / len(jobs))
        return await job

    return await asyncio.gather(*(delayed(number, job) for number, job in enumerate(jobs)))


def numbered(script: Script, streams: int) -> list[Script]:
    """Return a copy of the script for each stream, with a unique id."""
    return [replace(script, id=f"r{number}") for number in range(streams)]


def count_flaws(route: Route, scripts: Sequence[Script], replies: Sequence[Reply]) -> dict[str, int]:
    """Return the number of flawed answers, by kind of flaw."""
    found: Counter[str] = Counter()
    for script, reply in zip(scripts, replies, strict=True):
        found.update(wrong(reply, script, agent=route.target.agent))
    return dict(found)


async def _ask_all(route: Route, scripts: Sequence[Script]) -> list[Exchange]:
    return await spread([ask(route.target.address, chat(script, model=route.target.model)) for script in scripts])


def _end(exchange: Exchange) -> float:
    assert exchange.ended is not None, "`ask` waits for the end"
    return exchange.ended


def _call(upstream: Target, method: str, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(upstream.address).netloc, timeout=30)
    try:
        connection.request(method, path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
