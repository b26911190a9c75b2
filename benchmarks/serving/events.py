"""An answer of the scripted upstream as JSON, as a completion or as a chat, whole or event by event.

events = Events(body, ["Sell", " 3."], "stop", number=1, prompt_tokens=12, chat=True)
events.opening + events.token("Sell") + events.token(" 3.") + events.closing
"""

import json
import time
from typing import Any

from benchmarks.serving.wire import CHUNKED_END, chunk

MODEL = "scripted"
"""The model's name."""
_TOKEN = "@token@"


class Events:
    """One answer, whole or in events."""

    def __init__(
        self, body: dict[str, Any], pieces: list[str], finish: str, *, number: int, prompt_tokens: int, chat: bool
    ) -> None:
        """body: of the request. finish: the reason that is given at the end. number: for the answer's id."""
        self.pieces = pieces
        """The tokens."""
        self._finish, self._chat = finish, chat
        self._counted = bool((body.get("stream_options") or {}).get("include_usage"))
        self._usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": len(pieces),
            "total_tokens": prompt_tokens + len(pieces),
        }
        kind, self._object = ("chatcmpl", "chat.completion") if chat else ("cmpl", "text_completion")
        self._base = {"id": f"{kind}-{number}", "created": int(time.time()), "model": body.get("model", MODEL)}
        # What surrounds every token, encoded once.
        self._before, self._after = self._event([self._said(_TOKEN)]).split(json.dumps(_TOKEN).encode())

    @property
    def opening(self) -> bytes:
        """What is said before the first token."""
        return chunk(self._event([self._choice(delta={"role": "assistant", "content": ""})])) if self._chat else b""

    def token(self, piece: str) -> bytes:
        """One token."""
        return chunk(self._before + json.dumps(piece).encode() + self._after)

    @property
    def closing(self) -> bytes:
        """What is said after the last token."""
        nothing: dict[str, Any] = {"delta": {}} if self._chat else {"text": ""}
        events = [self._event([self._choice(**nothing, finish_reason=self._finish)])]
        if self._counted:
            events.append(self._event([], usage=self._usage))
        return b"".join(chunk(event) for event in [*events, b"data: [DONE]\n\n"]) + CHUNKED_END

    def whole(self) -> dict[str, Any]:
        """The answer in one piece."""
        text = "".join(self.pieces)
        said = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = self._choice(**said, finish_reason=self._finish)
        return {**self._base, "object": self._object, "choices": [choice], "usage": self._usage}

    def _said(self, text: str) -> dict[str, Any]:
        return self._choice(delta={"content": text}) if self._chat else self._choice(text=text)

    def _choice(self, **fields: Any) -> dict[str, Any]:
        return {"index": 0, "logprobs": None, "finish_reason": None, **fields}

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        kind = "chat.completion.chunk" if self._chat else self._object
        return b"data: " + json.dumps({**self._base, "object": kind, "choices": choices, **more}).encode() + b"\n\n"
