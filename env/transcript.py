"""The transcript of an episode: spans of text with their sources and, if known, their token ids.

    transcript = Transcript().append(Span(source="prompt", text="How many?")).append(Span(source="model", text="Two."))
    transcript.rewind(9).text                     # "How many?"

Loss masks (`env.loss_mask`), the viewer and the API's stream are derived from it. Ids are appended or removed, never
re-encoded: encoding the joined text gives different tokens where spans meet, and training would use tokens that the
model never sampled.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal, get_args

from storm_calm.env.token_estimate import estimate_tokens

Source = Literal["prompt", "model", "tool", "hint"]
"""Source of a span: the question and its instructions, the model, the environment, or an intervener."""

Finish = Literal["end", "stop", "length", "repetition"]
"""Why a model stopped: end of its turn, stop string, token limit, or a loop (`env.repetition`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A piece of a transcript from one source."""

    source: Source
    text: str
    """The text, without the text of an end-of-turn token."""
    ids: tuple[int, ...] | None = None
    """Its token ids, shape (tokens,); None if the reasoner returns none."""
    ends: tuple[int, ...] | None = None
    """End offset of each token in `text`, shape (tokens,).

    A token that ends inside a character ends before it. A token without text, such as the end-of-turn token, has the
    offset of the token before it.
    """
    finish: Finish | None = None
    """Why the model stopped; None for other sources and for spans that were cut."""

    def __post_init__(self) -> None:
        if self.source not in get_args(Source):
            raise ValueError(f"source {self.source!r} must be one of {', '.join(get_args(Source))}")
        if self.finish is not None and (self.finish not in get_args(Finish) or self.source != "model"):
            raise ValueError(f"finish {self.finish!r} does not fit a {self.source} span")
        check_tokens(self.text, self.ids, self.ends)

    def cut(self, length: int) -> Span | None:
        """Return at most the first `length` characters, in whole tokens; None if nothing is left.

        A tool span is kept whole or not at all. Tokens without text at the cut are removed, so that cutting a closed
        turn to its own length reopens it.
        """
        if length <= 0 or (self.source == "tool" and length < len(self.text)):
            return None
        if self.source == "tool":
            return self
        whole = replace(self, finish=None) if self.finish == "end" else self
        if self.ids is None or self.ends is None:
            return whole if length >= len(self.text) else replace(self, text=self.text[:length], finish=None)
        fitting = bisect_right(self.ends, length)
        end = self.ends[fitting - 1] if fitting else 0
        if end == 0:
            return None
        count = bisect_left(self.ends, end) + 1
        if count == len(self.ids):
            return whole
        return replace(self, text=self.text[:end], ids=self.ids[:count], ends=self.ends[:count], finish=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript:
    """Spans in order, prompt first. All offsets are characters of `text`."""

    spans: tuple[Span, ...] = ()
    """The spans; prompt spans precede all others."""

    def __post_init__(self) -> None:
        sources = [span.source for span in self.spans]
        if "prompt" in sources[sources.count("prompt") :]:
            raise ValueError(f"prompt spans must come first; the order is {', '.join(sources)}")

    @property
    def text(self) -> str:
        """The text of all spans."""
        return "".join(span.text for span in self.spans)

    @property
    def ids(self) -> tuple[int, ...] | None:
        """The token ids of all spans, shape (tokens,); None unless every span has them."""
        ids: list[int] = []
        for span in self.spans:
            if span.ids is None:
                return None
            ids.extend(span.ids)
        return tuple(ids)

    @property
    def starts(self) -> tuple[int, ...]:
        """The start offset of each span, shape (spans,)."""
        return tuple(accumulate((len(span.text) for span in self.spans), initial=0))[:-1]

    @property
    def prompt_end(self) -> int:
        """The end offset of the prompt."""
        return sum(len(span.text) for span in self.spans if span.source == "prompt")

    @property
    def model_text(self) -> str:
        """The model's text since the last tool span, without hints; the final answer is read from it."""
        texts: list[str] = []
        for span in reversed(self.spans):
            if span.source == "tool":
                break
            if span.source == "model":
                texts.append(span.text)
        return "".join(reversed(texts))

    def turn(self, offset: int) -> tuple[int, int]:
        """Return the start and end of the turn at `offset`: the model and hint text between two tool spans.

        The first turn starts after the prompt. An offset inside a tool span belongs to the turn before it.
        Raises ValueError for an offset in the prompt or after the text.
        """
        self._check(offset)
        start = self.prompt_end
        end = start
        for begin, span in zip(self.starts, self.spans, strict=True):
            end = begin + len(span.text)
            if span.source == "tool":
                if offset < end:
                    return start, begin
                start = end
        return start, end

    def append(self, span: Span) -> Transcript:
        return Transcript(spans=(*self.spans, span))

    def rewind(self, offset: int) -> Transcript:
        """Return the transcript up to `offset`, or to the last token boundary before it.

        A tool span that contains `offset` is removed whole. A turn closed at `offset` is reopened: its end-of-turn
        token is removed. Raises ValueError for an offset in the prompt or after the text.
        """
        self._check(offset)
        kept: list[Span] = []
        for begin, span in zip(self.starts, self.spans, strict=True):
            if span.source == "prompt" or begin + len(span.text) < offset:
                kept.append(span)
                continue
            last = span.cut(offset - begin)
            if last is not None:
                kept.append(last)
            break
        rest = Transcript(spans=tuple(kept))
        end = len(rest.text)
        return rest if end == offset else rest.rewind(end)

    def boundary(self, offset: int) -> int:
        """Return the first end of a token at or after `offset`; `rewind` to it keeps the token."""
        self._check(offset)
        for begin, span in zip(self.starts, self.spans, strict=True):
            if begin <= offset <= begin + len(span.text) and span.ends:
                return begin + span.ends[bisect_left(span.ends, offset - begin)]
        return offset

    def count(self, source: Source | None = None, *, count_text: Callable[[str], int] = estimate_tokens) -> int:
        """Count the tokens of one source, or of all. count_text: counts those of a span without ids."""
        return sum(
            len(span.ids) if span.ids is not None else count_text(span.text)
            for span in self.spans
            if source is None or span.source == source
        )

    def _check(self, offset: int) -> None:
        start, end = self.prompt_end, len(self.text)
        if not start <= offset <= end:
            raise ValueError(f"offset {offset} must be from {start}, the end of the prompt, to {end}")


def check_tokens(text: str, ids: tuple[int, ...] | None, ends: tuple[int, ...] | None) -> None:
    """Raise ValueError unless `ids` and `ends` are both None or cover the whole `text`."""
    if ids is None and ends is None:
        return
    if ids is None or ends is None or len(ids) != len(ends):
        raise ValueError(f"ids and ends must have the same length: {ids!r}, {ends!r}")
    if any(later < earlier for earlier, later in zip((0, *ends), ends, strict=False)):
        raise ValueError(f"token ends must not decrease: {ends!r}")
    covered = ends[-1] if ends else 0
    if covered != len(text):
        raise ValueError(f"tokens cover {covered} of {len(text)} characters: {text!r}")
