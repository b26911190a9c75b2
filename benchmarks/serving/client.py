"""A benchmark client: one request per connection, with the arrival time of each token.

    exchange = await ask("http://127.0.0.1:9100/v1", chat(script, model="scripted"))
    exchange.first - exchange.began        # seconds to the first token
    read(exchange.data).text

During the measurement nothing is parsed: the client keeps the bytes and counts the marks of filler tokens in them.
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

from benchmarks.serving.script import MARK, SHOWN, Script
from benchmarks.serving.wire import post, read_response

TIMEOUT = 120.0
"""Seconds after which the client stops waiting for an answer."""


class Exchange(asyncio.Protocol):
    """A request and its response. Times are `time.monotonic()`, in seconds."""

    def __init__(self, request: bytes) -> None:
        self.began = time.monotonic()
        """When the connection was started."""
        self.first: float | None = None
        """When the first token arrived; None before."""
        self.ended: float | None = None
        """When the connection was closed, by either end."""
        self.left: float | None = None
        """When this client disconnected; None unless that was before the end of the answer."""
        self.fillers = 0
        """Number of filler tokens received."""
        self.arrivals: list[float] = []
        """Arrival time of each filler token."""
        self.lost = asyncio.get_running_loop().create_future()
        """Future that is done when the connection is closed."""
        self._request = request
        self._mark = MARK.encode()
        self._pieces: list[bytes] = []

    @property
    def data(self) -> bytes:
        """All bytes received."""
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
        """Disconnect."""
        self.left = time.monotonic()
        self._transport.close()


async def ask(address: str, body: dict[str, Any], *, stay: float | None = None) -> Exchange:
    """Request a chat completion; wait for its end, or disconnect after `stay` seconds.

    address: the base URL up to `/v1`. Raises OSError if the connection fails.
    """
    parts = urlsplit(address)
    assert parts.hostname, address
    assert parts.port, address
    request = post(f"{parts.path}/chat/completions", parts.netloc, json.dumps(body).encode())
    exchange = Exchange(request)
    await asyncio.get_running_loop().create_connection(lambda: exchange, parts.hostname, parts.port)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT if stay is None else stay):
            await asyncio.shield(exchange.lost)
    if exchange.ended is None:
        exchange.leave()
        await exchange.lost
    return exchange


def chat(script: Script, *, model: str, stream: bool = True) -> dict[str, Any]:
    """Return the body of a request to which the upstream responds with `script`."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": script.prompt}]}
    return {**body, "stream": True, "stream_options": {"include_usage": True}} if stream else body


@dataclass(slots=True)
class Reply:
    """A parsed response."""

    status: int | None
    """HTTP status; None if the head is incomplete."""
    complete: bool
    """Whether the HTTP body is complete and, for a stream, ends with `[DONE]`."""
    reasoning: str = ""
    content: str = ""
    finish: str | None = None
    """The finish reason."""
    usage: dict[str, Any] | None = None
    """Token counts."""
    error: str | None = None
    """The error message of the server, if any."""
    comments: int = 0
    """Number of keep-alive comments in the event stream."""
    executions: list[dict[str, Any]] = field(default_factory=list)
    """Executed programs, as reported by `storm serve`."""

    def add(self, data: dict[str, Any]) -> None:
        """Add the fields of an event, or of an answer that is not streamed."""
        if data.get("error"):
            self.error = str(data["error"].get("message"))
        for choice in data.get("choices") or ():
            message = choice.get("delta") or choice.get("message") or {}
            self.reasoning += message.get("reasoning") or ""
            self.content += message.get("content") or ""
            self.finish = choice.get("finish_reason") or self.finish
        self.usage = data.get("usage") or self.usage
        # A stream reports each program after its execution, and all programs again at the end.
        self.executions = (data.get("storm") or {}).get("executions") or self.executions


def read(data: bytes) -> Reply:
    """Parse all bytes received over a connection. Raises ValueError for an invalid response."""
    status, body, complete = read_response(data)
    reply = Reply(status=status, complete=complete)
    if body.startswith(b"{"):
        if complete:
            reply.add(json.loads(body))
        return reply
    done = False
    # The text after the last line break is an incomplete line.
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
    """Yield a label for each flaw of the answer to a script that succeeds.

    agent: whether the answer is from STORM, which separates reasoning from the answer, not from the upstream itself.
    """
    if reply.status != 200:
        yield f"status {reply.status}"
        return
    if reply.error is not None:
        yield "error"
    if not reply.complete:
        yield "cut off"
    if agent and (reply.reasoning != script.thoughts or not reply.content.startswith(SHOWN)):
        yield "text"
    if not agent and reply.content != "".join(script.pieces(script.prompt)):
        yield "text"
    if (reply.usage or {}).get("completion_tokens") != script.written:
        yield "usage"
    if reply.finish != "stop":
        yield "finish"
