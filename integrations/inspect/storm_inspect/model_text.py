"""Read a message of Inspect as text of the environment's protocol.

Reasoning becomes a `<think>` block and a call of `run_python` a program, as for every chat endpoint
(`agents.reasoners.chat_stream`).
"""

import json
from types import SimpleNamespace
from typing import Any

from inspect_ai.model import ChatMessageAssistant, ContentReasoning, ContentText, ModelOutput
from inspect_ai.tool import ToolInfo, ToolParams

from storm_calm.agents.reasoners.chat_messages import TOOLS
from storm_calm.agents.reasoners.chat_stream import ChatStream
from storm_calm.env import ContextLengthError, Generation, collect

_FUNCTION: dict[str, Any] = TOOLS[0]["function"]  # type: ignore[assignment]

TOOL = ToolInfo(
    name=_FUNCTION["name"],
    description=_FUNCTION["description"],
    parameters=ToolParams.model_validate(_FUNCTION["parameters"]),
)
"""The only tool, which the environment runs."""


def to_generation(output: ModelOutput, *, stop: tuple[str, ...], turn: str) -> Generation:
    """Return the model's message as text. turn: the text of the unfinished turn before it.

    Raises ContextLengthError if the prompt was too long for the model.
    """
    if output.stop_reason == "model_length":
        raise ContextLengthError("the conversation does not fit the model's context")
    stream = ChatStream(stop, turn=turn, place=output.model)
    chunks = []
    for delta in _deltas(output.message):
        for chunk in stream.feed(delta):
            chunks.append(chunk)
            if chunk.finish is not None:
                return collect(chunks)
    chunks += stream.finish("length" if output.stop_reason == "max_tokens" else "stop")
    return collect(chunks)


def _deltas(message: ChatMessageAssistant) -> list[SimpleNamespace]:
    """Return the parts of a message as pieces of a stream."""
    contents = [ContentText(text=message.content)] if isinstance(message.content, str) else message.content
    found = []
    for content in contents:
        if isinstance(content, ContentReasoning):
            # The reasoning itself, or what the provider shows of it.
            found.append(_delta(thought=content.reasoning if not content.redacted else content.summary or ""))
        elif isinstance(content, ContentText):
            found.append(_delta(content=content.text))
    for index, call in enumerate(message.tool_calls or ()):
        function = SimpleNamespace(name=call.function, arguments=json.dumps(call.arguments))
        found.append(_delta(tool_calls=[SimpleNamespace(index=index, id=call.id, function=function)]))
    return found


def _delta(*, content: str = "", thought: str = "", tool_calls: list[SimpleNamespace] | None = None) -> SimpleNamespace:
    extra = {"reasoning": thought} if thought else {}
    return SimpleNamespace(content=content, refusal=None, tool_calls=tool_calls, model_extra=extra)
