"""The body of `POST /v1/responses`, OpenAI's newer API for the same agent.

The input continues a stored response, or is the whole conversation. It may contain items of earlier answers, of which
only messages are used.
"""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from storm_calm.serving.api.agent_request import AgentRequest, Effort
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.request_body import InputMessage, RequestBody, RequestModel
from storm_calm.serving.api.response_format import NamedFormat
from storm_calm.serving.api.stored_responses import Conversation

IGNORED_ITEMS = frozenset({"reasoning", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response"})
"""Items of earlier answers that are skipped, and all with these endings: thoughts, and tools that are not here."""
IGNORED_ENDINGS = ("_call", "_output")


class InputItem(InputMessage):
    """A message, or an item of an earlier answer."""

    type: str | None = None
    """message, or the type of an item in an earlier answer; by default message."""
    id: str | None = None
    """The item's ID in an earlier answer. Without content it would refer to a stored item, and is rejected."""

    @property
    def kind(self) -> str:
        """The type, also if it is left out."""
        reference = self.type is None and self.role is None and self.content is None and self.id is not None
        return "item_reference" if reference else self.type or "message"

    @property
    def ignored(self) -> bool:
        """Whether it is an item of an earlier answer that the model does not see."""
        return self.kind in IGNORED_ITEMS or self.kind.endswith(IGNORED_ENDINGS)


class ReasoningOptions(RequestModel):
    """Options of the reasoning."""

    effort: Effort | None = None
    """How many tokens and programs the agent may use."""
    summary: str | None = None
    """Any value: send thoughts as the summaries of their items instead of their content."""


class TextOptions(RequestModel):
    """Options of the answer text."""

    format: NamedFormat | None = None
    """text, json_object or json_schema: with the last two the answer is JSON that a program wrote."""


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
    """The format of the answer."""
    store: bool | None = None
    """Whether the response and its files are kept for a while; by default they are."""
    previous_response_id: str | None = None
    """A stored response that the input continues."""
    conversation: Any = None
    """Only null: conversations are not stored."""
    background: bool | None = None
    """Whether to answer at once with a response in progress, to be fetched later."""
    prompt: Any = None
    """Only null: prompts are not stored."""

    @property
    def stored(self) -> bool:
        """Whether the response is kept. The default is that of OpenAI's API."""
        return self.store is not False

    @property
    def text_format(self) -> NamedFormat | None:
        return self.text.format if self.text else None

    def agent_request(self, earlier: Conversation | None = None) -> AgentRequest:
        """Return the request for the agent. Raises ApiError for unsupported values. earlier: what it continues."""
        self.reject(conversation=self.conversation is not None, prompt=self.prompt is not None)
        if self.background and not self.stored:
            raise ApiError(400, "an answer in the background must be stored; leave out store", param="store")
        items = [InputItem(role="user", content=self.input)] if isinstance(self.input, str) else self.input
        messages: list[tuple[str, InputMessage]] = []
        if self.instructions:
            messages.append(("instructions", InputMessage(role="system", content=self.instructions)))
        for message in earlier.messages if earlier else ():
            before = InputMessage(role=message["role"], content=message["content"])
            messages.append(("previous_response_id", before))
        for number, item in enumerate(items, start=1):
            if not item.ignored or number == len(items):
                messages.append((f"input.{number - 1}", _message(item, f"input.{number - 1}")))
        effort = self.reasoning.effort if self.reasoning else None
        request = self.build(
            messages,
            "input",
            max_tokens=self.max_output_tokens,
            effort=effort,
            reply=self.text_format.schema_of("text.format") if self.text_format else None,
            earlier_files=earlier.files if earlier else None,
        )
        return replace(request, keep_files=self.stored)


def _message(item: InputItem, param: str) -> InputItem:
    kind = item.kind
    if kind == "item_reference":
        raise ApiError(
            400, "item references are not supported; send the item itself, or previous_response_id", param=param
        )
    if item.ignored:
        fault = f"an item of type {kind[:50]!r} cannot be the last; end with a message of role user"
        raise ApiError(400, fault, param=param)
    if kind != "message":
        raise ApiError(400, f"an item of type {kind[:50]!r} is not supported; give messages", param=param)
    if item.content is None:
        raise ApiError(400, "a message needs content; items are not stored", param=f"{param}.content")
    return item
