"""Parse server-sent events of raw `/v1/completions`. It does no I/O.

    stream = EventStreamParser(wire, stop, url)
    while not stream.over:
        on_text(stream.feed(await content.readany()))

Every token of every user goes through here, so neither objects nor validation are made for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from storm_calm.agents.reasoners.completions_wire import CompletionsWire
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.env.reasoner import Chunk


class EventStreamParser:
    """Parses the bytes of one event stream of completions as they come."""

    def __init__(self, wire: CompletionsWire, stop: tuple[str, ...], url: str) -> None:
        """url: for messages."""
        self.chunks: list[Chunk] = []
        """What the model wrote so far."""
        self.tokens = 0
        """How many tokens came; those of events without ids count as one each."""
        self.usage: dict[str, Any] = {}
        """The server's own count, once it came."""
        self.over = False
        """Whether nothing more is to be read: the model stopped, or wrote a stop string."""
        self._wire = wire
        self._reader = wire.reader(stop, url=url)
        self._rest = b""
        self._reason: str | None = None
        self._named: str | None = None

    def feed(self, data: bytes) -> str:
        """Read on; the text that can be handed on. Raises RetryableError for what is no stream of completions."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        known = len(self.chunks)
        text = ""
        for line in lines:
            if line.startswith(b"data:") and not self.over:
                text = self._event(line[5:].strip(), text)
        self._write(text, None)
        return "".join([chunk.text for chunk in self.chunks[known:]])

    def end(self) -> str:
        """The server has closed the stream; the text that is left. Raises RetryableError if it did not say why."""
        if self._reason is None:
            raise RetryableError("it ended without a reason")
        self._add(self._reader.finish(self._reason, self._named))
        return self.chunks[-1].text

    def _event(self, payload: bytes, text: str) -> str:
        """Read one event. text: what was written before it and not yet taken; what it then is."""
        if payload == b"[DONE]":
            self._write(text, None)
            if not self.over:
                self.end()
            return ""
        try:
            event = orjson.loads(payload)
            self.usage = event.get("usage") or self.usage
            for choice in event.get("choices") or ():
                piece, ids = choice.get("text") or "", choice.get("token_ids")
                if ids is None:
                    text += piece
                    self.tokens += bool(piece)
                else:
                    self._write(piece, ids)
                    self.tokens += len(ids)
                self._reason = choice.get("finish_reason") or self._reason
                self._named = self._wire.named_stop(choice) or self._named
        except (ValueError, AttributeError, TypeError) as error:
            raise RetryableError(f"no event of completions: {error}") from None
        if "error" in event:
            raise RetryableError(str(event["error"]))
        return text

    def _write(self, text: str, ids: Sequence[int] | None) -> None:
        if (text or ids) and not self.over:
            for chunk in self._reader.feed(text, ids):
                self._add(chunk)

    def _add(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self.over = chunk.finish is not None
