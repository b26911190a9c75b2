"""What a request asks for, whichever API it came by: a question, what was said before it, files, and limits.

    request = AgentRequest(messages=[{"role": "user", "content": "..."}], files={"costs.csv": b"a,b"})
    request.question, request.before

A system message is not a turn of its own: trained models know only the environment's, so it is put before the first
question.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import orjson

from storm_calm.env import Message
from storm_calm.env.solver_env import DEFAULT_TOKENS
from storm_calm.serving.api.api_errors import ApiError

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
"""How hard to try, as clients say it."""

EFFORTS: dict[Effort, tuple[float, float]] = {
    "none": (0.25, 0.25),
    "minimal": (0.25, 0.25),
    "low": (0.5, 0.5),
    "medium": (1.0, 1.0),
    "high": (1.0, 2.0),
    "xhigh": (1.0, 4.0),
}
"""What each effort is a share of: the server's tokens for an answer, and its programs."""

FILES = 20
"""Files that may come with a request."""
_TOKEN_BYTES = 16
"""Characters that a token has at most in a whole text: some four in words, and more only in runs of spaces."""
_COLUMN = 60  # characters of a column's name, or a key, that are told
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentRequest:
    """A request to the agent, from either API."""

    messages: tuple[Message, ...]
    """The conversation: system, user and assistant messages, the last of them the user's."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that programs find in their folder."""
    temperature: float | None = None
    """As in `env.Sampling`; the reasoner's own by default."""
    top_p: float | None = None
    """As in `env.Sampling`; the reasoner's own by default."""
    seed: int | None = None
    """For the same answer again; another each time by default."""
    max_tokens: int | None = None
    """Tokens of the answer, thoughts, programs and their output included."""
    effort: Effort = "medium"
    """How hard to try."""
    stop: tuple[str, ...] = ()
    """Strings at which the answer ends; they are left out. Thoughts and programs are not looked at."""

    def __post_init__(self) -> None:
        if not self.messages or self.messages[-1]["role"] != "user":
            raise ApiError(400, "the last message must be the user's", param="messages")
        if not self.messages[-1]["content"].strip():
            raise ApiError(400, "the last message is empty; say what is to be solved", param="messages")

    @property
    def question(self) -> str:
        """The last message, with what a system message says where there is no earlier one, and the files' names."""
        instructions = [] if self.before else self._instructions
        return "\n\n".join([*instructions, self.messages[-1]["content"].strip(), *describe_files(self.files)])

    @property
    def before(self) -> tuple[Message, ...]:
        """The turns before the question."""
        turns = [Message(role=turn["role"], content=turn["content"]) for turn in self.messages[:-1]]
        turns = [turn for turn in turns if turn["role"] != "system" and turn["content"].strip()]
        if turns:
            words = "\n\n".join([*self._instructions, turns[0]["content"]])
            turns[0] = Message(role=turns[0]["role"], content=words)
        return tuple(turns)

    @property
    def _instructions(self) -> list[str]:
        said = (turn["content"].strip() for turn in self.messages if turn["role"] == "system")
        return [words for words in said if words]


def check_size(request: AgentRequest, context: int | None) -> AgentRequest:
    """Return the same request, unless its text is so long that it can't fit, whatever its tokens are.

    context: tokens that the model holds; None if that is not known. Raises ApiError.
    """
    most = (context or DEFAULT_TOKENS) * _TOKEN_BYTES
    size = sum(len(message["content"]) for message in request.messages)
    if size > most:
        raise too_long(f"has {size} characters, and no text of more than {most} fits", context)
    return request


def too_long(what: str, context: int | None) -> ApiError:
    """Return the error that makes clients shorten the conversation and ask again."""
    holds = f"the model holds {context or DEFAULT_TOKENS} tokens, the answer among them"
    return ApiError(
        400,
        f"the conversation {what}; {holds}. Shorten it",
        param="messages",
        code="context_length_exceeded",
    )


def describe_files(files: Mapping[str, bytes]) -> list[str]:
    """Return the prompt's paragraph about the files, or nothing."""
    if not files:
        return []
    lines = [f"- {name}: {_shape(name, content)}" for name, content in sorted(files.items())]
    return ["Data files in the program's working directory:\n" + "\n".join(lines)]


def _shape(name: str, content: bytes) -> str:
    """What is in a file, as far as its first lines tell."""
    text = content.decode("utf-8", errors="replace")
    if name.lower().endswith(".json"):
        try:
            data = orjson.loads(content)
        except ValueError:
            return f"{len(content)} bytes"
        if isinstance(data, dict):
            return f"JSON object with {_listed(list(data)) or 'nothing'}"
        return f"JSON list of {len(data)}" if isinstance(data, list) else "JSON"
    if name.lower().endswith((".csv", ".tsv")):
        header, *rows = text.split("\n")
        with contextlib.suppress(csv.Error):
            for columns in csv.reader(
                [header] if header else [], delimiter="\t" if name.lower().endswith(".tsv") else ","
            ):
                return f"{sum(bool(row.strip()) for row in rows)} rows, columns {_listed(columns)}"
    return f"{len(text.splitlines())} lines of text"


def _listed(names: Sequence[str]) -> str:
    """The first names, cut where they are long."""
    return ", ".join(name if len(name) <= _COLUMN else f"{name[:_COLUMN]}..." for name in names[:20])


def check_file_name(name: str, param: str) -> str:
    """Return `name` if it is a valid file name. Raises ApiError."""
    if not _NAME.match(name):
        raise ApiError(
            400, f"{name[:100]!r} is no file name; give letters, digits, _, - and ., without a folder", param=param
        )
    return name


def decode_file(data: str, param: str) -> bytes:
    """Return the content of a file that came as a data address, as base64, or both. Raises ApiError."""
    encoded = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise ApiError(400, f"the file's data is no base64: {error}", param=param) from None


def unique_files(files: Sequence[tuple[str, bytes]], param: str) -> dict[str, bytes]:
    """Return the files by name. Raises ApiError if there are too many, or two of a name."""
    if len(files) > FILES:
        raise ApiError(400, f"{len(files)} files; at most {FILES} go with a request", param=param)
    found: dict[str, bytes] = {}
    for name, content in files:
        if name in found:
            raise ApiError(400, f"two files are called {name!r}", param=param)
        found[name] = content
    return found
