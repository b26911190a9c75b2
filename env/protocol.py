"""The two ways in which a model writes code into a run and gets to see what it printed.

`Inline`, the default: a ```` ```python ```` block, answered by an ```` ```output ```` block, as the authors of
arXiv 2510.04204 publish it. `ToolCall`: a `<tool_call>` of `run_python`, answered by a `<tool_response>`, as Qwen3 and
Hermes were trained to. Both read the text since the last observation, and none ever trusts it.
"""

from __future__ import annotations

import json
import re
import typing
from dataclasses import dataclass
from typing import Literal

from storm_calm.env.answers import last_boxed
from storm_calm.env.code_fences import CODE_CLOSING, CODE_OPENING, FENCE, OUTPUT_START
from storm_calm.env.output_blocks import observed, truncate_at_output
from storm_calm.env.reasoner import Message
from storm_calm.env.system_prompt import INLINE_PROMPT, TOOL_CALL_PROMPT
from storm_calm.sandbox import Execution


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """What a model's text asks for."""

    kind: Literal["code", "answer", "none"]
    """"code": a complete program, whatever else is there; "answer": a boxed answer and no program, not even begun."""
    code: str | None = None
    """The program; None unless `kind` is "code"."""
    start: int | None = None
    """The offset at which the first code block begins, be it complete or not; None without one."""
    end: int
    """The offset after the code block, its line break included; the text's length where there is no program."""


class Protocol(typing.Protocol):
    """How code and observations stand in a text."""

    @property
    def name(self) -> str:
        """Its name in configurations."""

    @property
    def instructions(self) -> str:
        """What a model is told that does not know the protocol yet."""

    @property
    def stop(self) -> tuple[str, ...]:
        """The strings at which generation must stop, themselves kept."""

    def messages(self, question: str, instructions: str | None = None) -> list[Message]:
        """The chat that opens a run; other `instructions` instead of the protocol's own, "" for none."""

    def read(self, text: str) -> Action:
        """The first thing that `text`, written since the last observation, asks for."""

    def remove_output(self, text: str) -> str:
        """Return `text` up to where the model begins to write an output itself."""

    def observation(self, execution: Execution, *, last: bool) -> str:
        """What the model gets to see of an execution; `last` if no other will be allowed."""


RESPONSE_START = "<tool_response>"
"""How the response to a tool call opens."""


class Inline:
    """Code and output as fenced blocks in running text."""

    name = "inline"
    stop = (f"{FENCE}\n", OUTPUT_START)
    instructions = INLINE_PROMPT

    def messages(self, question: str, instructions: str | None = None) -> list[Message]:
        return _messages(question, self.instructions if instructions is None else instructions)

    def read(self, text: str) -> Action:
        opening = CODE_OPENING.search(text)
        closing = CODE_CLOSING.search(text, opening.end()) if opening else None
        if opening and closing:
            code = text[opening.end() : closing.start()]
            return Action(kind="code", code=code, start=opening.start(), end=closing.end())
        return _no_program(text, opening)

    def remove_output(self, text: str) -> str:
        return truncate_at_output(text, OUTPUT_START)

    def observation(self, execution: Execution, *, last: bool) -> str:
        return f"{OUTPUT_START}\n{observed(execution, last=last)}\n{FENCE}\n"


class ToolCall:
    """Code as the native tool call of chat models. The response stands in the same turn, right after the call."""

    name = "tool_call"
    stop = ("</tool_call>", RESPONSE_START)
    instructions = TOOL_CALL_PROMPT

    def messages(self, question: str, instructions: str | None = None) -> list[Message]:
        return _messages(question, self.instructions if instructions is None else instructions)

    def read(self, text: str) -> Action:
        end = 0
        # Not by one expression for a whole call: it takes quadratic time for calls that are never closed.
        while opening := re.compile("<tool_call>").search(text, end):
            closing = re.compile(r"</tool_call>\s*").search(text, opening.end())
            if closing is None:
                return _no_program(text, opening)
            code = _called(text[opening.end() : closing.start()])
            if code is not None:
                return Action(kind="code", code=code, start=opening.start(), end=closing.end())
            end = closing.end()
        return _no_program(text, None)

    def remove_output(self, text: str) -> str:
        return truncate_at_output(text, RESPONSE_START)

    def observation(self, execution: Execution, *, last: bool) -> str:
        return f"{RESPONSE_START}\n{observed(execution, last=last)}\n</tool_response>\n"


PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (Inline(), ToolCall())}
"""The protocols by name."""


def _messages(question: str, instructions: str) -> list[Message]:
    user: Message = {"role": "user", "content": question}
    return [{"role": "system", "content": instructions}, user] if instructions else [user]


def _no_program(text: str, opening: re.Match[str] | None) -> Action:
    if opening:
        return Action(kind="none", start=opening.start(), end=len(text))
    return Action(kind="none" if last_boxed(text) is None else "answer", end=len(text))


def _called(call: str) -> str | None:
    """The program in the JSON of a call; None where it calls something else."""
    try:
        data = json.loads(call, strict=False)
        code = data["arguments"]["code"] if data["name"] == "run_python" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return code if isinstance(code, str) else None
