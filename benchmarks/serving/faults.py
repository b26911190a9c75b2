"""Check what a client receives if the upstream fails: before its first token, mid-stream, or by stalling.

faults(Route(target=target, upstream=upstream), Script())    # {"429": "429 after 3.1 s", ...}
"""

from dataclasses import replace

import uvloop

from benchmarks.serving.client import Exchange, ask, chat, read, wrong
from benchmarks.serving.loads import Route, clear, log
from benchmarks.serving.script import Mode, Script

SILENCE = 12.0
"""Seconds that the upstream stalls: long enough for keep-alive comments, which prevent timeouts of proxies."""
MODES: tuple[Mode, ...] = ("429", "500", "half", "silence")
"""The failures that are tested."""


def faults(route: Route, script: Script) -> dict[str, str]:
    """Send one streamed request for each failure; return a description of each outcome."""
    outcomes: dict[str, str] = {}
    for mode in MODES:
        failing = replace(script, id=f"fault-{mode[:3]}", mode=mode, silence=SILENCE)
        clear(route.upstream)
        exchange = uvloop.run(ask(route.target.address, chat(failing, model=route.target.model)))
        requests = len(log(route.upstream))
        outcomes[mode] = outcome(exchange, failing, agent=route.target.agent)
        if requests > 1:
            outcomes[mode] += f", {requests} upstream requests"
    return outcomes


def outcome(exchange: Exchange, script: Script, *, agent: bool) -> str:
    """Describe what a client received, and after how many seconds."""
    assert exchange.ended is not None, "`ask` waits for the end"
    seconds = f"{exchange.ended - exchange.began:.1f} s"
    reply = read(exchange.data)
    if reply.status != 200:
        return f"{reply.status or 'nothing'} after {seconds}"
    if reply.error is not None:
        return f"an error in the stream after {seconds}"
    if not list(wrong(reply, script, agent=agent)):
        keep_alive = f", {reply.comments} keep-alive comments" if reply.comments else ""
        return f"complete after {seconds}{keep_alive}"
    return f"{'200 and [DONE], as if complete,' if reply.complete else 'broken off'} after {seconds}"
