"""A cache of an endpoint's replies in a file, by request.

A resumed run repeats the same requests and finds their replies here. The file has no API key and no prompts: those can
be rendered again from `episodes.jsonl`.
"""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.env.jsonl import append_line, read_jsonl
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A reply of an endpoint."""

    model: str
    """The model, as the endpoint names it in the reply."""
    text: str
    """The text; "" if it was filtered."""
    finish: str
    """The endpoint's finish reason, usually "stop"."""
    input_tokens: int
    """Tokens sent, as the endpoint counts them."""
    output_tokens: int
    """Tokens received, including hidden reasoning."""
    seconds: float
    """Wall seconds until it was complete."""


def key_of(model: str, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
    """Return the cache key of a request: the SHA-256 of model, messages and schema."""
    request = json.dumps([model, list(messages), schema], sort_keys=True)
    return hashlib.sha256(request.encode()).hexdigest()


class ReplyCache:
    """Replies by request. Thread-safe."""

    def __init__(self, path: Path | None = None) -> None:
        """path: the file, created with the first reply; None keeps replies in memory only.

        Raises ValueError for an invalid file, with file and line. An incomplete last line is ignored.
        """
        self._path = path
        self._lock = threading.Lock()
        lines = read_jsonl(path, _parse, growing=True, what="a reply of an endpoint") if path else ()
        self._replies: dict[str, Reply] = dict(reply for _, reply in lines)

    def get(self, key: str) -> Reply | None:
        return self._replies.get(key)

    def add(self, key: str, reply: Reply) -> None:
        """Add a reply; it is on disk when this returns."""
        with self._lock:
            if self._path is not None:
                append_line(self._path, {"key": key, **to_json(reply)})
            self._replies[key] = reply


def _parse(data: dict[str, Any]) -> tuple[str, Reply]:
    return data.pop("key"), from_json(Reply, data)
