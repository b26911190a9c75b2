"""Run the scripted upstream: `/v1/completions` and `/v1/chat/completions` that respond as the prompt specifies.

    python -m benchmarks.serving.upstream

Tokens are sent at absolute times, each as one event and one write, so that a slow reader does not delay the stream.
The server is a plain asyncio protocol, light enough to share a CPU core with the clients. `/log` returns when each
request started and ended (`time.monotonic()`, the same clock in all processes of a machine), and how. A POST to
`/log/clear` clears the log.
"""

import asyncio
import itertools
import json
import socket
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import uvloop

from benchmarks.serving.events import MODEL, Events
from benchmarks.serving.script import BEFORE_SILENCE, Script
from benchmarks.serving.wire import HttpRequest, response, take_request

PATHS = {"/v1/completions": False, "/v1/chat/completions": True}
"""The endpoints, and whether they are chat completions."""
_EARLY = 0.0005
"""Seconds by which a token may be sent early: the resolution of timers."""


@dataclass(slots=True, eq=False)
class Played:
    """A request in the log."""

    id: str
    """Id of the script."""
    segment: int
    """Segment of the answer: 1, or 2 after a program."""
    stream: bool
    """Whether a stream was requested."""
    began: float
    """Start time, in seconds."""
    ended: float | None = None
    """End time, in seconds; None while it is open."""
    end: Literal["open", "done", "failed", "left"] = "open"
    """Whether it is open, complete, failed as scripted, or ended because the client disconnected."""
    sent: int = 0
    """Number of tokens sent."""

    def close(self, end: Literal["done", "failed", "left"]) -> None:
        self.end, self.ended = end, time.monotonic()


class Upstream:
    """State shared by all connections."""

    def __init__(self) -> None:
        self.log: list[Played] = []
        """Every request since the log was cleared."""
        self.numbers = itertools.count(1)
        """Source of answer ids."""


class Connection(asyncio.Protocol):
    """A connection with sequential requests."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._data = b""
        self._busy = self._close = False
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._played: Played | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._played is not None:
            self._played.close("left")

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        taken = take_request(self._data)
        self._busy = taken is not None
        if taken is not None:
            request, self._data = taken
            self._close = request.close
            self._handle(request)

    def _finish(self) -> None:
        """Handle the next request after a complete answer, or close the connection."""
        self._timer = self._played = None
        if self._close:
            self._transport.close()
        else:
            self._next()

    def _answer(self, status: int, data: Any, headers: str = "") -> None:
        self._transport.write(response(status, json.dumps(data).encode(), headers=headers))
        self._finish()

    def _fail(self, status: int, message: str, headers: str = "") -> None:
        self._answer(
            status, {"error": {"message": message, "type": "scripted", "param": None, "code": status}}, headers
        )

    def _handle(self, request: HttpRequest) -> None:
        if request.path == "/v1/models":
            listed = {"id": MODEL, "object": "model", "created": 0, "owned_by": "scripted"}
            return self._answer(200, {"object": "list", "data": [listed]})
        if request.path == "/log":
            return self._answer(200, [asdict(played) for played in self._upstream.log])
        if request.path == "/log/clear":
            self._upstream.log.clear()
            return self._answer(200, {})
        if request.method != "POST" or request.path not in PATHS:
            return self._fail(404, f"unknown path {request.path}")
        try:
            body = json.loads(request.body)
            text = prompt_of(body)
            script = Script.read(text)
        except (ValueError, KeyError, TypeError) as error:
            return self._fail(400, str(error))
        return self._play(script, text, body, chat=PATHS[request.path])

    def _play(self, script: Script, text: str, body: dict[str, Any], *, chat: bool) -> None:
        stream = bool(body.get("stream"))
        played = Played(id=script.id, segment=script.segment(text), stream=stream, began=time.monotonic())
        self._upstream.log.append(played)
        if script.mode in ("429", "500"):
            played.close("failed")
            return self._fail(int(script.mode), "as scripted", "retry-after: 1\r\n" if script.mode == "429" else "")
        self._played = played
        pieces = script.pieces(text)
        most = body.get("max_completion_tokens") or body.get("max_tokens") or len(pieces)
        events = Events(
            body,
            pieces[:most],
            "length" if most < len(pieces) else "stop",
            number=next(self._upstream.numbers),
            prompt_tokens=len(text.split()),
            chat=chat,
        )
        if stream:
            head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            self._transport.write(head.encode() + events.opening)
            self._stream(script, events, played, begin=self._loop.time() + script.first)
        else:
            self._timer = self._loop.call_later(script.seconds(text), self._whole, script, events, played)
        return None

    def _stream(self, script: Script, events: Events, played: Played, begin: float) -> None:
        """Send all tokens that are due and schedule the rest. begin: the loop time of the first token."""
        stop = len(events.pieces) // 2 if script.mode == "half" else None
        now = self._loop.time() + _EARLY
        while played.sent < len(events.pieces):
            if played.sent == stop:
                return self._abort(played)
            stall = script.silence if script.mode == "silence" and played.sent >= BEFORE_SILENCE else 0.0
            due = begin + stall + played.sent / script.rate
            if due > now:
                self._timer = self._loop.call_at(due, self._stream, script, events, played, begin)
                return None
            self._transport.write(events.token(events.pieces[played.sent]))
            played.sent += 1
        self._transport.write(events.closing)
        played.close("done")
        return self._finish()

    def _whole(self, script: Script, events: Events, played: Played) -> None:
        if script.mode == "half":
            return self._abort(played)
        played.sent = len(events.pieces)
        played.close("done")
        return self._answer(200, events.whole())

    def _abort(self, played: Played) -> None:
        played.close("failed")
        self._timer = self._played = None
        self._transport.abort()


def prompt_of(body: dict[str, Any]) -> str:
    """Return the prompt of a completion, or a chat's messages as one text. Raises KeyError or TypeError if invalid."""
    if "messages" not in body:
        return str(body["prompt"])
    return "\n".join(str(message["content"]) for message in body["messages"])


async def serve() -> None:
    """Serve until the process is stopped."""
    upstream = Upstream()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(upstream), "127.0.0.1", 0, backlog=4096)
    print(f"serving at http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
