"""The body of `POST /v1/chat/completions`: supported fields, and those that are rejected with a reason."""

from typing import Annotated, Any

from pydantic import Field

from storm_calm.serving.api.agent_request import AgentRequest, Effort
from storm_calm.serving.api.request_body import InputMessage, RequestBody, RequestModel, is_forced
from storm_calm.serving.api.response_format import ResponseFormat


class StreamOptions(RequestModel):
    """Options of a stream."""

    include_usage: bool | None = None
    """Whether the last chunk has token counts."""


class ChatRequest(RequestBody):
    """A chat."""

    messages: Annotated[list[InputMessage], Field(min_length=1, max_length=1000)]
    """The conversation; the last message must have role user."""
    stream_options: StreamOptions | None = None
    """Options of a stream."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of the answer, including thoughts, programs and their output."""
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    """The newer name of max_tokens."""
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    """Strings that end the answer."""
    reasoning_effort: Effort | None = None
    """How many tokens and programs the agent may use."""

    n: int | None = None
    """Only 1."""
    logprobs: bool | None = None
    """Only false."""
    tools: list[Any] | None = None
    """Never called: the agent only uses its own tool."""
    functions: list[Any] | None = None
    """The older name of tools."""
    function_call: str | dict[str, Any] | None = None
    """The older name of tool_choice."""
    response_format: ResponseFormat | None = None
    """text, json_object or json_schema: with the last two the answer is JSON that a program wrote."""
    modalities: list[str] | None = None
    """Only ["text"]."""
    audio: dict[str, Any] | None = None
    """Only null."""
    logit_bias: dict[str, Any] | None = None
    """Only null or empty."""
    presence_penalty: float | None = None
    """Only 0."""
    frequency_penalty: float | None = None
    """Only 0."""

    @property
    def usage_wanted(self) -> bool:
        """Whether a stream ends with token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def agent_request(self) -> AgentRequest:
        """Return the request for the agent. Raises ApiError for unsupported values."""
        self.reject(
            n=self.n not in (None, 1),
            logprobs=bool(self.logprobs),
            function_call=is_forced(self.function_call),
            modalities=any(word != "text" for word in self.modalities or ()),
            audio=self.audio is not None,
            logit_bias=bool(self.logit_bias),
            presence_penalty=bool(self.presence_penalty),
            frequency_penalty=bool(self.frequency_penalty),
        )
        return self.build(
            [(f"messages.{number}", message) for number, message in enumerate(self.messages)],
            "messages",
            max_tokens=self.max_completion_tokens or self.max_tokens,
            effort=self.reasoning_effort,
            stop=self.stop,
            reply=self.response_format.schema_of("response_format") if self.response_format else None,
        )
