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
from storm_calm.env.reasoner import Message
from storm_calm.env.special_tokens import harmless
from storm_calm.env.system_prompt import INLINE_PROMPT, TOOL_CALL_PROMPT
from storm_calm.sandbox import Execution

HEAD = TAIL = 400
"""Characters of output that are shown from its beginning and its end; 400 + "..." + 400, as published."""

LAST_RUN = "(That was the last run; now give the final answer.)"
"""What the observation of the last allowed execution ends with."""


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

    def clean(self, text: str) -> str:
        """`text` up to where the model goes on to write an observation itself."""

    def observation(self, execution: Execution, *, last: bool) -> str:
        """What the model gets to see of an execution; `last` if no other will be allowed."""


class Inline:
    """Code and output as fenced blocks in running text."""

    name = "inline"
    stop = ("```\n", "```output")
    instructions = INLINE_PROMPT

    def messages(self, question: str, instructions: str | None = None) -> list[Message]:
        return _messages(question, self.instructions if instructions is None else instructions)

    def read(self, text: str) -> Action:
        opening = re.search(r"```(?:python3?|py)[ \t]*\r?\n", text, re.IGNORECASE)
        # The line breaks after the fence belong to the block: tokenizers join them to the fence in one token.
        closing = re.compile(r"```[ \t]*(?:[\r\n]+|\Z)").search(text, opening.end()) if opening else None
        if opening and closing:
            code = text[opening.end() : closing.start()]
            return Action(kind="code", code=code, start=opening.start(), end=closing.end())
        return _no_program(text, opening)

    def clean(self, text: str) -> str:
        return text.partition("```output")[0]

    def observation(self, execution: Execution, *, last: bool) -> str:
        return f"```output\n{_body(execution, last=last)}\n```\n"


class ToolCall:
    """Code as the native tool call of chat models. The response stands in the same turn, right after the call."""

    name = "tool_call"
    stop = ("</tool_call>", "<tool_response>")
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

    def clean(self, text: str) -> str:
        return text.partition("<tool_response>")[0]

    def observation(self, execution: Execution, *, last: bool) -> str:
        return f"<tool_response>\n{_body(execution, last=last)}\n</tool_response>\n"


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


def _body(execution: Execution, *, last: bool) -> str:
    """Output, cut in its middle: solvers print objectives at the end.

    Standard error is shown where the run failed, or where there is nothing else to show; warnings are noise otherwise.
    """
    shown = [execution.stdout.strip("\n")]
    if execution.status != "ok" or not shown[0].strip():
        shown.append(execution.stderr.strip())
    lines = [_shortened("\n".join(part for part in shown if part.strip())), _verdict(execution)]
    lines = [line for line in lines if line] or ["(no output)"]
    return _shown("\n".join([*lines, LAST_RUN] if last else lines))


def _shortened(text: str) -> str:
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}...{text[-TAIL:]}"


def _verdict(execution: Execution) -> str:
    """One line on a run that did not end by itself; "" where the output says it all."""
    match execution.status:
        case "timeout":
            return f"TimeoutError: stopped after {execution.wall_seconds:.{0 if execution.wall_seconds >= 1 else 1}f} s"
        case "memory_limit":
            return f"MemoryError: stopped with {execution.peak_memory_mb:.0f} MB in use"
        case "output_limit":
            return "OutputError: stopped for printing too much"
        case "killed":
            return f"Killed: {execution.reason}"
        case "error" if not execution.stderr.strip():
            return f"Killed by signal {execution.signal}" if execution.signal else f"Exit code {execution.exit_code}"
    return ""


def _shown(text: str) -> str:
    """`text` with a space in all marks of chat templates and blocks, so that no program can speak as the model."""
    text = harmless(text)
    # Each backtick from the third on: replacing fences one by one leaves new ones in longer runs.
    return re.sub(r"(?<=``)`", " `", text)
