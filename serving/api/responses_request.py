"""The body of `POST /v1/responses`: the same agent by OpenAI's newer API.

Nothing is stored, so whoever goes on with a conversation sends it whole; the items of earlier answers may be among the
input, and what is not a message there (thoughts, programs) is passed over.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from storm_calm.env import Message
from storm_calm.serving.api.agent_request import Ask, Effort, check_files, decoded, is_forced, named_file
from storm_calm.serving.api.chat_request import UNSAID, StormOptions
from storm_calm.serving.api.errors import ApiError

PASSED = ("reasoning", "code_interpreter_call")
"""Items of earlier answers that the model does not see again."""


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class InputPart(_Lenient):
    """A part of a message."""

    type: str
    """input_text, output_text, input_file; images and others are refused."""
    text: str | None = None
    """The text of a text part."""
    filename: str | None = None
    """The name of a file part."""
    file_data: str | None = None
    """The content of a file part: a data address, or base64."""


class InputItem(_Lenient):
    """A message, or an item of an earlier answer."""

    type: str = "message"
    """message, or what an earlier answer had."""
    role: str | None = None
    """system, developer, user or assistant."""
    content: str | list[InputPart] | None = None
    """Text, or parts of it."""


class Reasoning(_Lenient):
    """How to think."""

    effort: Effort | None = None
    """How many tokens and programs to spend."""


class ResponsesRequest(_Lenient):
    """A request for a response."""

    model: str
    """As in /v1/models."""
    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=1000)]
    """The question, or the conversation that ends with it."""
    instructions: str | None = None
    """A system message."""
    stream: bool | None = None
    """Whether to send events as they happen."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely tokens are drawn; the model's own by default."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Draw from the likeliest tokens that together have this probability."""
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of the answer, thoughts, programs and their output included."""
    reasoning: Reasoning | None = None
    """How to think."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """For the same answer again."""
    metadata: dict[str, str] | None = None
    """Given back as it is."""
    storm: StormOptions | None = None
    """What goes beyond OpenAI's API."""

    tools: list[dict[str, Any]] | None = None
    """Never called, but for the code interpreter, which the agent has anyway."""
    tool_choice: str | dict[str, Any] | None = None
    """Only auto, none and the code interpreter."""
    text: dict[str, Any] | None = None
    """Only {"format": {"type": "text"}}."""
    previous_response_id: str | None = None
    """None: nothing is stored."""
    conversation: Any = None
    """None: nothing is stored."""
    background: bool | None = None
    """Only false."""
    prompt: Any = None
    """None: there are no stored prompts."""
    top_logprobs: int | None = None
    """Only 0."""

    def ask(self) -> Ask:
        """What is asked for. Raises ApiError for what can't be done."""
        self._refuse()
        messages: list[Message] = []
        given = self.storm.files if self.storm else {}
        files = [(named_file(name, "storm.files"), text.encode()) for name, text in given.items()]
        if self.instructions:
            messages.append({"role": "system", "content": self.instructions})
        items = [InputItem(role="user", content=self.input)] if isinstance(self.input, str) else self.input
        for number, item in enumerate(items):
            if item.type in PASSED:
                continue
            text, attached = _read(item, f"input.{number}")
            messages.append({"role": _role(item, f"input.{number}"), "content": text})
            files += attached
        effort = self.reasoning.effort if self.reasoning else None
        return Ask(
            messages=tuple(messages),
            files=check_files(files, "input"),
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            max_tokens=self.max_output_tokens,
            effort=effort or "medium",
        )

    def _refuse(self) -> None:
        form = ((self.text or {}).get("format") or {"type": "text"}).get("type", "text")
        refused: list[tuple[str, bool, str]] = [
            (
                "tool_choice",
                is_forced(self.tool_choice),
                "the agent has its code interpreter alone; give auto, or none",
            ),
            ("text", form != "text", "answers are text; the facts are in the answer's storm field as JSON"),
            ("previous_response_id", self.previous_response_id is not None, "nothing is stored; send the whole input"),
            ("conversation", self.conversation is not None, "nothing is stored; send the whole input"),
            ("background", bool(self.background), "answers come at once"),
            ("prompt", self.prompt is not None, "there are no stored prompts"),
            ("top_logprobs", bool(self.top_logprobs), "log-probabilities are not given"),
        ]
        for param, wrong, why in refused:
            if wrong:
                raise ApiError(400, f"{param} is not supported here: {why}", param=param, code="unsupported_parameter")


def _role(item: InputItem, param: str) -> str:
    if item.type == "item_reference":
        raise ApiError(400, "an item can't be referred to: nothing is stored; send the item itself", param=param)
    if item.type != "message":
        raise ApiError(400, f"an item of type {item.type[:50]!r} is not supported; give messages", param=param)
    if item.role in ("system", "developer"):
        return "system"
    if item.role in ("user", "assistant"):
        return item.role
    role = (item.role or "")[:50]
    raise ApiError(
        400, f"role {role!r} is not supported; give system, developer, user or assistant", param=f"{param}.role"
    )


def _read(item: InputItem, param: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A message's text, and the files that are attached to it."""
    if not isinstance(item.content, list):
        return item.content or "", []
    texts: list[str] = []
    files: list[tuple[str, bytes]] = []
    for number, part in enumerate(item.content):
        place = f"{param}.content.{number}"
        if item.role == "assistant" and part.type in UNSAID:
            continue
        if part.type in ("input_text", "output_text", "text") and part.text is not None:
            texts.append(part.text)
        elif part.type == "input_file" and part.file_data is not None and part.filename is not None:
            files.append(
                (named_file(part.filename, f"{place}.filename"), decoded(part.file_data, f"{place}.file_data"))
            )
        else:
            raise ApiError(
                400,
                f"a part of type {part.type[:50]!r} is not supported; give input_text, or input_file with filename "
                "and file_data",
                param=place,
            )
    return "\n".join(texts), files
