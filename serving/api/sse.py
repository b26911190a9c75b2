"""Server-sent events and detection of disconnected clients, as plain ASGI for speed.

return EventStream(events(), on_disconnect=task.cancel)
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from time import monotonic
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

KEEP_ALIVE = 10.0
"""Seconds without an event after which a stream sends a comment. Proxies and clients often give up after 15 or more."""
DONE = b"data: [DONE]\n\n"
"""The last event of a stream."""
ALIVE = b": keep-alive\n\n"
"""A comment that keeps proxies from closing the connection."""


class DisconnectedError(Exception):
    """The client has disconnected."""


class EventStream(Response):
    """A stream of server-sent events that calls `on_disconnect` at its end, or as soon as the client disconnects.

    Without events, it sends comments.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], *, on_disconnect: Callable[[], None]) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        # The length is unknown.
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        self._events, self._on_disconnect = events, on_disconnect
        self._sent = monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all events, or stop when the client disconnects."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        watch = asyncio.create_task(_disconnected(receive))
        watch.add_done_callback(lambda task: None if task.cancelled() else self._on_disconnect())
        beat = asyncio.create_task(self._keep_alive(send))
        try:
            async for data in self._events:
                if watch.done():
                    return
                self._sent = monotonic()
                await send({"type": "http.response.body", "body": data, "more_body": True})
            beat.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            beat.cancel()
            watch.cancel()
            self._on_disconnect()  # Also after a failed send. It has no effect on a finished task.

    async def _keep_alive(self, send: Send) -> None:
        """Send a comment after each `KEEP_ALIVE` seconds without an event, also if the answer's text is held back."""
        while True:
            quiet = monotonic() - self._sent
            if quiet < KEEP_ALIVE:
                await asyncio.sleep(KEEP_ALIVE - quiet)
                continue
            self._sent = monotonic()
            # A failed send ends the other task, too.
            with contextlib.suppress(OSError):
                await send({"type": "http.response.body", "body": ALIVE, "more_body": True})


async def until_disconnect(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. If the client disconnects, cancel it and raise DisconnectedError.

    The body of the request must have been read.
    """
    task = asyncio.create_task(work)
    watch = asyncio.create_task(_disconnected(request.receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise DisconnectedError
    finally:
        watch.cancel()
        task.cancel()


async def _disconnected(receive: Receive) -> None:
    """Wait until the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
