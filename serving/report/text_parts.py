"""Split the text of a model into its parts: thoughts, other text, and programs.

A thought begins at `<think>`, which usually ends the prompt, and ends at `</think>`. Programs are where the environment
reads them, in thoughts too. The parts joined are the text.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.env.protocol import Inline
from storm_calm.env.token_estimate import estimate_tokens
from storm_calm.env.transcript import Span, Transcript
from storm_calm.serving.report.markdown_tree import markdown_tree

MOST_PROGRAMS = 30
"""Programs looked for in one text: each search takes time in proportion to the text. The environment runs one."""

_TAG = re.compile(r"<think>|</think>\s*")
_MAYBE_PROGRAM = re.compile(r"`{3}|~{3}|<[|｜]?(?:tool|function|invoke)|run_python|\[TOOL_CALLS\]|python_tag")
_READER = Inline()


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a text."""

    kind: Literal["thought", "text", "program"]
    start: int
    end: int
    code: str | None = None
    """The program, without fences or call; None for other parts."""


def transcript_parts(transcript: Transcript) -> list[list[dict[str, Any]] | None]:
    """Return the parts of each model span as data for the page; None for other spans."""
    thinking = False
    found: list[list[dict[str, Any]] | None] = []
    for span in transcript.spans:
        if span.source == "prompt":
            thinking = span.text.rstrip().endswith("<think>")
            found.append(None)
        elif span.source == "model":
            parts, thinking = split(span.text, thinking=thinking)
            found.append([_data(part, span.text, _tokens(span, part)) for part in parts])
        else:
            # Hints are in the model's voice: one may close the thoughts.
            if span.source == "hint":
                _, thinking = split(span.text, thinking=thinking)
            found.append(None)
    return found


def text_parts(text: str) -> list[dict[str, Any]]:
    """Return the parts of a text of which no transcript is known, such as the text that a hint replaced."""
    parts, _ = split(text, thinking=False)
    return [_data(part, text, None) for part in parts]


def split(text: str, *, thinking: bool) -> tuple[list[Part], bool]:
    """Return the parts of a text, and whether it ends inside of a thought. thinking: whether it begins in one."""
    parts: list[Part] = []
    for start, end, code in _programs(text):
        if code is not None:
            parts.append(Part(kind="program", start=start, end=end, code=code))
            continue
        for tag in [*_TAG.finditer(text, start, end), None]:
            # An opening mark begins its thought, a closing mark ends it.
            border = end if tag is None else tag.start() if tag[0] == "<think>" else tag.end()
            if border > start:
                parts.append(Part(kind="thought" if thinking else "text", start=start, end=border))
            if tag is not None:
                start, thinking = border, tag[0] == "<think>"
    return parts, thinking


def _programs(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Yield start, end and program of each stretch of text; None for the text between programs."""
    place = 0
    for _ in range(MOST_PROGRAMS):
        if not _MAYBE_PROGRAM.search(text, place):
            break
        rest = text[place:]
        action = _READER.read(rest, ended=True)
        if action.kind != "code" or action.start is None or action.end <= action.start:
            break
        if action.start:
            yield place, place + action.start, None
        yield place + action.start, place + action.end, action.code
        place += action.end
    if place < len(text):
        yield place, len(text), None


def _data(part: Part, text: str, tokens: int | None) -> dict[str, Any]:
    own = text[part.start : part.end]
    data: dict[str, Any] = {"kind": part.kind, "text": own}
    if tokens is not None:
        data["tokens"] = tokens
    if part.code is not None:
        data["code"] = part.code
    elif tree := markdown_tree(own):
        data["tree"] = tree
    return data


def _tokens(span: Span, part: Part) -> int:
    """Count the tokens that end in a part; without ids, as `Transcript.count` does."""
    if span.ends is None:
        return estimate_tokens(span.text[part.start : part.end])
    last = len(span.ends) if part.end == len(span.text) else bisect_right(span.ends, part.end)
    return last - (bisect_right(span.ends, part.start) if part.start else 0)
