"""What a client is told when the upstream fails: before its first token, in the middle, or by saying nothing.

faults(Place(target=target, upstream=upstream), Script())    # {"429": "429 after 3.1 s", ...}
"""

from dataclasses import replace

import uvloop

from benchmarks.serving.client import Exchange, ask, chat, read, wrong
from benchmarks.serving.loads import Place, clear, log
from benchmarks.serving.script import Mode, Script

SILENCE = 12.0
"""Seconds; intermediaries often give up after less than a minute, and servers say that they live before."""
MODES: tuple[Mode, ...] = ("429", "500", "half", "silence")
"""What can go wrong."""


def faults(place: Place, script: Script) -> dict[str, str]:
    """One streamed request for each; what came of it, in words."""
    told: dict[str, str] = {}
    for mode in MODES:
        failing = replace(script, id=f"fault-{mode[:3]}", mode=mode, silence=SILENCE)
        clear(place.upstream)
        exchange = uvloop.run(ask(place.target.address, chat(failing, model=place.target.model)))
        requests = len(log(place.upstream))
        told[mode] = outcome(exchange, failing, agent=place.target.agent)
        if requests > 1:
            told[mode] += f", asked {requests} times"
    return told


def outcome(exchange: Exchange, script: Script, *, agent: bool) -> str:
    """What a client was told, and after how long."""
    assert exchange.ended is not None, "it was waited for"
    seconds = f"{exchange.ended - exchange.began:.1f} s"
    reply = read(exchange.data)
    if reply.status != 200:
        return f"{reply.status or 'nothing'} after {seconds}"
    if reply.error is not None:
        return f"an error in the stream after {seconds}"
    if not list(wrong(reply, script, agent=agent)):
        alive = f", {reply.comments} times told that it lives" if reply.comments else ""
        return f"complete after {seconds}{alive}"
    return f"{'200 and [DONE], as if complete,' if reply.complete else 'broken off'} after {seconds}"
