"""The body of `POST /v1/responses`, OpenAI's newer API for the same agent.

Nothing is stored, so clients send the whole conversation. It may contain items of earlier answers, of which only
messages are used.
"""

from typing import Annotated, Any

from pydantic import Field

from storm_calm.serving.api.agent_request import AgentRequest, Effort
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.request_body import InputMessage, RequestBody, RequestModel, TextFormat, is_text

IGNORED_ITEMS = ("reasoning", "code_interpreter_call")
"""Items of earlier answers that the model does not see."""


class InputItem(InputMessage):
    """A message, or an item of an earlier answer."""

    type: str = "message"
    """message, or the type of an item in an earlier answer."""


class ReasoningOptions(RequestModel):
    """Options of the reasoning."""

    effort: Effort | None = None
    """How many tokens and programs the agent may use."""


class TextOptions(RequestModel):
    """Options of the answer text."""

    format: TextFormat | None = None
    """Only {"type": "text"}."""


class ResponsesRequest(RequestBody):
    """A request for a response."""

    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=1000)]
    """The question, or a conversation that ends with it."""
    instructions: str | None = None
    """A system message."""
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of the answer, including thoughts, programs and their output."""
    reasoning: ReasoningOptions | None = None
    """Options of the reasoning."""
    metadata: dict[str, str] | None = None
    """Returned unchanged."""

    tools: list[dict[str, Any]] | None = None
    """Never called. The agent always has the code interpreter."""
    text: TextOptions | None = None
    """Only {"format": {"type": "text"}}."""
    previous_response_id: str | None = None
    """Only null: nothing is stored."""
    conversation: Any = None
    """Only null: nothing is stored."""
    background: bool | None = None
    """Only false."""
    prompt: Any = None
    """Only null: prompts are not stored."""

    def agent_request(self) -> AgentRequest:
        """Return the request for the agent. Raises ApiError for unsupported values."""
        self.reject(
            text=not is_text(self.text.format if self.text else None),
            previous_response_id=self.previous_response_id is not None,
            conversation=self.conversation is not None,
            background=bool(self.background),
            prompt=self.prompt is not None,
        )
        items = [InputItem(role="user", content=self.input)] if isinstance(self.input, str) else self.input
        messages: list[tuple[str, InputMessage]] = []
        if self.instructions:
            messages.append(("instructions", InputMessage(role="system", content=self.instructions)))
        for number, item in enumerate(items):
            if item.type not in IGNORED_ITEMS:
                messages.append((f"input.{number}", _message(item, f"input.{number}")))
        effort = self.reasoning.effort if self.reasoning else None
        return self.build(messages, "input", max_tokens=self.max_output_tokens, effort=effort)


def _message(item: InputItem, param: str) -> InputItem:
    if item.type == "item_reference":
        raise ApiError(
            400, "item references are not supported because nothing is stored; send the item itself", param=param
        )
    if item.type != "message":
        raise ApiError(400, f"an item of type {item.type[:50]!r} is not supported; give messages", param=param)
    return item
