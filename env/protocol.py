"""The two text protocols: how a model writes code and sees its output.

`Inline`, the default: a ```` ```python ```` block, answered by an ```` ```output ```` block, as in arXiv 2510.04204.
`ToolCall`: a `<tool_call>` of `run_python`, answered by a `<tool_response>`, as in the training of Qwen3 and Hermes.
Both read the untrusted text since the last observation.
"""

import json
import re
import typing
from dataclasses import dataclass
from typing import Literal

from storm_calm.env.answers import last_boxed
from storm_calm.env.code_fences import CODE_CLOSING, CODE_OPENING, FENCE, OUTPUT_START
from storm_calm.env.output_blocks import observed
from storm_calm.env.reasoner import Message
from storm_calm.env.system_prompt import INLINE_PROMPT, TOOL_CALL_PROMPT
from storm_calm.sandbox import Execution


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """The action requested by a model's text."""

    kind: Literal["code", "answer", "none"]
    """"code": a complete program, whatever else the text has; "answer": a boxed answer and no opened code block."""
    code: str | None = None
    """The program; None unless `kind` is "code"."""
    start: int | None = None
    """Start offset of the first code block, complete or not; None without one."""
    end: int
    """Offset after the code block and its line break; the text's length without a program."""


class Protocol(typing.Protocol):
    """The notation of code and observations in text."""

    @property
    def name(self) -> str:
        """Name in configurations."""

    @property
    def instructions(self) -> str:
        """The system prompt for models that were not trained on the protocol."""

    @property
    def stop(self) -> tuple[str, ...]:
        """The stop strings of generation, which are kept in the text."""

    def messages(self, question: str, instructions: str | None = None) -> list[Message]:
        """Return the first messages of an episode. instructions: replace the protocol's own; "" for none."""

    def read(self, text: str) -> Action:
        """Return the first action in `text`, the model's text since the last observation."""

    def remove_output(self, text: str) -> str:
        """Return `text` up to the first output block, which the model must not write."""

    def observation(self, execution: Execution, *, last: bool) -> str:
        """Return the observation of an execution. last: no further execution is allowed."""


class _TextProtocol:
    """The parts that both protocols share."""

    instructions: str
    output_start: str

    def messages(self, question: str, instructions: str | None = None) -> list[Message]:
        instructions = self.instructions if instructions is None else instructions
        user: Message = {"role": "user", "content": question}
        return [{"role": "system", "content": instructions}, user] if instructions else [user]

    def remove_output(self, text: str) -> str:
        return text.partition(self.output_start)[0]


class Inline(_TextProtocol):
    """Code and output as fenced blocks in running text."""

    name = "inline"
    output_start = OUTPUT_START
    stop = (f"{FENCE}\n", output_start)
    instructions = INLINE_PROMPT

    def read(self, text: str) -> Action:
        opening = CODE_OPENING.search(text)
        closing = CODE_CLOSING.search(text, opening.end()) if opening else None
        if opening and closing:
            code = text[opening.end() : closing.start()]
            return Action(kind="code", code=code, start=opening.start(), end=closing.end())
        return _no_program(text, opening)

    def observation(self, execution: Execution, *, last: bool) -> str:
        return f"{self.output_start}\n{observed(execution, last=last)}\n{FENCE}\n"


class ToolCall(_TextProtocol):
    """Code as the native tool call of chat models. The response follows the call in the same turn."""

    name = "tool_call"
    output_start = "<tool_response>"
    stop = ("</tool_call>", output_start)
    instructions = TOOL_CALL_PROMPT

    def read(self, text: str) -> Action:
        end = 0
        # One expression for a whole call would take quadratic time if calls are never closed.
        while opening := re.compile("<tool_call>").search(text, end):
            closing = re.compile(r"</tool_call>\s*").search(text, opening.end())
            if closing is None:
                return _no_program(text, opening)
            code = _called(text[opening.end() : closing.start()])
            if code is not None:
                return Action(kind="code", code=code, start=opening.start(), end=closing.end())
            end = closing.end()
        return _no_program(text, None)

    def observation(self, execution: Execution, *, last: bool) -> str:
        return f"{self.output_start}\n{observed(execution, last=last)}\n</tool_response>\n"


PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (Inline(), ToolCall())}
"""The protocols by name."""


def _no_program(text: str, opening: re.Match[str] | None) -> Action:
    if opening:
        return Action(kind="none", start=opening.start(), end=len(text))
    return Action(kind="none" if last_boxed(text) is None else "answer", end=len(text))


def _called(call: str) -> str | None:
    """Return the program in the JSON of a call, or None for a call of another tool."""
    try:
        data = json.loads(call, strict=False)
        code = data["arguments"]["code"] if data["name"] == "run_python" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return code if isinstance(code, str) else None
