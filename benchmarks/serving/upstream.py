"""The scripted upstream: `/v1/completions` and `/v1/chat/completions`, each request played as its prompt says.

    python -m benchmarks.serving.upstream

Tokens go out at absolute times, one event and one write each, so that a slow reader makes no stream longer. It is a
plain asyncio protocol, light enough to share a processor with the clients. `/log` tells of every request when it came,
when it ended (`time.monotonic`, which all processes of a machine share), and how; a POST to `/log/clear` empties it.
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
"""Where it plays, and whether that is a chat."""
_EARLY = 0.0005
"""Seconds before its time at which a token may go out; timers are no finer."""


@dataclass(slots=True, eq=False)
class Played:
    """A request, for the log."""

    id: str
    """The script's."""
    segment: int
    """Of the run that it belongs to."""
    stream: bool
    """Whether it was to be streamed."""
    began: float
    """When it came, in seconds."""
    ended: float | None = None
    """When it ended, in seconds; None while it goes on."""
    end: Literal["open", "done", "failed", "left"] = "open"
    """How: all said, failed as it was to, or the other end hung up."""
    sent: int = 0
    """Tokens that were said."""

    def close(self, end: Literal["done", "failed", "left"]) -> None:
        """It is over."""
        self.end, self.ended = end, time.monotonic()


class Upstream:
    """What all connections share."""

    def __init__(self) -> None:
        self.log: list[Played] = []
        """Every request since the log was cleared."""
        self.numbers = itertools.count(1)
        """For the ids of answers."""


class Connection(asyncio.Protocol):
    """One connection: requests one after another."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._data = b""
        self._busy = self._last = False
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
            self._last = request.last
            self._handle(request)

    def _over(self) -> None:
        """An answer is complete."""
        self._timer = self._played = None
        if self._last:
            self._transport.close()
        else:
            self._next()

    def _answer(self, status: int, data: Any, more: str = "") -> None:
        self._transport.write(response(status, json.dumps(data).encode(), more=more))
        self._over()

    def _fail(self, status: int, message: str, more: str = "") -> None:
        self._answer(status, {"error": {"message": message, "type": "scripted", "param": None, "code": status}}, more)

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
            return self._fail(404, f"there is no {request.path} here")
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
        """Say all the tokens whose time has come, and come back for the rest. begin: the first one's time."""
        stop = len(events.pieces) // 2 if script.mode == "half" else None
        now = self._loop.time() + _EARLY
        while played.sent < len(events.pieces):
            if played.sent == stop:
                return self._break_off(played)
            silent = script.silence if script.mode == "silence" and played.sent >= BEFORE_SILENCE else 0.0
            due = begin + silent + played.sent / script.rate
            if due > now:
                self._timer = self._loop.call_at(due, self._stream, script, events, played, begin)
                return None
            self._transport.write(events.token(events.pieces[played.sent]))
            played.sent += 1
        self._transport.write(events.closing)
        played.close("done")
        return self._over()

    def _whole(self, script: Script, events: Events, played: Played) -> None:
        if script.mode == "half":
            return self._break_off(played)
        played.sent = len(events.pieces)
        played.close("done")
        return self._answer(200, events.whole())

    def _break_off(self, played: Played) -> None:
        played.close("failed")
        self._timer = self._played = None
        self._transport.abort()


def prompt_of(body: dict[str, Any]) -> str:
    """The text of a request for a completion, or of a chat's messages. Raises KeyError and TypeError for neither."""
    if "messages" not in body:
        return str(body["prompt"])
    return "\n".join(str(message["content"]) for message in body["messages"])


async def serve() -> None:
    """Play until the process is ended."""
    upstream = Upstream()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(upstream), "127.0.0.1", 0, backlog=4096)
    print(f"serving at http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
