"""Convert the stream of a chat endpoint into text of `env.protocol.Inline`.

    stream = ChatStream(("```\\n", "```output"), turn="", place="https://host/v1: gpt")
    for chunk in stream.feed(delta): ...
    for chunk in stream.finish("tool_calls"): ...

Reasoning goes into `<think>`, a call of run_python becomes a ```` ```python ```` block, and other text is unchanged.

**Fences.** Only programs that are called, or written as a block in the answer, run. Fences in reasoning get a space
appended, so that programs there do not run and output there does not count. In a called program, fences and end-of-turn
tokens get a space inside, since they would end the block; in Python both occur only in strings and comments.

**Hints.** Only the environment marks hints (`HINT_MARKS`). Similar marks in a model's text get a space inside, so that
a model cannot forge a user message.

**Stop strings.** A fence that ends no program does not stop the stream, unlike in `Reasoner.stream`: a chat that is
interrupted cannot be continued at the same place.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from storm_calm.agents.reasoners.chat_messages import HINT_MARKS, TOOL_NAME
from storm_calm.agents.reasoners.stop_strings import TextSegment
from storm_calm.env.code_fences import CODE_START, FENCE
from storm_calm.env.protocol import Inline
from storm_calm.env.reasoner import Chunk, ReasonerError

_INLINE = Inline()
_CLOSING = re.compile(r"`(?=``)|<(?=\|)")
_HINT_MARK = re.compile(f"({'|'.join(mark.removesuffix('>') for mark in HINT_MARKS)})>")


class ChatStream:
    """A parser of one streamed answer."""

    def __init__(self, stop: Sequence[str], *, turn: str, place: str) -> None:
        """turn: the text of the unfinished turn so far. place: endpoint and model, for error messages."""
        self._segment = TextSegment(stop)
        self._text = turn
        self._place = place
        self._thinking = False
        self._thought = ""
        self._refusal = ""
        self._call: tuple[int, str] | None = None
        self._arguments = ""

    def feed(self, delta: Any) -> Iterator[Chunk]:
        """Yield the chunks of one event's `delta`; the last chunk of the answer has a finish. Raises ReasonerError."""
        more = delta.model_extra or {}
        thought = more.get("reasoning_content") or more.get("reasoning")
        if isinstance(thought, str):
            yield from self._emit_thought(thought)
        if delta.content:
            yield from self._end_thought()
            yield from self._emit(delta.content)
        self._refusal += delta.refusal or ""
        for piece in delta.tool_calls or ():
            name = (piece.function and piece.function.name) or ""
            if self._call is None:
                self._call = piece.index, piece.id or ""
            elif piece.index != self._call[0] or (name and piece.id and piece.id != self._call[1]):
                # One program at a time: the next may depend on this one's output.
                yield from self._emit_program(self._program())
                return
            self._arguments += (piece.function and piece.function.arguments) or ""

    def finish(self, reason: str) -> Iterator[Chunk]:
        """Yield the last chunks. Raises ReasonerError for a refusal, or for a tool call without a program."""
        if self._refusal:
            raise ReasonerError(f"{self._place} refused: {self._refusal[:300]}")
        if reason not in ("stop", "tool_calls", "length"):
            raise ReasonerError(f"{self._place} stopped early: {reason}")
        if self._call is not None and reason != "length":
            yield from self._emit_program(self._program())
        elif self._call is not None and (code := _parse_code(self._arguments)) is not None:
            yield from self._emit_program(code)
        elif reason == "length":
            yield self._segment.finish("length", None)
        else:
            yield from self._end_thought()
            yield self._segment.finish("end", None)

    def _emit_thought(self, thought: str) -> Iterator[Chunk]:
        if not self._thinking:
            self._thinking, self._thought = True, ""
            yield from self._emit(self._line_break() + "<think>\n")
        # A fence may arrive in pieces, so its length in earlier text is searched again.
        known = self._thought[-len(FENCE) :]
        self._thought = known + thought
        yield from self._emit(re.sub(r"```(?=\w)", "``` ", self._thought)[len(known) :])

    def _end_thought(self) -> Iterator[Chunk]:
        if self._thinking:
            self._thinking = False
            yield from self._emit("\n</think>\n")

    def _emit(self, text: str) -> Iterator[Chunk]:
        # Lone surrogates, which JSON allows and UTF-8 does not, can be neither stored nor sent.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        # A mark may arrive in pieces. It is broken up at its end, which is always new text.
        known = self._text[-len(HINT_MARKS[1]) :].rpartition(">")[2]
        text = _HINT_MARK.sub(r"\1 >", known + text)[len(known) :]
        # Line by line, so that no text follows a fence that ends no program.
        for line in re.findall(r"[^\n]*\n|[^\n]+", text):
            self._text += line
            chunk = self._segment.feed(line)
            if chunk is None:
                continue
            if chunk.finish == "stop" and self._text.endswith(f"{FENCE}\n"):
                chunk = chunk if _INLINE.read(self._text).kind == "code" else replace(chunk, finish=None)
            yield chunk
            if chunk.finish is not None:
                return

    def _emit_program(self, code: str) -> Iterator[Chunk]:
        yield from self._end_thought()
        code = _CLOSING.sub(r"\g<0> ", code).rstrip()
        for chunk in self._emit(f"{self._line_break()}{CODE_START}\n{code}\n{FENCE}\n"):
            yield chunk
            if chunk.finish is not None:
                return
        yield self._segment.finish("stop", "")

    def _line_break(self) -> str:
        return "" if not self._text or self._text.endswith("\n") else "\n"

    def _program(self) -> str:
        """Return the program of the tool call. Raises ReasonerError if it has none."""
        code = _parse_code(self._arguments)
        if code is None:
            raise ReasonerError(
                f'{self._place} called {TOOL_NAME} with neither JSON that has a "code" nor a program: '
                f"{self._arguments[:200]!r}"
            )
        return code


def _parse_code(arguments: str) -> str | None:
    """Return the program in a call's arguments: JSON, a Python literal, or plain code. None if it has no program."""
    for read in (partial(json.loads, strict=False), ast.literal_eval):
        try:
            data = read(arguments.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        code = data.get("code") if isinstance(data, dict) else data
        return code if isinstance(code, str) else None
    try:
        return arguments if ast.parse(arguments).body else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
