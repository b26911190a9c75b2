"""Measure disconnects of clients: how soon the upstream request ends, and what keeps running.

    figures = leaving(route, Script(mode="script"), 50, stream=False, seed=0)

A third of the clients disconnect at random times within the first 60 % (`LATEST`) of an answer. The upstream's log
shows if a request was open then, and when it ended. A program that sleeps sets its process name. `AFTER` seconds after
the disconnect, the benchmark looks for that process. Answers take long enough that work that was not cancelled is
still running then.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import uvloop

from benchmarks.serving.client import Exchange, ask, chat, read
from benchmarks.serving.loads import Figures, Route, clear, count_flaws, log, numbered, spread, warm
from benchmarks.serving.script import OUTPUT, Script
from benchmarks.serving.upstream import Played

LONG = 6.0
"""Minimum seconds of an answer without a program."""
SLEEP = 8.0
"""Seconds that a program sleeps."""
LATEST = 0.6
"""Share of an answer's duration after which no client disconnects."""
AFTER = 2.0
"""Seconds from a disconnect to the check for requests and programs that still run."""


def leaving(route: Route, script: Script, streams: int, *, stream: bool, seed: int) -> Figures:
    """Request `streams` answers, and disconnect a third of the clients. stream: whether answers are streamed."""
    warm(route, script)
    if script.mode == "script":
        script = replace(script, sleep=SLEEP)
        seconds = script.seconds(script.prompt) + SLEEP + script.seconds(script.prompt + OUTPUT)
    else:
        script = replace(script, tokens=max(script.tokens, round(LONG * script.rate)))
        seconds = script.seconds(script.prompt)
    chance = random.Random(seed)
    scripts = numbered(script, streams)
    leavers = chance.sample(scripts, max(1, streams // 3))
    stays = {leaver.id: chance.uniform(0.05, LATEST) * seconds for leaver in leavers}
    clear(route.upstream)
    exchanges, running = uvloop.run(_crowd(route, scripts, stays, stream=stream))
    played = log(route.upstream)
    stayed = [(one, exchange) for one, exchange in zip(scripts, exchanges, strict=True) if one.id not in stays]
    total: Figures = {
        "left": 0,
        "left_writing": 0,
        "left_running": 0,
        "ended_by_leaving": 0,
        "lag_ms": [],
        "requests_after": 0,
        "programs_after": len(running),
        "wrong": count_flaws(route, [one for one, _ in stayed], [read(exchange.data) for _, exchange in stayed]),
    }
    for one, exchange in zip(scripts, exchanges, strict=True):
        if one.id in stays and exchange.left is not None:
            requests = [request for request in played if request.id == one.id]
            for name, figure in effects(one, requests, left=exchange.left).items():
                total[name] += figure
    return total


def effects(script: Script, requests: Sequence[Played], *, left: float) -> Figures:
    """Return the effects of one disconnect on the client's upstream requests: counts, and delays in milliseconds.

    left: the time of the disconnect.
    """
    finished = [request for request in requests if request.ended is not None and request.ended <= left]
    later = [request for request in requests if request not in finished]
    writing = [request for request in later if request.began <= left]
    ended = [request.ended for request in writing if request.end == "left" and request.ended is not None]
    return {
        "left": 1,
        "left_writing": len(writing),
        # The program is about to start, running, or has just ended.
        "left_running": int(script.mode == "script" and not writing and [one.segment for one in finished] == [1]),
        "ended_by_leaving": len(ended),
        "lag_ms": [1000 * (end - left) for end in ended],
        "requests_after": sum(request.ended is None or request.ended > left + AFTER for request in later),
    }


async def _crowd(
    route: Route, scripts: Sequence[Script], stays: dict[str, float], *, stream: bool
) -> tuple[list[Exchange], list[str]]:
    """Return all exchanges, and the ids of those whose program still ran `AFTER` seconds after a disconnect."""
    running = []

    async def one(script: Script) -> Exchange:
        body = chat(script, model=route.target.model, stream=stream)
        exchange = await ask(route.target.address, body, stay=stays.get(script.id))
        if exchange.left is not None:
            await asyncio.sleep(exchange.left + AFTER - time.monotonic())
            if script.process in route.target.names():
                running.append(script.id)
        return exchange

    return await spread([one(script) for script in scripts]), running
