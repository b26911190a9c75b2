"""Responses that the server keeps for a while: for clients that fetch them again, or continue the conversation.

    await responses.add(caller, id, body, conversation)
    await responses.fetch(caller, id)

Those of one server alone are in memory. A key sees its own ones only; their number, size and age are limited for each
key.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from storm_calm.env import Message
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Caller

COUNT = 100
"""Most responses of a key."""
TOTAL_BYTES = 32 << 20
"""Most bytes of all responses of a key."""
EVENT_BYTES = 8 << 20
"""Most bytes of the events of a response that clients may follow."""
SECONDS = 3600.0
"""Seconds for which a response is kept after its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """The messages up to an answer, and the files of programs."""

    messages: tuple[Message, ...]
    """Without the instructions of the request, which hold for its answer only."""
    files: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes, about."""
        texts = sum(len(message["content"]) for message in self.messages)
        return texts + sum(len(content) for content in self.files.values())


class BackgroundAnswer:
    """An answer that is written while no client waits for it."""

    def __init__(self, *, keep_events: bool) -> None:
        """keep_events: whether clients may follow its events."""
        self.keep_events = keep_events
        self.snapshot: Callable[[], bytes] = lambda: b""
        """Returns the unfinished response."""
        self.cancelled: Callable[[], bytes] = lambda: b""
        """Returns the response as a cancelled one."""
        self.stop: Callable[[], None] = lambda: None
        """Stops writing."""
        self.size = 0
        """Bytes of all events."""
        self._events: list[bytes] = []
        self._ended = False
        self._changed = asyncio.Event()

    def log(self, event: bytes) -> None:
        """Add an event. Above `EVENT_BYTES` all are dropped, and the answer can only be fetched at its end."""
        self.size += len(event)
        if self.size > EVENT_BYTES:
            self._events.clear()
        else:
            self._events.append(event)
        self._wake()

    def finish(self) -> None:
        """End the events."""
        self._ended = True
        self._wake()

    @property
    def too_long(self) -> bool:
        """Whether the events were dropped."""
        return self.size > EVENT_BYTES

    def logged(self, number: int) -> list[bytes]:
        """Return the events so far from a number on."""
        return self._events[number:]

    async def follow(self, number: int) -> AsyncIterator[bytes]:
        """Yield the events from a number on, also those to come."""
        while True:
            if self.too_long:
                yield too_long_event(number)
                return
            changed = self._changed
            if number < len(self._events):
                yield self._events[number]
                number += 1
            elif self._ended:
                return
            else:
                await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@dataclass(kw_only=True, slots=True, eq=False)
class MemoryResponse:
    """A response that is kept in memory."""

    id: str
    body: bytes = b""
    """The response as JSON; empty before its end."""
    conversation: Conversation | None = None
    """What a further request continues; None before its end, and without an answer."""
    background: BackgroundAnswer | None = None
    """The answer in the background that it is or was."""
    expires: float = field(default=float("inf"))
    """Unix time."""

    @property
    def size(self) -> int:
        events = min(self.background.size, EVENT_BYTES) if self.background else 0
        return len(self.body) + (self.conversation.size if self.conversation else 0) + events

    @property
    def shown(self) -> bytes:
        """The response as it is now, as JSON."""
        return self.body or (self.background.snapshot() if self.background else b"")


class ResponseStore(Protocol):
    """Responses by key and ID. All methods with an ID raise ApiError with 404 if the key has no such response."""

    async def start(self, caller: Caller, id: str, background: BackgroundAnswer) -> None:
        """Keep an answer in the background from its start on."""
        ...

    async def add(self, caller: Caller, id: str, body: bytes, conversation: Conversation | None) -> None:
        """Keep a finished response."""
        ...

    async def end(self, caller: Caller, id: str, body: bytes, conversation: Conversation | None) -> None:
        """Finish an answer in the background. One that was cancelled or deleted meanwhile stays so."""
        ...

    async def fetch(self, caller: Caller, id: str) -> bytes:
        """Return the response as it is now, as JSON."""
        ...

    async def follow(self, caller: Caller, id: str, number: int) -> AsyncIterator[bytes]:
        """Return the events from a number on, also those to come. Raises ApiError with 400 if there are none."""
        ...

    async def conversation(self, caller: Caller, id: str) -> Conversation:
        """Return the conversation that ends with a response. Raises ApiError with 400 for an unknown one."""
        ...

    async def cancel(self, caller: Caller, id: str) -> bytes:
        """Cancel an answer in the background, and return its response. A finished one stays as it is."""
        ...

    async def delete(self, caller: Caller, id: str) -> None:
        """Delete a response; one in the background is cancelled."""
        ...

    async def expire(self) -> None:
        """Delete the responses that are too old."""
        ...


class MemoryResponses:
    """The responses of one server alone."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        """clock: returns the Unix time."""
        self.clock = clock
        self._responses: dict[Caller, dict[str, MemoryResponse]] = {}

    async def start(self, caller: Caller, id: str, background: BackgroundAnswer) -> None:
        self._responses.setdefault(caller, {})[id] = MemoryResponse(id=id, background=background)

    async def add(self, caller: Caller, id: str, body: bytes, conversation: Conversation | None) -> None:
        response = self._responses.setdefault(caller, {})[id] = MemoryResponse(id=id)
        self._finish(caller, response, body, conversation)

    async def end(self, caller: Caller, id: str, body: bytes, conversation: Conversation | None) -> None:
        response = self._responses.get(caller, {}).get(id)
        if response is not None and not response.body:
            self._finish(caller, response, body, conversation)

    async def fetch(self, caller: Caller, id: str) -> bytes:
        return self._get(caller, id).shown

    async def follow(self, caller: Caller, id: str, number: int) -> AsyncIterator[bytes]:
        background = self._get(caller, id).background
        if background is None or not background.keep_events:
            raise no_events()
        return background.follow(number)

    async def conversation(self, caller: Caller, id: str) -> Conversation:
        try:
            response = self._get(caller, id)
        except ApiError as error:
            raise no_previous_response(error.message) from None
        if response.conversation is None:
            raise no_answer(id)
        return response.conversation

    async def cancel(self, caller: Caller, id: str) -> bytes:
        response = self._get(caller, id)
        if response.background is None:
            raise not_in_background()
        self._stop(caller, response)
        return response.shown

    async def delete(self, caller: Caller, id: str) -> None:
        response = self._get(caller, id)
        self._stop(caller, response)
        self._responses.get(caller, {}).pop(id, None)

    async def expire(self) -> None:
        now = self.clock()
        for caller, responses in list(self._responses.items()):
            for response in [one for one in responses.values() if one.expires <= now]:
                del responses[response.id]
            if not responses:
                del self._responses[caller]

    def _get(self, caller: Caller, id: str) -> MemoryResponse:
        response = self._responses.get(caller, {}).get(id)
        if response is None or response.expires <= self.clock():
            raise no_response(id)
        return response

    def _stop(self, caller: Caller, response: MemoryResponse) -> None:
        if response.background is not None and not response.body:
            self._finish(caller, response, response.background.cancelled(), None)
            response.background.stop()

    def _finish(self, caller: Caller, response: MemoryResponse, body: bytes, conversation: Conversation | None) -> None:
        response.body, response.conversation = body, conversation
        response.expires = self.clock() + SECONDS
        responses = self._responses.get(caller, {})
        finished = [one for one in responses.values() if one.body]
        total = sum(one.size for one in finished)
        for one in finished:  # The oldest first.
            if len(finished) <= COUNT and total <= TOTAL_BYTES:
                break
            total -= one.size
            finished = finished[1:]
            del responses[one.id]


def too_long_event(number: int) -> bytes:
    """Return the event in place of events that were dropped. number: its sequence number."""
    message = "the events take too much memory; get the response without stream"
    error = {"type": "error", "code": "too_long", "message": message, "param": None, "sequence_number": number}
    return b"event: error\ndata: " + orjson.dumps(error) + b"\n\n"


def no_response(id: str) -> ApiError:
    message = f"no response {id[:100]!r}; it may have expired, or its request had store: false"
    return ApiError(404, message, code="response_not_found")


def no_previous_response(message: str) -> ApiError:
    return ApiError(400, message, param="previous_response_id", code="previous_response_not_found")


def no_answer(id: str) -> ApiError:
    return no_previous_response(f"response {id!r} has no answer to continue")


def no_events() -> ApiError:
    message = "only answers in the background with stream: true have events to follow"
    return ApiError(400, message, param="stream")


def not_in_background() -> ApiError:
    return ApiError(400, "only an answer in the background can be cancelled", param="response_id")
