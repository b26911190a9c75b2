"""What a client that streams notices of others that send too much, too slowly, or without end.

    python -m benchmarks.serving.hostile
    python -m benchmarks.serving.hostile --requests 1000 --json

As in `benchmarks.serving`, a scripted upstream streams tokens at an exact rate, and `storm serve` has a processor to
itself. One client streams an answer: alone, and beside

    4 MB requests           one after another, for as long as the answer streams
    200 slow connections    a byte of a head each half second
    1,000 long histories    32 at once, each just short enough not to be turned away unread

late ms     how late a token is at most, by the upstream's rate, from the first one on
health ms   how long /health takes at most, asked every 20 ms on a connection of its own

Then so many small requests, 32 at once: the server's memory after the first tenth and at the end.
"""

import argparse
import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.common import described, machine
from benchmarks.serving import servers
from benchmarks.serving.client import ask, chat
from benchmarks.serving.script import Script
from benchmarks.serving.servers import Target

AT_ONCE = 32
SLOW = 200
HISTORIES = 1000
LARGE = 3_900_000  # characters; the server takes bodies of 4 MB
FITTING = 240_000  # characters of a history: the server takes 16 for each of 16,384 tokens

Load = Callable[[Target], Awaitable[None]]


async def large(target: Target) -> None:
    """Send requests of 4 MB for ever."""
    body = _body("word " * (LARGE // 5))
    async with httpx.AsyncClient(timeout=120) as client:
        while True:
            await client.post(f"{target.address}/chat/completions", content=body, headers=_JSON)


async def slow(target: Target) -> None:
    """Keep connections open that send a byte now and then; those that are closed are opened again."""
    parts = urlsplit(target.address)

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
                for byte in b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n" + b"x" * 1000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.5)

    await asyncio.gather(*(one() for _ in range(SLOW)))


async def histories(target: Target) -> None:
    """Send long conversations, so many at once."""
    turns = [
        {"role": ("user", "assistant")[number % 2], "content": "word " * (FITTING // 999 // 5)} for number in range(999)
    ]
    body = json.dumps({"model": target.model, "messages": turns, "max_tokens": 5}).encode()
    left = iter(range(HISTORIES))

    async def some(client: httpx.AsyncClient) -> None:
        for _ in left:
            await client.post(f"{target.address}/chat/completions", content=body, headers=_JSON)

    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=AT_ONCE)) as client:
        await asyncio.gather(*(some(client) for _ in range(AT_ONCE)))


LOADS: dict[str, Load | None] = {
    "alone": None,
    "4 MB requests": large,
    f"{SLOW} slow connections": slow,
    f"{HISTORIES:,} long histories": histories,
}
"""What else happens while an answer streams."""
_JSON = {"content-type": "application/json"}


def _body(text: str) -> bytes:
    return json.dumps({"model": "storm", "messages": [{"role": "user", "content": text}]}).encode()


@contextlib.asynccontextmanager
async def watching(target: Target) -> AsyncIterator[list[float]]:
    """Seconds that each look at /health took, for the time of the `with`."""
    waits: list[float] = []
    address = target.address.removesuffix("/v1") + "/health"

    async def look() -> None:
        async with httpx.AsyncClient(timeout=120) as client:
            await client.get(address)
            while True:
                began = time.monotonic()
                await client.get(address)
                waits.append(time.monotonic() - began)
                await asyncio.sleep(0.02)

    task = asyncio.create_task(look())
    try:
        yield waits
    finally:
        task.cancel()


async def beside(target: Target, load: Load | None, script: Script) -> dict[str, float]:
    """Stream one answer beside a load; milliseconds."""
    task = asyncio.ensure_future(load(target)) if load else None
    await asyncio.sleep(1.0)
    async with watching(target) as waits:
        exchange = await ask(target.address, chat(script, model=target.model))
    if task is not None:
        if task.done():
            await task
        task.cancel()
    if len(exchange.arrivals) < script.fillers:
        raise SystemExit(f"the answer broke off after {len(exchange.arrivals)} tokens: {exchange.data[-500:]!r}")
    first = exchange.arrivals[0]
    late = max(arrival - first - number / script.rate for number, arrival in enumerate(exchange.arrivals))
    return {"late_ms": 1000 * late, "health_ms": 1000 * max(waits)}


async def many(target: Target, requests: int) -> list[float]:
    """The server's memory in MB after each tenth of so many small requests."""
    held: list[float] = []
    script = Script(tokens=4, rate=10_000, first=0.0)
    body = json.dumps(chat(script, model=target.model, stream=False)).encode()
    async with httpx.AsyncClient(timeout=120) as client:
        for _ in range(10):
            left = iter(range(requests // 10))

            async def some(left: Any = left) -> None:
                for _ in left:
                    response = await client.post(f"{target.address}/chat/completions", content=body, headers=_JSON)
                    response.raise_for_status()

            await asyncio.gather(*(some() for _ in range(AT_ONCE)))
            held.append(target.family_mb())
    return held


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.hostile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--requests", type=int, default=10_000, help="small requests (default: 10000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    settings = parser.parse_args()
    if settings.requests < 10:
        parser.error("--requests needs a number of at least 10")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two processors are needed, one of them for the server alone; there is one here")
    script = Script(tokens=1000, rate=100.0)
    with servers.pinned(cores[0]), servers.upstream(cores[0]) as upstream:
        with servers.storm(upstream.address, {cores[1]}) as target:
            figures = {name: asyncio.run(beside(target, load, script)) for name, load in LOADS.items()}
        with servers.storm(upstream.address, {cores[1]}) as target:
            held = asyncio.run(many(target, settings.requests))
    facts = machine()
    if settings.json:
        print(json.dumps({"machine": facts, "beside": figures, "memory_mb": held}, indent=2))
        return
    print(described(facts))
    for name, row in figures.items():
        print(f"{name:24} late {row['late_ms']:7.1f} ms, health {row['health_ms']:7.1f} ms")
    tenth = settings.requests // 10
    print(f"memory of all its processes: {held[0]:.0f} MB after {tenth} requests, {held[-1]:.0f} MB after all")


if __name__ == "__main__":
    main()
