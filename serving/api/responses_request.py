"""The body of `POST /v1/responses`: the same agent by OpenAI's newer API.

Nothing is stored, so a client that continues a conversation sends it whole; the items of earlier answers may be among
the input, and what is not a message there (thoughts, programs) is passed over.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from storm_calm.serving.api.agent_request import AgentRequest, Effort
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.request_body import InputMessage, RequestBody, RequestModel, TextFormat, is_text

IGNORED_ITEMS = ("reasoning", "code_interpreter_call")
"""Items of earlier answers that the model does not see again."""


class InputItem(InputMessage):
    """A message, or an item of an earlier answer."""

    type: str = "message"
    """message, or what an earlier answer had."""


class ReasoningOptions(RequestModel):
    """How to think."""

    effort: Effort | None = None
    """How many tokens and programs to use."""


class TextOptions(RequestModel):
    """What the answer's text is to be."""

    format: TextFormat | None = None
    """Only {"type": "text"}."""


class ResponsesRequest(RequestBody):
    """A request for a response."""

    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=1000)]
    """The question, or the conversation that ends with it."""
    instructions: str | None = None
    """A system message."""
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of the answer, thoughts, programs and their output included."""
    reasoning: ReasoningOptions | None = None
    """How to think."""
    metadata: dict[str, str] | None = None
    """Given back as it is."""

    tools: list[dict[str, Any]] | None = None
    """Never called, but for the code interpreter, which the agent has anyway."""
    text: TextOptions | None = None
    """Only {"format": {"type": "text"}}."""
    previous_response_id: str | None = None
    """None: nothing is stored."""
    conversation: Any = None
    """None: nothing is stored."""
    background: bool | None = None
    """Only false."""
    prompt: Any = None
    """None: there are no stored prompts."""

    def agent_request(self) -> AgentRequest:
        """Return the request for the agent. Raises ApiError for what can't be done."""
        unstored = "nothing is stored; send the whole input"
        self.refuse(
            text=(
                not is_text(self.text.format if self.text else None),
                "answers are text; the facts are in the answer's storm field as JSON",
            ),
            previous_response_id=(self.previous_response_id is not None, unstored),
            conversation=(self.conversation is not None, unstored),
            background=(bool(self.background), "answers come at once"),
            prompt=(self.prompt is not None, "there are no stored prompts"),
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
        raise ApiError(400, "an item can't be referred to: nothing is stored; send the item itself", param=param)
    if item.type != "message":
        raise ApiError(400, f"an item of type {item.type[:50]!r} is not supported; give messages", param=param)
    return item
