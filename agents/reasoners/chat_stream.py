"""Convert the stream of a chat endpoint into text of `env.protocol.Inline`.

    stream = ChatStream(("```\\n", "```output"), turn="", place="https://host/v1: gpt")
    for chunk in stream.feed(delta): ...
    for chunk in stream.finish("tool_calls"): ...

Reasoning goes into `<think>`, a call of run_python becomes a ```` ```python ```` block, and other text is unchanged.

**Calls.** `env.tool_calls` reads them. A call without a readable program is a fault of the model, not of the endpoint:
it becomes a `<tool_call>`, which the environment answers with an error message.

**Fences.** Only programs that are called, or written as a block in the answer, run. Fences and calls in reasoning get a
space inside, so that programs there do not run and output there does not count. A called program gets a fence that is
longer than any inside. End-of-turn tokens in it get a space inside.

**Hints.** Only the environment marks hints (`HINT_MARKS`). Similar marks in a model's text get a space inside, so that
a model cannot forge a user message.

**Stop strings.** A fence that ends no program, or is inside one, does not stop the stream, unlike in `Reasoner.stream`:
a chat that is interrupted cannot be continued at the same place.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from storm_calm.agents.reasoners.chat_messages import HINT_MARKS
from storm_calm.agents.reasoners.stop_strings import TextSegment
from storm_calm.env.code_fences import FENCE
from storm_calm.env.protocol import Inline
from storm_calm.env.reasoner import Chunk, ReasonerError
from storm_calm.env.tool_calls import CALL_END, CALL_START, MalformedCallError, read_arguments

_INLINE = Inline()
_FENCE_RUN = re.compile(r"`+")
# Each from the third on: replacing whole fences leaves new ones in longer runs.
_FENCE_MARK = re.compile(r"(?<=``)`|(?<=~~)~")
_CALL_MARK = re.compile(
    r"(?<=<tool_call)>|(?<=<function_call)>|(?<=<function)=|(?<=<\|python_tag\|)>|(?<=\[TOOL_CALLS)\]"
)
_THOUGHT_MARK = re.compile(f"{_FENCE_MARK.pattern}|{_CALL_MARK.pattern}")
_SPACED = r" \g<0>"
_MALFORMED = re.compile("malformed", re.IGNORECASE)
_LONGEST_MARK = len("<|python_tag|>")
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
        self._name = self._arguments = ""

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
                yield from self._emit_call()
                return
            self._name = self._name or name
            self._arguments += (piece.function and piece.function.arguments) or ""

    def finish(self, reason: str) -> Iterator[Chunk]:
        """Yield the last chunks. Raises ReasonerError for a refusal, or if the endpoint stopped the answer."""
        if self._refusal:
            raise ReasonerError(f"{self._place} refused: {self._refusal[:300]}")
        malformed = _MALFORMED.search(reason) is not None  # Gemini's reason for a call that it could not read.
        if reason not in ("stop", "tool_calls", "function_call", "length") and not malformed:
            raise ReasonerError(f"{self._place} stopped early: {reason}")
        whole = reason != "length" or _is_whole(self._arguments)
        if malformed or (self._call is not None and whole):
            yield from self._emit_call()
        elif reason == "length":
            yield self._segment.finish("length", None)
        else:
            yield from self._end_thought()
            yield self._segment.finish("end", None)

    def malformed_call(self, text: str) -> Iterator[Chunk]:
        """Yield the last chunks for a call that the endpoint itself could not read. text: what the model wrote."""
        self._call, self._arguments = (0, ""), text
        yield from self._emit_call()

    def _emit_thought(self, thought: str) -> Iterator[Chunk]:
        if not self._thinking:
            self._thinking, self._thought = True, ""
            yield from self._emit(self._line_break() + "<think>\n")
        # A mark may arrive in pieces. It is broken up at its end, which is always new text.
        known = self._thought[-_LONGEST_MARK:]
        self._thought = known + thought
        ends = [found.start() for found in _THOUGHT_MARK.finditer(self._thought) if found.start() >= len(known)]
        pieces = pairwise([len(known), *ends, len(self._thought)])
        yield from self._emit(" ".join(self._thought[start:end] for start, end in pieces))

    def _end_thought(self) -> Iterator[Chunk]:
        if self._thinking:
            self._thinking = False
            yield from self._emit("\n</think>\n")

    def _emit(self, text: str) -> Iterator[Chunk]:
        text = _valid(text)
        # A mark may arrive in pieces. It is broken up at its end, which is always new text.
        known = self._text[-len(HINT_MARKS[1]) :].rpartition(">")[2]
        text = _HINT_MARK.sub(r"\1 >", known + text)[len(known) :]
        # Line by line, so that no text follows a fence that ends no program.
        for line in re.findall(r"[^\n]*\n|[^\n]+", text):
            self._text += line
            chunk = self._segment.feed(line)
            if chunk is None:
                continue
            if chunk.finish == "stop" and not self._stops():
                chunk = replace(chunk, finish=None)
            yield chunk
            if chunk.finish is not None:
                return

    def _emit_call(self) -> Iterator[Chunk]:
        """Yield the call as a program, or as a malformed call."""
        yield from self._end_thought()
        try:
            block = _block(read_arguments(self._name, self._arguments))
        except MalformedCallError:
            data = json.dumps({"name": self._name, "arguments": self._arguments}, ensure_ascii=False)
            block = f"{CALL_START}\n{_FENCE_MARK.sub(_SPACED, data)}\n{CALL_END}\n"
        block = self._line_break() + _HINT_MARK.sub(r"\1 >", _valid(block))
        self._text += block
        chunk = self._segment.finish("stop", block)
        # The environment reads a turn that ended to its end: a program may leave a string open.
        yield chunk if _INLINE.read(self._text).acts else replace(chunk, finish="end")

    def _stops(self) -> bool:
        """Return whether the environment acts on the text so far, or cuts it."""
        return _INLINE.read(self._text).acts or len(_INLINE.remove_output(self._text)) < len(self._text)

    def _line_break(self) -> str:
        return "" if not self._text or self._text.endswith("\n") else "\n"


def _block(code: str) -> str:
    """Return a program as a block, with a fence that is longer than any in it."""
    code = re.sub(r"<(?=\|)", "< ", code).rstrip()
    longest = max((len(run) for run in _FENCE_RUN.findall(code)), default=0)
    fence = "`" * max(len(FENCE), longest + 1)
    block = f"{fence}python\n{code}\n{fence}\n"
    read = _INLINE.read(_INLINE.remove_output(block), ended=True)
    # Outside of strings and comments a fence ends a program of any kind; there it is an error in Python anyway.
    if read.code == f"{code}\n":
        return block
    return f"{FENCE}python\n{_FENCE_MARK.sub(_SPACED, code)}\n{FENCE}\n"


def _is_whole(arguments: str) -> bool:
    """Return whether the arguments of a call are complete JSON."""
    try:
        return isinstance(json.loads(arguments, strict=False), dict)
    except (ValueError, RecursionError):
        return False


def _valid(text: str) -> str:
    """Replace lone surrogates, which JSON allows and UTF-8 does not: they can be neither stored nor sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
