"""What the bodies of both APIs have in common: who asks for what, the content of messages, files, and refusals.

Fields that would change the answer and can't be honoured are refused, since an answer that silently lacks something is
worse than none. Those that do not bear on it (`user`, `metadata`, `store`, ...) and unknown ones are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from storm_calm.env import Message
from storm_calm.serving.api.agent_request import AgentRequest, Effort, check_file_name, decode_file, unique_files
from storm_calm.serving.api.api_errors import ApiError

IGNORED_PARTS = frozenset({"refusal", "thinking", "redacted_thinking", "reasoning"})
"""Parts of an assistant's earlier messages that are passed over: no model sees another's thoughts."""
TEXT_PARTS = ("text", "input_text", "output_text")


class RequestModel(BaseModel):
    """A part of a request's body; the docstrings of its fields are shown at /docs."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class FileData(RequestModel):
    """A file with its content."""

    filename: str | None = None
    """Its name."""
    file_data: str | None = None
    """Its content: a data address, or base64."""

    def read(self, param: str) -> tuple[str, bytes]:
        """Return the file's name and content. Raises ApiError."""
        if self.file_data is None or self.filename is None:
            raise ApiError(400, "a file needs filename and file_data; files are not kept here", param=param)
        name = check_file_name(self.filename, f"{param}.filename")
        return name, decode_file(self.file_data, f"{param}.file_data")


class ContentPart(FileData):
    """A part of a message; an `input_file` part is a file itself."""

    type: str
    """text, input_text, output_text, file or input_file; image_url, input_audio and others are refused."""
    text: str | None = None
    """The text of a text part."""
    file: FileData | None = None
    """The file of a file part."""


class InputMessage(RequestModel):
    """A message of the conversation."""

    role: str | None = None
    """system, developer, user or assistant; tool and function are refused."""
    content: str | list[ContentPart] | None = None
    """Text, or parts of it."""

    def read(self, param: str) -> tuple[Message, list[tuple[str, bytes]]]:
        """Return the message as text, and the files that are attached to it. Raises ApiError."""
        role = "system" if self.role == "developer" else self.role or ""
        if role not in ("system", "user", "assistant"):
            why = f"role {role[:50]!r} is not supported; give system, developer, user or assistant"
            raise ApiError(400, why, param=f"{param}.role")
        if not isinstance(self.content, list):
            return {"role": role, "content": self.content or ""}, []
        texts: list[str] = []
        files: list[tuple[str, bytes]] = []
        for number, part in enumerate(self.content):
            place = f"{param}.content.{number}"
            if role == "assistant" and part.type in IGNORED_PARTS:
                continue
            if part.type in TEXT_PARTS and part.text is not None:
                texts.append(part.text)
            elif part.type == "file" and part.file is not None:
                files.append(part.file.read(f"{place}.file"))
            elif part.type == "input_file":
                files.append(part.read(place))
            else:
                why = f"a part of type {part.type[:50]!r} is not supported; give text, or a file with its data"
                raise ApiError(400, why, param=place)
        return {"role": role, "content": "\n".join(texts)}, files


class StormOptions(RequestModel):
    """What this server takes beyond OpenAI's API."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, str] = Field(default_factory=dict)
    """Text files that programs find in their folder, by name."""


class TextFormat(RequestModel):
    """The format of an answer."""

    type: str = "text"
    """Only text."""


class RequestBody(RequestModel):
    """The fields that both APIs have."""

    model: str
    """As in /v1/models."""
    stream: bool | None = None
    """Whether to send the answer as it is written."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely tokens are drawn; the model's own by default."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Draw from the likeliest tokens that together have this probability."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """For the same answer again."""
    storm: StormOptions | None = None
    """What goes beyond OpenAI's API."""
    top_logprobs: int | None = None
    """Only 0."""
    tool_choice: str | dict[str, Any] | None = None
    """Only auto and none, which leave it to the agent; many clients send tools with every request."""

    def build(
        self,
        messages: Iterable[tuple[str, InputMessage]],
        param: str,
        *,
        max_tokens: int | None,
        effort: Effort | None,
        stop: str | list[str] | None = None,
    ) -> AgentRequest:
        """Return the request for the agent.

        messages: each with its place in the body. param: the place of all of them. Raises ApiError.
        """
        stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
        if any(not word or len(word) > 500 for word in stops):
            raise ApiError(400, "a stop string has 1 to 500 characters", param="stop")
        given = self.storm.files if self.storm else {}
        files = [(check_file_name(name, "storm.files"), text.encode()) for name, text in given.items()]
        turns: list[Message] = []
        for place, message in messages:
            turn, attached = message.read(place)
            turns.append(turn)
            files += attached
        return AgentRequest(
            messages=tuple(turns),
            files=unique_files(files, param),
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            max_tokens=max_tokens,
            effort=effort or "medium",
            stop=stops,
        )

    def refuse(self, **reasons: tuple[bool, str]) -> None:
        """Raise ApiError for the first field that is set to what can't be honoured.

        reasons: by field, whether it is, and why it can't be.
        """
        logprobs = (bool(self.top_logprobs), "log-probabilities are not given")
        tool = (is_forced(self.tool_choice), "the agent calls its own tool alone; give auto, or none")
        for param, (wrong, why) in {**reasons, "top_logprobs": logprobs, "tool_choice": tool}.items():
            if wrong:
                raise ApiError(400, f"{param} is not supported here: {why}", param=param, code="unsupported_parameter")


def is_text(format: TextFormat | None) -> bool:
    """Return whether a format is plain text, which all answers are."""
    return format is None or format.type == "text"


def is_forced(choice: Any) -> bool:
    """Return whether a `tool_choice` demands a tool of the client's, instead of leaving it to the agent."""
    if isinstance(choice, dict):
        return choice.get("type") != "code_interpreter" and choice.get("mode") != "auto"
    return choice not in (None, "auto", "none")
