"""Encode answers of the scripted upstream: completions or chat completions, as one JSON body or as an event stream.

events = Events(body, ["Sell", " 3."], "stop", number=1, prompt_tokens=12, chat=True)
events.opening + events.token("Sell") + events.token(" 3.") + events.closing
"""

import json
import time
from typing import Any

from benchmarks.serving.wire import CHUNKED_END, chunk

MODEL = "scripted"
"""The model name of the scripted upstream."""
_TOKEN = "@token@"


class Events:
    """The encoder of one answer."""

    def __init__(
        self, body: dict[str, Any], pieces: list[str], finish: str, *, number: int, prompt_tokens: int, chat: bool
    ) -> None:
        """body: the request's. finish: the finish reason. number: a unique number for the answer's id."""
        self.pieces = pieces
        """The tokens."""
        self._finish, self._chat = finish, chat
        self._include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self._usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": len(pieces),
            "total_tokens": prompt_tokens + len(pieces),
        }
        kind, self._object = ("chatcmpl", "chat.completion") if chat else ("cmpl", "text_completion")
        self._base = {"id": f"{kind}-{number}", "created": int(time.time()), "model": body.get("model", MODEL)}
        # The JSON around each token, encoded once.
        self._before, self._after = self._event([self._token_choice(_TOKEN)]).split(json.dumps(_TOKEN).encode())

    @property
    def opening(self) -> bytes:
        """The chunk before the first token."""
        return chunk(self._event([self._choice(delta={"role": "assistant", "content": ""})])) if self._chat else b""

    def token(self, piece: str) -> bytes:
        """Return the chunk of one token."""
        return chunk(self._before + json.dumps(piece).encode() + self._after)

    @property
    def closing(self) -> bytes:
        """The chunks after the last token."""
        empty: dict[str, Any] = {"delta": {}} if self._chat else {"text": ""}
        events = [self._event([self._choice(**empty, finish_reason=self._finish)])]
        if self._include_usage:
            events.append(self._event([], usage=self._usage))
        return b"".join(chunk(event) for event in [*events, b"data: [DONE]\n\n"]) + CHUNKED_END

    def whole(self) -> dict[str, Any]:
        """Return the JSON body of the answer if it is not streamed."""
        text = "".join(self.pieces)
        message = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = self._choice(**message, finish_reason=self._finish)
        return {**self._base, "object": self._object, "choices": [choice], "usage": self._usage}

    def _token_choice(self, text: str) -> dict[str, Any]:
        return self._choice(delta={"content": text}) if self._chat else self._choice(text=text)

    def _choice(self, **fields: Any) -> dict[str, Any]:
        return {"index": 0, "logprobs": None, "finish_reason": None, **fields}

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        kind = "chat.completion.chunk" if self._chat else self._object
        return b"data: " + json.dumps({**self._base, "object": kind, "choices": choices, **more}).encode() + b"\n\n"
