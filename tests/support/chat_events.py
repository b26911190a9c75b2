"""Events of a chat completions stream, as endpoints send them."""

import json
from collections.abc import Sequence
from typing import Any

from support.scripted_server import Reply


def delta(finish: str | None = None, **content: Any) -> str:
    """Return one event of a chat."""
    return _event([{"index": 0, "delta": content, "finish_reason": finish}])


def usage() -> str:
    """Return the usage event that `include_usage` requests."""
    return _event([], usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})


def call(
    pieces: Sequence[str],
    *,
    index: int | None = 0,
    id: str = "abc",
    name: str = "run_python",
    finish: str | None = None,
) -> list[str]:
    """Return the events of a tool call whose arguments arrive in pieces."""
    first, *rest = pieces
    opening = {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": first}}
    return [
        delta(tool_calls=[opening]),
        *(delta(tool_calls=[{"index": index, "function": {"arguments": piece}}]) for piece in rest),
        *([delta(finish)] if finish else []),
    ]


def arguments(code: str) -> str:
    """Return the arguments of a run_python call."""
    return json.dumps({"code": code})


def running(code: str, *, content: str = "") -> Reply:
    """Return a reply with text and a tool call, as OpenAI streams it."""
    data = arguments(code)
    pieces = ["", *(data[start : start + 7] for start in range(0, len(data), 7))]
    words = [delta(role="assistant", content=None), *([delta(content=content)] if content else [])]
    return Reply([*words, *call(pieces, finish="tool_calls"), usage()])


def saying(*pieces: str, finish: str = "stop") -> Reply:
    """Return a reply of text only."""
    return Reply([*(delta(content=piece) for piece in pieces), delta(finish), usage()])


def _event(choices: list[dict[str, Any]], **more: Any) -> str:
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "tiny", "choices": choices, **more}
    return json.dumps(event)
