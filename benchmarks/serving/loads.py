"""Many requests at once: whole answers, and answers with programs.

Each function makes one load on one server and gives its figures, all by name, so that they can be compared and written
as JSON. Requests begin evenly over the first second. `wrong` says how many answers were not as they should be, and in
what.
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
"""Seconds over which requests begin."""
WARM = 3
"""Requests before a load, one after another."""
T = TypeVar("T")
Figures = dict[str, Any]
"""Numbers by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a load goes."""

    target: Target
    """The server that is asked."""
    upstream: Target
    """The upstream behind it."""


def answers(place: Place, script: Script, streams: int) -> Figures:
    """So many streamed answers, every one to its end."""
    scripts = numbered(script, streams)
    warm(place, script)
    used = place.target.processor_seconds()
    exchanges = uvloop.run(_crowd(place, scripts))
    used = place.target.processor_seconds() - used
    firsts = [1000 * (exchange.first - exchange.began) for exchange in exchanges if exchange.first is not None]
    if not firsts:
        raise SystemExit(f"{place.target.name} gives no answer: {exchanges[0].data[:500]!r}")
    tokens = sum(exchange.fillers for exchange in exchanges)
    took = max(_end(exchange) for exchange in exchanges) - min(exchange.began for exchange in exchanges)
    return {
        "first_ms": percentile(firsts, 0.5),
        "first_p95_ms": percentile(firsts, 0.95),
        "tokens_per_second": tokens / took,
        "processor_seconds_per_1000": 1000 * used / tokens,
        "highest_mb": place.target.highest_mb(),
        "family_mb": place.target.family_mb(),
        "wrong": mistakes(place, scripts, [read(exchange.data) for exchange in exchanges]),
    }


def programs(place: Place, script: Script, streams: int) -> Figures:
    """So many streamed answers with a program in the middle, against the upstream's time and the program's own."""
    scripts = numbered(replace(script, mode="script"), streams)
    warm(place, replace(script, mode="script"))
    clear(place.upstream)
    exchanges = uvloop.run(_crowd(place, scripts))
    replies = [read(exchange.data) for exchange in exchanges]
    written: defaultdict[str, float] = defaultdict(float)
    for played in log(place.upstream):
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
        "wrong": mistakes(place, scripts, replies),
    }


def warm(place: Place, script: Script) -> None:
    """A few answers that are not measured."""
    for number in range(WARM):
        short = replace(script, id=f"warm-{number}", tokens=10)
        uvloop.run(ask(place.target.address, chat(short, model=place.target.model)))


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which this part of them lies, the nearest one; there must be some."""
    if part == 0.5:
        return statistics.median(values)
    return sorted(values)[round(part * (len(values) - 1))]


def log(upstream: Target) -> list[Played]:
    """What the upstream was asked since its log was cleared."""
    return [Played(**played) for played in _call(upstream, "GET", "/log")]


def clear(upstream: Target) -> None:
    """Forget what the upstream was asked."""
    _call(upstream, "POST", "/log/clear")


async def spread(jobs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all of them, begun evenly over the first second."""

    async def begun(number: int, job: Coroutine[Any, Any, T]) -> T:
        await asyncio.sleep(RAMP * number / len(jobs))
        return await job

    return await asyncio.gather(*(begun(number, job) for number, job in enumerate(jobs)))


def numbered(script: Script, streams: int) -> list[Script]:
    """The script once for each stream, with an id of its own."""
    return [replace(script, id=f"r{number}") for number in range(streams)]


def mistakes(place: Place, scripts: Sequence[Script], replies: Sequence[Reply]) -> dict[str, int]:
    """How many answers were not as they should be, by what was wrong."""
    found: Counter[str] = Counter()
    for script, reply in zip(scripts, replies, strict=True):
        found.update(wrong(reply, script, agent=place.target.agent))
    return dict(found)


async def _crowd(place: Place, scripts: Sequence[Script]) -> list[Exchange]:
    return await spread([ask(place.target.address, chat(script, model=place.target.model)) for script in scripts])


def _end(exchange: Exchange) -> float:
    assert exchange.ended is not None, "every exchange was waited for"
    return exchange.ended


def _call(upstream: Target, method: str, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(upstream.address).netloc, timeout=30)
    try:
        connection.request(method, path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
