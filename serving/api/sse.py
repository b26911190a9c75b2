"""A streamed answer, and watching for a client that leaves: plain ASGI, as every token goes through here.

return EventStream(events(), left=run.cancel)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

DONE = b"data: [DONE]\n\n"
"""The end of a stream."""
ALIVE = b": keep-alive\n\n"
"""Says nothing, so that nobody on the way takes the connection for dead."""


class LeftError(Exception):
    """The client has gone."""


class EventStream(Response):
    """Server-sent events. `left` is called, and nothing more is sent, when the client goes."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], *, left: Callable[[], None]) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        # The length is not known before.
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        self._events, self._left = events, left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all events, or stop when the client leaves."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        watch = asyncio.create_task(_gone(receive))
        watch.add_done_callback(lambda task: None if task.cancelled() else self._left())
        try:
            async for data in self._events:
                if watch.done():
                    return
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watch.cancel()
            self._left()  # Also where sending failed; a run that has ended takes no notice.


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled where the client leaves. Raises LeftError then.

    The request's body must have been read.
    """
    task = asyncio.create_task(work)
    watch = asyncio.create_task(_gone(request.receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise LeftError
    finally:
        watch.cancel()
        task.cancel()


async def _gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
