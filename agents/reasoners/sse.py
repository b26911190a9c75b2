"""Parse server-sent events of raw `/v1/completions`, without I/O.

    stream = EventStreamParser(wire, stop, url)
    while not stream.over:
        on_text(stream.feed(await content.readany()))

All tokens of all users pass through this module, so it creates no objects for events and does not validate them.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from storm_calm.agents.reasoners.completions_wire import CompletionsWire
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.env.reasoner import Chunk


class EventStreamParser:
    """A parser of one event stream of completions."""

    def __init__(self, wire: CompletionsWire, stop: tuple[str, ...], url: str) -> None:
        """url: for error messages."""
        self.chunks: list[Chunk] = []
        self.tokens = 0
        """Tokens so far. An event without token ids counts as one."""
        self.usage: dict[str, Any] = {}
        """The server's token counts, if they have arrived."""
        self.over = False
        """Whether the generation is complete: the model stopped, or reached a stop string."""
        self._wire = wire
        self._reader = wire.reader(stop, url=url)
        self._rest = b""
        self._reason: str | None = None
        self._named: str | None = None

    def feed(self, data: bytes) -> str:
        """Parse more data; return the text it completes. Raises RetryableError for invalid events."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        known = len(self.chunks)
        text = ""
        for line in lines:
            if line.startswith(b"data:") and not self.over:
                text = self._event(line[5:].strip(), text)
        self._write(text, None)
        return "".join([chunk.text for chunk in self.chunks[known:]])

    def end(self) -> str:
        """Return the remaining text of a closed stream. Raises RetryableError if there was no finish reason."""
        if self._reason is None:
            raise RetryableError("it ended without a finish reason")
        self._add(self._reader.finish(self._reason, self._named))
        return self.chunks[-1].text

    def _event(self, payload: bytes, text: str) -> str:
        """Parse one event. text: pending text without ids. Returns the new pending text."""
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
            raise RetryableError(f"not an event of completions: {error}") from None
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
