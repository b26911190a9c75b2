"""The two text protocols: how a model writes code and sees its output.

`Inline`, the default: a ```` ```python ```` block, answered by an ```` ```output ```` block, as in arXiv 2510.04204.
`ToolCall`: a `<tool_call>` of `run_python`, answered by a `<tool_response>`, as in the training of Qwen3 and Hermes.
Both read the untrusted text since the last observation: blocks as `env.code_fences` describes, calls as
`env.tool_calls` does. `Inline` reads calls too, since chat models write them by habit.
"""

import typing
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from storm_calm.env.answers import last_boxed
from storm_calm.env.code_fences import FENCE, OUTPUT_OPENING, OUTPUT_START, TILDE_FENCE, first_program
from storm_calm.env.output_blocks import observed
from storm_calm.env.reasoner import Message
from storm_calm.env.system_prompt import INLINE_PROMPT, TOOL_CALL_PROMPT
from storm_calm.env.tool_calls import CALL_END, CALL_START, Call, find_call
from storm_calm.sandbox import Execution


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """The action requested by a model's text."""

    kind: Literal["code", "malformed", "answer", "none"]
    """"code": a complete program, whatever else the text has; "malformed": a call without a readable program;
    "answer": a boxed answer and no opened code block."""
    code: str | None = None
    """The program; None unless `kind` is "code"."""
    error: str = ""
    """What is wrong with a malformed call, in one line for the model."""
    start: int | None = None
    """Start offset of the first code block or call, complete or not; None without one."""
    end: int
    """Offset after the code block and its line break; the text's length without a program."""

    @property
    def acts(self) -> bool:
        """Whether it gets an observation."""
        return self.kind in ("code", "malformed")


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

    def read(self, text: str, *, ended: bool = False) -> Action:
        """Return the first action in `text`, the model's text since the last observation.

        ended: the model ended its turn there, so a block or call that it did not close is complete.
        """

    def remove_output(self, text: str) -> str:
        """Return `text` up to the first output block, which the model must not write."""

    def observation(self, execution: Execution, *, last: bool) -> str:
        """Return the observation of an execution. last: no further execution is allowed."""


class _TextProtocol(ABC):
    """The parts that both protocols share."""

    instructions: str
    output_start: str

    def messages(self, question: str, instructions: str | None = None) -> list[Message]:
        instructions = self.instructions if instructions is None else instructions
        user: Message = {"role": "user", "content": question}
        return [{"role": "system", "content": instructions}, user] if instructions else [user]

    @abstractmethod
    def read(self, text: str, *, ended: bool = False) -> Action: ...

    @abstractmethod
    def _output_start(self, text: str, after: int) -> int | None:
        """Return the offset of the first output block from `after` on."""

    def remove_output(self, text: str) -> str:
        first = self._output_start(text, 0)
        if first is None:
            return text
        action = self.read(text)
        if action.start is not None and action.start <= first:
            # Programs may contain such marks. An open block has none outside of strings: it would end there.
            first = self._output_start(text, action.end)
        return text[:first]


class Inline(_TextProtocol):
    """Code and output as fenced blocks in running text."""

    name = "inline"
    output_start = OUTPUT_START
    # Other fences end a turn too, but most endpoints take at most four stop strings.
    stop = (f"{FENCE}\n", output_start, f"{TILDE_FENCE}\n", f"{TILDE_FENCE}output")
    instructions = INLINE_PROMPT

    def read(self, text: str, *, ended: bool = False) -> Action:
        program = first_program(text, ended=ended)
        call = find_call(text)
        if call is not None and (program is None or call.start <= program.start):
            return _called(call)
        if program is None:
            call = find_call(text, ended=True) if ended else None
            return _called(call) if call and last_boxed(text[call.start :]) is None else _no_action(text)
        if program.code is None:
            return Action(kind="none", start=program.start, end=len(text))
        return Action(kind="code", code=program.code, start=program.start, end=program.end)

    def _output_start(self, text: str, after: int) -> int | None:
        found = OUTPUT_OPENING.search(text, after)
        return found.start() if found else None

    def observation(self, execution: Execution, *, last: bool) -> str:
        return f"{self.output_start}\n{observed(execution, last=last)}\n{FENCE}\n"


class ToolCall(_TextProtocol):
    """Code as the native tool call of chat models. The response follows the call in the same turn."""

    name = "tool_call"
    output_start = "<tool_response>"
    stop = (CALL_END, output_start)
    instructions = TOOL_CALL_PROMPT

    def read(self, text: str, *, ended: bool = False) -> Action:
        call = find_call(text, ended=ended)
        if call is not None:
            return _called(call)
        opened = text.find(CALL_START)
        return (
            _no_action(text)
            if opened < 0 or last_boxed(text[opened:]) is not None
            else Action(kind="none", start=opened, end=len(text))
        )

    def _output_start(self, text: str, after: int) -> int | None:
        place = text.find(self.output_start, after)
        return place if place >= 0 else None

    def observation(self, execution: Execution, *, last: bool) -> str:
        return f"{self.output_start}\n{observed(execution, last=last)}\n</tool_response>\n"


PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (Inline(), ToolCall())}
"""The protocols by name."""


def _no_action(text: str) -> Action:
    return Action(kind="none" if last_boxed(text) is None else "answer", end=len(text))


def _called(call: Call) -> Action:
    kind: Literal["code", "malformed"] = "malformed" if call.code is None else "code"
    return Action(kind=kind, code=call.code, error=call.error, start=call.start, end=call.end)
