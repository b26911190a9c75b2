"""Responses that the server keeps for a while: for clients that fetch them again, or continue the conversation.

    responses.add(caller, id, body, conversation)
    responses.get(caller, id)

They are in memory only. A key sees its own ones only; their number, size and age are limited for each key.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

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
        self.cancel: Callable[[], None] = lambda: None
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

    async def follow(self, number: int) -> AsyncIterator[bytes]:
        """Yield the events from a number on, also those to come."""
        while True:
            if self.size > EVENT_BYTES:
                message = "the events take too much memory; get the response without stream"
                error = {
                    "type": "error",
                    "code": "too_long",
                    "message": message,
                    "param": None,
                    "sequence_number": number,
                }
                yield b"event: error\ndata: " + orjson.dumps(error) + b"\n\n"
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
class StoredResponse:
    """A response that is kept."""

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


class ResponseStore:
    """Responses by key and ID."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        """clock: returns the Unix time."""
        self.clock = clock
        self._responses: dict[Caller, dict[str, StoredResponse]] = {}

    def start(self, caller: Caller, id: str, background: BackgroundAnswer) -> StoredResponse:
        """Keep an answer in the background from its start on."""
        response = StoredResponse(id=id, background=background)
        self._responses.setdefault(caller, {})[id] = response
        return response

    def add(self, caller: Caller, id: str, body: bytes, conversation: Conversation | None) -> None:
        """Keep a finished response."""
        response = self._responses.setdefault(caller, {})[id] = StoredResponse(id=id)
        self.end(caller, response, body, conversation)

    def end(self, caller: Caller, response: StoredResponse, body: bytes, conversation: Conversation | None) -> None:
        """Finish a response. One that was deleted meanwhile stays deleted."""
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

    def get(self, caller: Caller, id: str) -> StoredResponse:
        """Return a response. Raises ApiError with 404 if this key has no such response."""
        self.expire()
        response = self._responses.get(caller, {}).get(id)
        if response is None:
            message = f"no response {id[:100]!r}; it may have expired, or its request had store: false"
            raise ApiError(404, message, code="response_not_found")
        return response

    def conversation(self, caller: Caller, id: str) -> Conversation:
        """Return the conversation that ends with a response. Raises ApiError with 400 for an unknown one."""
        param, code = "previous_response_id", "previous_response_not_found"
        try:
            response = self.get(caller, id)
        except ApiError as error:
            raise ApiError(400, error.message, param=param, code=code) from None
        if response.conversation is None:
            raise ApiError(400, f"response {id!r} has no answer to continue", param=param, code=code)
        return response.conversation

    def delete(self, caller: Caller, id: str) -> None:
        """Delete a response; one in the background is cancelled. Raises ApiError as `get` does."""
        response = self.get(caller, id)
        if response.background is not None:
            response.background.cancel()
        del self._responses[caller][id]

    def expire(self) -> None:
        """Delete the responses that are too old."""
        now = self.clock()
        for caller, responses in list(self._responses.items()):
            for response in [one for one in responses.values() if one.expires <= now]:
                del responses[response.id]
            if not responses:
                del self._responses[caller]
