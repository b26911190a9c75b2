"""The common parts of request bodies: messages, files, sampling parameters, and rejected fields.

Fields that would change the answer but are not supported are rejected. Fields without effect on it (`user`, `metadata`,
`store`, ...) and unknown fields are ignored.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from storm_calm.env import Message
from storm_calm.env.problem import Output
from storm_calm.serving.api.agent_request import AgentRequest, Effort, check_file_name, decode_file, unique_files
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.response_format import read_schema, reply_output

IGNORED_PARTS = frozenset({"refusal", "thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text"})
"""Parts of earlier assistant messages that are skipped: the model does not see earlier thoughts."""
TOOL_PARTS = frozenset({"tool_use", "tool_call", "tool_result"})
"""Parts of earlier messages that are skipped: another model's use of tools that are not here."""
TOOL_ROLES = ("tool", "function")
"""Roles of earlier messages that are skipped for the same reason."""
SYSTEM_ROLES = ("system", "developer")
TEXT_PARTS = ("text", "input_text", "output_text")

MAX_OUTPUTS = 5
"""The most outputs of a request."""

REASONS = {
    "n": "a request has one answer",
    **dict.fromkeys(("logprobs", "top_logprobs"), "log-probabilities are not available"),
    **dict.fromkeys(("tool_choice", "function_call"), "the agent only calls its own tool; give auto or none"),
    **dict.fromkeys(("modalities", "audio"), "answers are text"),
    **dict.fromkeys(("logit_bias", "presence_penalty", "frequency_penalty"), "token probabilities cannot be changed"),
    "conversation": "conversations are not stored; send the whole input, or previous_response_id",
    "prompt": "prompts are not stored",
}
"""Why fields with certain values are rejected."""


class RequestModel(BaseModel):
    """A part of a request body; its field docstrings are shown at /docs."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class FileData(RequestModel):
    """A file with its content, or an uploaded one."""

    filename: str | None = None
    """Name of the file; by default that of the uploaded file."""
    file_data: str | None = None
    """Content of the file: a data URL, or base64."""
    file_id: str | None = None
    """The ID of an uploaded file."""
    _uploaded: tuple[str, bytes] | None = PrivateAttr(default=None)

    def uploaded(self, name: str, content: bytes) -> None:
        """Set name and content of the uploaded file."""
        self._uploaded = name, content

    def read(self, param: str) -> tuple[str, bytes]:
        """Return name and content. Raises ApiError."""
        if self._uploaded is not None and self.file_data is None:
            name, content = self._uploaded
            return check_file_name(self.filename or name, f"{param}.filename"), content
        if self.file_data is None or self.filename is None:
            message = "a file needs filename and file_data, or file_id; URLs are not supported"
            raise ApiError(400, message, param=param)
        name = check_file_name(self.filename, f"{param}.filename")
        return name, decode_file(self.file_data, f"{param}.file_data")


class ContentPart(FileData):
    """A part of a message. An `input_file` part has the fields of a file."""

    type: str
    """text, input_text, output_text, file or input_file; image_url, input_audio and others are rejected."""
    text: str | None = None
    """The text of a text part."""
    file: FileData | None = None
    """The file of a file part."""


class InputMessage(RequestModel):
    """A message of the conversation."""

    role: str | None = None
    """system, developer, user or assistant. Earlier messages of tool and function are skipped."""
    content: str | list[ContentPart] | None = None
    """Text, or a list of parts."""
    audio: Any = None
    """Only null: no earlier audio is stored."""

    def read(self, param: str, *, last: bool) -> tuple[Message, list[tuple[str, bytes]]]:
        """Return the message as text, and its attached files. Raises ApiError. last: whether it is the question."""
        role = "system" if self.role == "developer" else self.role or ""
        if role not in ("system", "user", "assistant"):
            fault = "cannot have the last message" if role in TOOL_ROLES else "is not supported"
            why = f"role {role[:50]!r} {fault}; give system, developer, user or assistant"
            raise ApiError(400, why, param=f"{param}.role")
        if self.audio is not None:
            raise ApiError(400, "stored audio is not supported; send its transcript as text", param=f"{param}.audio")
        if not isinstance(self.content, list):
            return {"role": role, "content": self.content or ""}, []
        texts: list[str] = []
        files: list[tuple[str, bytes]] = []
        for number, part in enumerate(self.content):
            place = f"{param}.content.{number}"
            if role == "assistant" and part.type in IGNORED_PARTS:
                continue
            if not last and part.type in TOOL_PARTS:
                continue
            if part.type in TEXT_PARTS:
                if part.text is None:
                    raise ApiError(400, f"a part of type {part.type!r} needs text", param=f"{place}.text")
                texts.append(part.text)
            elif part.type == "file" and part.file is not None:
                files.append(part.file.read(f"{place}.file"))
            elif part.type == "input_file":
                files.append(part.read(place))
            else:
                why = f"a part of type {part.type[:50]!r} is not supported; give text, or a file with its data"
                raise ApiError(400, why, param=place)
        return {"role": role, "content": "\n".join(texts)}, files


def file_parts(messages: Sequence[InputMessage]) -> Iterator[tuple[str, FileData]]:
    """Yield the parts with the ID of an uploaded file, each after its path in the list."""
    for number, message in enumerate(messages):
        for place, part in enumerate(message.content if isinstance(message.content, list) else ()):
            file = part.file if part.type == "file" else part
            if file is not None and file.file_id is not None and part.type in ("file", "input_file"):
                yield f"{number}.content.{place}{'.file' if file is part.file else ''}", file


class WantedOutput(RequestModel):
    """A file that the agent's program must write."""

    model_config = ConfigDict(extra="forbid")

    path: str
    """Name of the file."""
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema (2020-12) of a JSON file; null for any text."""

    def read(self, param: str) -> Output:
        """Return the output. Raises ApiError for an invalid name or schema."""
        path = check_file_name(self.path, f"{param}.path")
        return Output(
            path=path, schema=None if self.json_schema is None else read_schema(self.json_schema, f"{param}.schema")
        )


class StormOptions(RequestModel):
    """Extensions of OpenAI's API."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, str] = Field(default_factory=dict)
    """Text files for the working directory of programs, by name."""
    outputs: list[WantedOutput] = Field(default_factory=list, max_length=MAX_OUTPUTS)
    """Files that the agent's program must write, such as the plan as JSON with a schema; they are in the answer."""
    return_files: bool = False
    """Whether the answer has files: the plan as CSV, the program, and the model as MPS and LP."""
    return_record: bool = False
    """Whether the answer has the report on the plan and the record of its solve, which the plan routes take."""


class RequestBody(RequestModel):
    """The fields that both APIs have."""

    model: str
    """A name from /v1/models."""
    stream: bool | None = None
    """Whether to send the answer as an event stream."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature; by default that of the model."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Sample from the most likely tokens with this total probability."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """Random seed, for reproducible answers."""
    storm: StormOptions | None = None
    """Extensions of OpenAI's API."""
    top_logprobs: int | None = None
    """Only 0."""
    tool_choice: str | dict[str, Any] | None = None
    """Only auto and none. Both leave tool use to the agent, since many clients always send tools."""

    def build(
        self,
        messages: Sequence[tuple[str, InputMessage]],
        param: str,
        *,
        max_tokens: int | None,
        effort: Effort | None,
        stop: str | list[str] | None = None,
        reply: dict[str, Any] | None = None,
        earlier_files: Mapping[str, bytes] | None = None,
    ) -> AgentRequest:
        """Return the request for the agent. Raises ApiError.

        messages: each with its path in the body. param: the path of the list. reply: the schema of an answer in JSON.
        earlier_files: those of the conversation that it continues.
        """
        stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
        if any(not word or len(word) > 500 for word in stops):
            raise ApiError(400, "a stop string has 1 to 500 characters", param="stop")
        given = self.storm.files if self.storm else {}
        files = [(check_file_name(name, "storm.files"), text.encode()) for name, text in given.items()]
        turns: list[Message] = []
        rest: list[Message] = []
        """The system messages after the question."""
        question = _question([message for _, message in messages])
        for number, (place, message) in enumerate(messages):
            if message.role in TOOL_ROLES and number < question:
                continue
            turn, attached = message.read(place, last=number == question)
            (turns if number <= question else rest).append(turn)
            files += attached
        turns[-1:-1] = [turn for turn in rest if turn["role"] == "system"]
        sent = unique_files(files, param)
        kept = [(name, content) for name, content in (earlier_files or {}).items() if name not in sent]
        found = unique_files([*kept, *sent.items()], param)
        outputs = self._outputs(set(found))
        answer = None if reply is None else reply_output(reply, {*found, *(output.path for output in outputs)})
        return AgentRequest(
            messages=tuple(turns),
            files=found,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            max_tokens=max_tokens,
            effort=effort or "medium",
            stop=stops,
            return_files=bool(self.storm and self.storm.return_files),
            return_record=bool(self.storm and self.storm.return_record),
            outputs=outputs if answer is None else (*outputs, answer),
            reply_path=answer.path if answer else "",
            param=param,
        )

    def _outputs(self, files: set[str]) -> tuple[Output, ...]:
        found: list[Output] = []
        for number, wanted in enumerate(self.storm.outputs if self.storm else ()):
            param = f"storm.outputs.{number}"
            output = wanted.read(param)
            if output.path in files or any(output.path == other.path for other in found):
                raise ApiError(400, f"{output.path!r} is given twice; rename one", param=f"{param}.path")
            found.append(output)
        return tuple(found)

    def reject(self, **unsupported: bool) -> None:
        """Raise ApiError for the first field that has an unsupported value. unsupported: whether it has, by field."""
        common = {"top_logprobs": bool(self.top_logprobs), "tool_choice": is_forced(self.tool_choice)}
        for param, rejected in {**unsupported, **common}.items():
            if rejected:
                message = f"{param} is not supported: {REASONS[param]}"
                raise ApiError(400, message, param=param, code="unsupported_parameter")


def _question(messages: Sequence[InputMessage]) -> int:
    """Return the index of the last message, apart from system messages and empty answers at the end.

    Clients append instructions, and an empty answer to be written.
    """
    for number in range(len(messages) - 1, -1, -1):
        message = messages[number]
        empty = message.role == "assistant" and not message.content and message.audio is None
        if not empty and message.role not in SYSTEM_ROLES:
            return number
    return len(messages) - 1


def is_forced(choice: Any) -> bool:
    """Return whether a `tool_choice` requires a tool of the client."""
    if isinstance(choice, dict):
        return choice.get("type") != "code_interpreter" and choice.get("mode") != "auto"
    return choice not in (None, "auto", "none")
