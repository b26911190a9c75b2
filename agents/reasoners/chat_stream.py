"""What a chat endpoint streams, as text of `env.protocol.Inline`.

    stream = ChatStream(("```\\n", "```output"), turn="", place="https://host/v1: gpt")
    for chunk in stream.feed(delta): ...
    for chunk in stream.finish("tool_calls"): ...

Thoughts go into `<think>`, a call of run_python becomes a ```` ```python ```` block, and the rest is text as it is.

**Fences.** What runs is what was called, or written as a block in the answer itself. A program that is only thought
about does not run, nor is an output in a thought one: their fences get a space behind them. Fences in a called program
get a space inside, since they would end its block, and so do tokens that would end the turn; in Python both only ever
stand in texts and comments.

**Hints.** Only the environment marks a hint (`HINT_MARKS`). Whatever a model writes that looks like a mark gets a space
inside, wherever it stands: nobody puts words into the user's mouth.

**Stop strings.** A fence that ends no program is handed on and the model is let go on, against the letter of
`Reasoner.stream`: a chat that is hung up on in the middle can't be taken up there again.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
    """One answer of a model, while it comes."""

    def __init__(self, stop: Sequence[str], *, turn: str, place: str) -> None:
        """turn: what the model's turn says already. place: endpoint and model, for messages."""
        self._segment = TextSegment(stop)
        self._text = turn
        self._place = place
        self._thinking = False
        self._thought = ""
        self._refusal = ""
        self._call: tuple[int, str] | None = None
        self._arguments = ""

    def feed(self, delta: Any) -> Iterator[Chunk]:
        """The chunks of one event's `delta`; the reply is over where one has a finish. Raises ReasonerError."""
        more = delta.model_extra or {}
        thought = more.get("reasoning_content") or more.get("reasoning")
        if isinstance(thought, str):
            yield from self._think(thought)
        if delta.content:
            yield from self._end_thought()
            yield from self._put(delta.content)
        self._refusal += delta.refusal or ""
        for piece in delta.tool_calls or ():
            name = (piece.function and piece.function.name) or ""
            if self._call is None:
                self._call = piece.index, piece.id or ""
            elif piece.index != self._call[0] or (name and piece.id and piece.id != self._call[1]):
                # One program at a time: the next may depend on what this one prints.
                yield from self._run(self._program())
                return
            self._arguments += (piece.function and piece.function.arguments) or ""

    def finish(self, reason: str) -> Iterator[Chunk]:
        """The last chunks, where the endpoint gives its reason.

        Raises ReasonerError for a refusal, for a reason that is no end of a text, and for a call without a program.
        """
        if self._refusal:
            raise ReasonerError(f"{self._place} refused: {self._refusal[:300]}")
        if reason not in ("stop", "tool_calls", "length"):
            raise ReasonerError(f"{self._place} broke off the text: {reason}")
        if self._call is not None and reason != "length":
            yield from self._run(self._program())
        elif self._call is not None and (code := _whole(self._arguments)) is not None:
            yield from self._run(code)
        elif reason == "length":
            yield self._segment.finish("length", None)
        else:
            yield from self._end_thought()
            yield self._segment.finish("end", None)

    def _think(self, thought: str) -> Iterator[Chunk]:
        if not self._thinking:
            self._thinking, self._thought = True, ""
            yield from self._put(self._line_break() + "<think>\n")
        # A fence may come in pieces; no more than its three characters have to be looked at again.
        known = self._thought[-len(FENCE) :]
        self._thought = known + thought
        yield from self._put(re.sub(r"```(?=\w)", "``` ", self._thought)[len(known) :])

    def _end_thought(self) -> Iterator[Chunk]:
        if self._thinking:
            self._thinking = False
            yield from self._put("\n</think>\n")

    def _put(self, text: str) -> Iterator[Chunk]:
        # Half a character, which JSON can write and UTF-8 can't, could neither be stored nor sent back.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        # A mark may come in pieces; it is broken where it ends, and that is always new.
        known = self._text[-len(HINT_MARKS[1]) :].rpartition(">")[2]
        text = _HINT_MARK.sub(r"\1 >", known + text)[len(known) :]
        # Line by line, so that nothing stands behind a fence that turns out to end no program.
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

    def _run(self, code: str) -> Iterator[Chunk]:
        yield from self._end_thought()
        code = _CLOSING.sub(r"\g<0> ", code).rstrip()
        for chunk in self._put(f"{self._line_break()}{CODE_START}\n{code}\n{FENCE}\n"):
            yield chunk
            if chunk.finish is not None:
                return
        yield self._segment.finish("stop", "")

    def _line_break(self) -> str:
        return "" if not self._text or self._text.endswith("\n") else "\n"

    def _program(self) -> str:
        """The program of the call. Raises ReasonerError where there is none in it."""
        code = _whole(self._arguments)
        if code is None:
            raise ReasonerError(
                f'{self._place} called {TOOL_NAME} with neither JSON that has a "code" nor a program: '
                f"{_flaw(self._arguments)}: {self._arguments[:200]!r}"
            )
        return code


def _whole(arguments: str) -> str | None:
    """The program in the arguments of a call, as JSON, as Python's way to write the same, or by itself; else None."""
    for read in (_json, ast.literal_eval):
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


def _json(text: str) -> Any:
    return json.loads(text, strict=False)


def _flaw(arguments: str) -> str:
    try:
        _json(arguments)
    except (ValueError, RecursionError) as error:
        return str(error)
    return "no code"
