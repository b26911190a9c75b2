"""Events of a stream of chat completions, as endpoints write them."""

import json
from collections.abc import Sequence
from typing import Any

from support.scripted_server import Reply


def delta(finish: str | None = None, **said: Any) -> str:
    """One event of a chat."""
    return _event([{"index": 0, "delta": said, "finish_reason": finish}])


def usage() -> str:
    """The event that `include_usage` asks for."""
    return _event([], usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})


def call(
    pieces: Sequence[str],
    *,
    index: int | None = 0,
    id: str = "abc",
    name: str = "run_python",
    finish: str | None = None,
) -> list[str]:
    """A tool call whose arguments come in pieces."""
    first, *rest = pieces
    opening = {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": first}}
    return [
        delta(tool_calls=[opening]),
        *(delta(tool_calls=[{"index": index, "function": {"arguments": piece}}]) for piece in rest),
        *([delta(finish)] if finish else []),
    ]


def arguments(code: str) -> str:
    """What run_python is called with."""
    return json.dumps({"code": code})


def running(code: str, *, said: str = "") -> Reply:
    """An answer that says something and calls the tool, as OpenAI streams it."""
    data = arguments(code)
    pieces = ["", *(data[start : start + 7] for start in range(0, len(data), 7))]
    words = [delta(role="assistant", content=None), *([delta(content=said)] if said else [])]
    return Reply([*words, *call(pieces, finish="tool_calls"), usage()])


def saying(*pieces: str, finish: str = "stop") -> Reply:
    """An answer in words."""
    return Reply([*(delta(content=piece) for piece in pieces), delta(finish), usage()])


def _event(choices: list[dict[str, Any]], **more: Any) -> str:
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "tiny", "choices": choices, **more}
    return json.dumps(event)
