"""A cache of an endpoint's replies, by request, in a file.

    cache = ReplyCache(Path("runs/may/intervener_replies.jsonl"))
    key = key_of("gpt-4.1", messages, SCHEMA)
    if (reply := cache.get(key)) is None:
        cache.add(key, reply := ask(messages))

A run that goes on after a kill asks nothing twice: the same run leads to the same questions. The file holds replies and
what they took, no key, and no questions: those can be made again from `episodes.jsonl` and the prompts.
"""

from __future__ import annotations

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
    """What an endpoint answered to one request."""

    model: str
    """The model, as the endpoint names it in its answer."""
    text: str
    """What it said; "" where a filter left nothing of it."""
    finish: str
    """Why it stopped, in the endpoint's words; "stop" is the usual."""
    input_tokens: int
    """Tokens sent, as the endpoint counts them."""
    output_tokens: int
    """Tokens received, those of thoughts that are not shown included."""
    seconds: float
    """Wall seconds until it was there."""


def key_of(model: str, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
    """What stands for a request: SHA-256 of the model that is asked for, the messages and the schema."""
    asked = json.dumps([model, list(messages), schema], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


class ReplyCache:
    """Replies by request. Any number of threads may use one at once."""

    def __init__(self, path: Path | None = None) -> None:
        """path: the file that they are kept in, made with the first one; None for those of this process alone.

        Raises ValueError, naming file and line, for a file with something else in it; a last line that a kill cut short
        is left out.
        """
        self._path = path
        self._lock = threading.Lock()
        lines = read_jsonl(path, _keyed, growing=True, what="a reply of an endpoint") if path else ()
        self._replies: dict[str, Reply] = dict(reply for _, reply in lines)

    def get(self, key: str) -> Reply | None:
        """The reply to that request; None where there is none yet."""
        return self._replies.get(key)

    def add(self, key: str, reply: Reply) -> None:
        """Keep a reply: on disk when this returns."""
        with self._lock:
            if self._path is not None:
                append_line(self._path, {"key": key, **to_json(reply)})
            self._replies[key] = reply


def _keyed(data: Mapping[str, Any]) -> tuple[str, Reply]:
    values = dict(data)
    return values.pop("key"), from_json(Reply, values)
