"""Clients that leave: how soon the upstream hears of it, and what runs on all the same.

    figures = leaving(place, Script(mode="script"), 50, stream=False, seed=0)

A third of the clients hang up at random moments of the first `LATEST` of an answer. The upstream's log then says
whether a request of theirs was open, and when it ended. A program that sleeps has given its process a name, which is
looked for `AFTER` seconds later. Answers last so long that whatever is not ended by then is still there.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import uvloop

from benchmarks.serving.client import Exchange, ask, chat, read
from benchmarks.serving.loads import Figures, Place, clear, log, mistakes, numbered, spread, warm
from benchmarks.serving.script import OUTPUT, Script
from benchmarks.serving.upstream import Played

LONG = 6.0
"""Seconds of an answer without a program."""
SLEEP = 8.0
"""Seconds that a program sleeps."""
LATEST = 0.6
"""The part of an answer's time after which no client leaves."""
AFTER = 2.0
"""Seconds after a client left when it is looked at what still runs."""


def leaving(place: Place, script: Script, streams: int, *, stream: bool, seed: int) -> Figures:
    """So many answers, a third of whose clients leave. stream: whether answers are streamed."""
    warm(place, script)
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
    clear(place.upstream)
    exchanges, running = uvloop.run(_crowd(place, scripts, stays, stream=stream))
    played = log(place.upstream)
    stayed = [(one, exchange) for one, exchange in zip(scripts, exchanges, strict=True) if one.id not in stays]
    total: Figures = {
        "left": 0,
        "left_writing": 0,
        "left_running": 0,
        "ended_by_leaving": 0,
        "lag_ms": [],
        "requests_after": 0,
        "programs_after": len(running),
        "wrong": mistakes(place, [one for one, _ in stayed], [read(exchange.data) for _, exchange in stayed]),
    }
    for one, exchange in zip(scripts, exchanges, strict=True):
        if one.id in stays and exchange.left is not None:
            requests = [request for request in played if request.id == one.id]
            for name, figure in became(one, requests, left=exchange.left).items():
                total[name] += figure
    return total


def became(script: Script, requests: Sequence[Played], *, left: float) -> Figures:
    """What became of the upstream requests of one client that left then: counts, and lags in milliseconds."""
    over = [request for request in requests if request.ended is not None and request.ended <= left]
    later = [request for request in requests if request not in over]
    writing = [request for request in later if request.began <= left]
    ended = [request.ended for request in writing if request.end == "left" and request.ended is not None]
    return {
        "left": 1,
        "left_writing": len(writing),
        # Its program is about to run, runs, or has just run.
        "left_running": int(script.mode == "script" and not writing and [one.segment for one in over] == [1]),
        "ended_by_leaving": len(ended),
        "lag_ms": [1000 * (end - left) for end in ended],
        "requests_after": sum(request.ended is None or request.ended > left + AFTER for request in later),
    }


async def _crowd(
    place: Place, scripts: Sequence[Script], stays: dict[str, float], *, stream: bool
) -> tuple[list[Exchange], list[str]]:
    """All exchanges, and the ids of those whose client left and whose program was still there later."""
    running = []

    async def one(script: Script) -> Exchange:
        body = chat(script, model=place.target.model, stream=stream)
        exchange = await ask(place.target.address, body, stay=stays.get(script.id))
        if exchange.left is not None:
            await asyncio.sleep(exchange.left + AFTER - time.monotonic())
            if script.process in place.target.names():
                running.append(script.id)
        return exchange

    return await spread([one(script) for script in scripts]), running
