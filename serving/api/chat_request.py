"""The body of `POST /v1/chat/completions`: what is honoured, and what is refused with a reason."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from storm_calm.serving.api.agent_request import AgentRequest, Effort
from storm_calm.serving.api.request_body import InputMessage, RequestBody, RequestModel, TextFormat, is_forced, is_text


class StreamOptions(RequestModel):
    """How to stream."""

    include_usage: bool | None = None
    """Whether the last chunk tells how many tokens there were."""


class ChatRequest(RequestBody):
    """A chat."""

    messages: Annotated[list[InputMessage], Field(min_length=1, max_length=1000)]
    """The conversation; the last message is the user's."""
    stream_options: StreamOptions | None = None
    """How to stream."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of the answer, thoughts, programs and their output included."""
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    """The newer name of max_tokens."""
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    """Strings at which the answer ends."""
    reasoning_effort: Effort | None = None
    """How many tokens and programs to use."""

    n: int | None = None
    """Only 1."""
    logprobs: bool | None = None
    """Only false."""
    tools: list[Any] | None = None
    """Never called: the agent has a tool of its own, and runs it itself."""
    functions: list[Any] | None = None
    """The older name of tools."""
    function_call: str | dict[str, Any] | None = None
    """The older name of tool_choice."""
    response_format: TextFormat | None = None
    """Only {"type": "text"}."""
    modalities: list[str] | None = None
    """Only ["text"]."""
    audio: dict[str, Any] | None = None
    """None."""
    logit_bias: dict[str, Any] | None = None
    """None, or empty."""
    presence_penalty: float | None = None
    """Only 0."""
    frequency_penalty: float | None = None
    """Only 0."""

    @property
    def usage_wanted(self) -> bool:
        """Whether a stream is to end with token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def agent_request(self) -> AgentRequest:
        """Return the request for the agent. Raises ApiError for what can't be done."""
        drawn = "tokens are drawn as the model has them"
        self.refuse(
            n=(self.n not in (None, 1), "one answer a request"),
            logprobs=(bool(self.logprobs), "log-probabilities are not given"),
            function_call=(is_forced(self.function_call), "the agent calls its own tool alone; give auto, or none"),
            response_format=(
                not is_text(self.response_format),
                "answers are text; the facts are in the answer's storm field as JSON",
            ),
            modalities=(any(word != "text" for word in self.modalities or ()), "answers are text"),
            audio=(self.audio is not None, "answers are text"),
            logit_bias=(bool(self.logit_bias), drawn),
            presence_penalty=(bool(self.presence_penalty), drawn),
            frequency_penalty=(bool(self.frequency_penalty), drawn),
        )
        return self.build(
            ((f"messages.{number}", message) for number, message in enumerate(self.messages)),
            "messages",
            max_tokens=self.max_completion_tokens or self.max_tokens,
            effort=self.reasoning_effort,
            stop=self.stop,
        )
