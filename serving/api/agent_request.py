"""A request to the agent, the same for both APIs: question, earlier turns, files and limits.

    request = AgentRequest(messages=[{"role": "user", "content": "..."}], files={"costs.csv": b"a,b"})
    request.question, request.before

Trained models know only the system message of the environment, so the one of a client goes before the first question.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from storm_calm.env import Message
from storm_calm.env.problem import Output
from storm_calm.env.solver_env import DEFAULT_TOKENS
from storm_calm.sandbox.file_names import normalized_path
from storm_calm.serving.api.api_errors import ApiError

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""The reasoning effort of OpenAI's APIs."""

EFFORTS: dict[Effort, tuple[float, float]] = {
    "none": (0.25, 0.25),
    "minimal": (0.25, 0.25),
    "low": (0.5, 0.5),
    "medium": (1.0, 1.0),
    "high": (1.0, 2.0),
    "xhigh": (1.0, 4.0),
    "max": (1.0, 8.0),
}
"""Per effort: its share of the server's token limit for an answer, and of its limit on programs."""

FILES = 20
"""Most files in a request."""
_TOKEN_CHARACTERS = 16
"""Most characters per token over a whole text: about four in words, more only in runs of spaces."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentRequest:
    """A request to the agent, from either API."""

    messages: tuple[Message, ...]
    """System, user and assistant messages; the last is a user message."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files for the working directory of programs, by name."""
    temperature: float | None = None
    """None for the default of the reasoner."""
    top_p: float | None = None
    """None for the default of the reasoner."""
    seed: int | None = None
    """None for a random one."""
    max_tokens: int | None = None
    """Most tokens of the answer, including thoughts, programs and their output."""
    effort: Effort = "medium"
    stop: tuple[str, ...] = ()
    """Strings that end the answer and are left out. They are not searched in thoughts and programs."""
    return_files: bool = False
    """Whether the answer has files."""
    return_record: bool = False
    """Whether the answer has the report on the plan and the record of its solve."""
    keep_files: bool = False
    """Whether the files of the plan and those of programs are kept for downloads."""
    outputs: tuple[Output, ...] = ()
    """Files that a program must write. Their texts are in the answer."""
    reply_path: str = ""
    """The one of `outputs` whose JSON is the whole answer; "" for an answer in words."""
    param: str = "messages"
    """The field of the body that has the messages, for errors."""

    def __post_init__(self) -> None:
        if not self.messages or self.messages[-1]["role"] != "user":
            raise ApiError(400, "the last message must have role user", param=self.param)
        if not self.messages[-1]["content"].strip():
            raise ApiError(400, "the last message is empty; give the problem to solve", param=self.param)

    @property
    def question(self) -> str:
        """The last message; with the system messages if it is the first turn."""
        instructions = [] if self.before else self._instructions
        return "\n\n".join([*instructions, self.messages[-1]["content"].strip()])

    @property
    def before(self) -> tuple[Message, ...]:
        """The earlier turns, with the system messages before the first."""
        turns = [Message(role=turn["role"], content=turn["content"]) for turn in self.messages[:-1]]
        turns = [turn for turn in turns if turn["role"] != "system" and turn["content"].strip()]
        if turns:
            words = "\n\n".join([*self._instructions, turns[0]["content"]])
            turns[0] = Message(role=turns[0]["role"], content=words)
        return tuple(turns)

    @property
    def _instructions(self) -> list[str]:
        texts = (turn["content"].strip() for turn in self.messages if turn["role"] == "system")
        return [text for text in texts if text]


def check_size(request: AgentRequest, context: int | None) -> AgentRequest:
    """Return the request. Raises ApiError if its text is certainly longer than the context.

    context: tokens; None if unknown.
    """
    most = (context or DEFAULT_TOKENS) * _TOKEN_CHARACTERS
    size = sum(len(message["content"]) for message in request.messages)
    if size > most:
        raise too_long(f"has {size} characters; at most {most} can fit", context, request.param)
    return request


def too_long(what: str, context: int | None, param: str) -> ApiError:
    """Return the error at which clients shorten the conversation and retry. param: the field that has it."""
    message = f"the conversation {what}. The context has {context or DEFAULT_TOKENS} tokens, including the answer. "
    return ApiError(400, f"{message}Shorten it", param=param, code="context_length_exceeded")


def check_file_name(name: str, param: str) -> str:
    """Return the normalized name of a file. Raises ApiError if it is not a valid one."""
    shown = repr(name[:100])
    try:
        path = normalized_path(name)
    except ValueError as error:
        raise ApiError(400, f"{shown} is not a file name: {error}", param=param) from None
    if "/" in path or path.startswith("."):
        raise ApiError(400, f"{shown} is not a file name; give one without a folder and leading dot", param=param)
    if path == "main.py":
        raise ApiError(400, "main.py is the name of the program itself; rename the file", param=param)
    return path


def decode_file(data: str, param: str) -> bytes:
    """Decode the content of a file from base64 or a data URL. Raises ApiError."""
    encoded = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise ApiError(400, f"the file data is not base64: {error}", param=param) from None


def unique_files(files: Sequence[tuple[str, bytes]], param: str) -> dict[str, bytes]:
    """Return the files by name. Raises ApiError for too many files and for duplicate names."""
    if len(files) > FILES:
        raise ApiError(400, f"{len(files)} files; a request can have at most {FILES}", param=param)
    found: dict[str, bytes] = {}
    for name, content in files:
        if name in found:
            raise ApiError(400, f"two files are named {name!r}; rename one", param=param)
        found[name] = content
    return found
