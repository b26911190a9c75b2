"""One request on a connection of its own: timed as its bytes come, and read when the clock has stopped.

    exchange = await ask("http://127.0.0.1:9100/v1", chat(script, model="scripted"))
    exchange.first - exchange.began        # seconds to the first token
    read(exchange.data).text

While others wait to be measured, nothing is parsed: bytes are kept, and the marks of filler tokens counted in them.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from benchmarks.serving.script import ANSWER, MARK, Script
from benchmarks.serving.wire import post, read_response

LONGEST = 120.0
"""Seconds after which an answer counts as missing."""


class Exchange(asyncio.Protocol):
    """A request and what came back. Times are `time.monotonic`, in seconds."""

    def __init__(self, request: bytes) -> None:
        self.began = time.monotonic()
        """When the connection was asked for."""
        self.first: float | None = None
        """When the first token came; None where none did."""
        self.ended: float | None = None
        """When the connection was closed, by whichever end."""
        self.left: float | None = None
        """When this end hung up before the answer was complete."""
        self.fillers = 0
        """Filler tokens that came."""
        self.arrivals: list[float] = []
        """When each of them came."""
        self.lost = asyncio.get_running_loop().create_future()
        """Done when the connection is closed."""
        self._request = request
        self._mark = MARK.encode()
        self._pieces: list[bytes] = []

    @property
    def data(self) -> bytes:
        """All that came."""
        return b"".join(self._pieces)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._pieces.append(data)
        count = data.count(self._mark)
        if count and self.first is None:
            self.first = now
        self.fillers += count
        self.arrivals += [now] * count

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = time.monotonic()
        if not self.lost.done():
            self.lost.set_result(None)

    def leave(self) -> None:
        """Hang up."""
        self.left = time.monotonic()
        self._transport.close()


async def ask(address: str, body: dict[str, Any], *, stay: float | None = None) -> Exchange:
    """Ask for a chat completion, and wait for all of it, or hang up after `stay` seconds.

    address: up to `/v1`. Raises OSError where no connection can be made.
    """
    parts = urlsplit(address)
    assert parts.hostname, address
    assert parts.port, address
    request = post(f"{parts.path}/chat/completions", parts.netloc, json.dumps(body).encode())
    exchange = Exchange(request)
    await asyncio.get_running_loop().create_connection(lambda: exchange, parts.hostname, parts.port)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LONGEST if stay is None else stay):
            await asyncio.shield(exchange.lost)
    if exchange.ended is None:
        exchange.leave()
        await exchange.lost
    return exchange


def chat(script: Script, *, model: str, stream: bool = True) -> dict[str, Any]:
    """The body of a request that has `script` played."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": script.prompt}]}
    return {**body, "stream": True, "stream_options": {"include_usage": True}} if stream else body


@dataclass(slots=True)
class Reply:
    """What an answer said."""

    status: int | None
    """Of HTTP; None where not even the head came."""
    complete: bool
    """Whether it ended as HTTP says, and where streamed with `[DONE]`."""
    reasoning: str = ""
    """The thoughts."""
    content: str = ""
    """The answer."""
    finish: str | None = None
    """Why it ended."""
    usage: dict[str, Any] | None = None
    """Token counts."""
    error: str | None = None
    """What was wrong, where the server said so."""
    comments: int = 0
    """Lines that say nothing but that the server lives."""
    executions: list[dict[str, Any]] = field(default_factory=list)
    """Programs that ran, as `storm serve` tells them."""

    def add(self, data: dict[str, Any]) -> None:
        """Take in an event, or a whole answer."""
        if data.get("error"):
            self.error = str(data["error"].get("message"))
        for choice in data.get("choices") or ():
            said = choice.get("delta") or choice.get("message") or {}
            self.reasoning += said.get("reasoning") or ""
            self.content += said.get("content") or ""
            self.finish = choice.get("finish_reason") or self.finish
        self.usage = data.get("usage") or self.usage
        # In a stream, each program comes when it has run, and all of them again at the end.
        self.executions = (data.get("storm") or {}).get("executions") or self.executions


def read(data: bytes) -> Reply:
    """What all the bytes of a connection say. Raises ValueError for a body that is neither events nor JSON."""
    status, body, complete = read_response(data)
    reply = Reply(status=status, complete=complete)
    if body.startswith(b"{"):
        if complete:
            reply.add(json.loads(body))
        return reply
    done = False
    # What follows the last line break was cut off.
    for line in body.split(b"\n")[:-1]:
        if line.startswith(b":"):
            reply.comments += 1
        elif line == b"data: [DONE]":
            done = True
        elif line.startswith(b"data:"):
            reply.add(json.loads(line[5:]))
    reply.complete = complete and done
    return reply


def wrong(reply: Reply, script: Script, *, agent: bool) -> Iterator[str]:
    """What is not as it should be in the answer to a script that succeeds, a word each.

    agent: whether STORM answers, which divides thoughts from the answer, or the upstream, which does not.
    """
    if reply.status != 200:
        yield f"status {reply.status}"
        return
    if reply.error is not None:
        yield "error"
    if not reply.complete:
        yield "cut off"
    if agent and (reply.reasoning != script.thoughts or not reply.content.startswith(ANSWER)):
        yield "text"
    if not agent and reply.content != "".join(script.pieces(script.prompt)):
        yield "text"
    if (reply.usage or {}).get("completion_tokens") != script.written:
        yield "usage"
    if reply.finish != "stop":
        yield "finish"
