"""The body of `POST /v1/chat/completions`: what is honoured, what is ignored, and what is refused with a reason.

Fields that would change the answer and can't be honoured are refused, since an answer that silently lacks something is
worse than none. Those that do not bear on it (`user`, `metadata`, `store`, ...) and unknown ones are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from storm_calm.env import Message
from storm_calm.serving.api.agent_request import Ask, Effort, check_files, decoded, is_forced, named_file
from storm_calm.serving.api.errors import ApiError

UNSAID = frozenset({"refusal", "thinking", "redacted_thinking", "reasoning"})
"""Parts of an assistant's earlier messages that are passed over: no model sees another's thoughts."""


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class FileData(_Lenient):
    """A file, as OpenAI's API takes it."""

    filename: str | None = None
    """Its name."""
    file_data: str | None = None
    """Its content: a data address, or base64."""


class Part(_Lenient):
    """A part of a message."""

    type: str
    """text or file; image_url, input_audio and others are refused."""
    text: str | None = None
    """The text of a text part."""
    file: FileData | None = None
    """The file of a file part."""


class ChatMessage(_Lenient):
    """A message."""

    role: str
    """system, developer, user or assistant; tool and function are refused."""
    content: str | list[Part] | None = None
    """Text, or parts of it."""


class StreamOptions(_Lenient):
    """How to stream."""

    include_usage: bool | None = None
    """Whether the last chunk tells how many tokens there were."""


class StormOptions(BaseModel):
    """What this server takes beyond OpenAI's API."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, str] = Field(default_factory=dict)
    """Text files that programs find in their folder, by name."""


class ChatRequest(_Lenient):
    """A chat."""

    model: str
    """As in /v1/models."""
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    """The conversation; the last message is the user's."""
    stream: bool | None = None
    """Whether to send the answer as it is written."""
    stream_options: StreamOptions | None = None
    """How to stream."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely tokens are drawn; the model's own by default."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Draw from the likeliest tokens that together have this probability."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of the answer, thoughts, programs and their output included."""
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    """The newer name of max_tokens."""
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    """Strings at which the answer ends."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """For the same answer again."""
    reasoning_effort: Effort | None = None
    """How many tokens and programs to spend."""
    storm: StormOptions | None = None
    """What goes beyond OpenAI's API."""

    n: int | None = None
    """Only 1."""
    logprobs: bool | None = None
    """Only false."""
    top_logprobs: int | None = None
    """Only 0."""
    tools: list[Any] | None = None
    """Never called: the agent has a tool of its own, and runs it itself."""
    tool_choice: str | dict[str, Any] | None = None
    """Only auto and none, which leave it to the agent; many clients send tools with every chat."""
    functions: list[Any] | None = None
    """The older name of tools."""
    function_call: str | dict[str, Any] | None = None
    """The older name of tool_choice."""
    response_format: dict[str, Any] | None = None
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

    def ask(self) -> Ask:
        """What is asked for. Raises ApiError for what can't be done."""
        self._refuse()
        files = [(named_file(name, "storm.files"), text.encode()) for name, text in self._given().items()]
        messages: list[Message] = []
        for number, message in enumerate(self.messages):
            text, attached = _read(message, f"messages.{number}")
            messages.append({"role": _role(message.role, f"messages.{number}.role"), "content": text})
            files += attached
        return Ask(
            messages=tuple(messages),
            files=check_files(files, "messages"),
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            effort=self.reasoning_effort or "medium",
            stop=stops(self.stop),
        )

    def _given(self) -> dict[str, str]:
        return self.storm.files if self.storm else {}

    def _refuse(self) -> None:
        refused: list[tuple[str, bool, str]] = [
            ("n", self.n not in (None, 1), "one answer a request"),
            ("logprobs", bool(self.logprobs), "log-probabilities are not given"),
            ("top_logprobs", bool(self.top_logprobs), "log-probabilities are not given"),
            ("tool_choice", is_forced(self.tool_choice), "the agent calls its own tool alone; give auto, or none"),
            ("function_call", is_forced(self.function_call), "the agent calls its own tool alone; give auto, or none"),
            (
                "response_format",
                (self.response_format or {}).get("type", "text") != "text",
                "answers are text; the facts are in the answer's storm field as JSON",
            ),
            ("modalities", any(word != "text" for word in self.modalities or ()), "answers are text"),
            ("audio", self.audio is not None, "answers are text"),
            ("logit_bias", bool(self.logit_bias), "tokens are drawn as the model has them"),
            ("presence_penalty", bool(self.presence_penalty), "tokens are drawn as the model has them"),
            ("frequency_penalty", bool(self.frequency_penalty), "tokens are drawn as the model has them"),
        ]
        for param, wrong, why in refused:
            if wrong:
                raise ApiError(400, f"{param} is not supported here: {why}", param=param, code="unsupported_parameter")


def stops(stop: str | list[str] | None) -> tuple[str, ...]:
    """The caller's stop strings. Raises ApiError for an empty one."""
    words = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if any(not word or len(word) > 500 for word in words):
        raise ApiError(400, "a stop string has 1 to 500 characters", param="stop")
    return words


def _role(role: str, param: str) -> str:
    if role == "developer":
        return "system"
    if role in ("system", "user", "assistant"):
        return role
    raise ApiError(400, f"role {role[:50]!r} is not supported; give system, developer, user or assistant", param=param)


def _read(message: ChatMessage, param: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A message's text, and the files that are attached to it."""
    if not isinstance(message.content, list):
        return message.content or "", []
    texts: list[str] = []
    files: list[tuple[str, bytes]] = []
    for number, part in enumerate(message.content):
        place = f"{param}.content.{number}"
        if message.role == "assistant" and part.type in UNSAID:
            continue
        if part.type in ("text", "input_text", "output_text") and part.text is not None:
            texts.append(part.text)
        elif part.type == "file" and part.file is not None:
            files.append(_file(part.file, place))
        else:
            raise ApiError(400, f"a part of type {part.type[:50]!r} is not supported; give text, or file", param=place)
    return "\n".join(texts), files


def _file(file: FileData, place: str) -> tuple[str, bytes]:
    if file.file_data is None or file.filename is None:
        raise ApiError(400, "a file needs filename and file_data; files are not kept here", param=f"{place}.file")
    name = named_file(file.filename, f"{place}.file.filename")
    return name, decoded(file.file_data, f"{place}.file.file_data")
