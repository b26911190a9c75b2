"""The transcript of a run: spans of text with their sources, and the token ids where the reasoner gives them.

    transcript = Transcript().append(Span(source="prompt", text="How many?")).append(Span(source="model", text="Two."))
    transcript.rewind(9).text                     # "How many?"

It alone knows which tokens were whose, so loss masks (`env.loss_mask`), the viewer and the API's stream are all derived
from it. Ids are appended or cut off, never encoded anew: another encoding of the same text has other tokens at the
seams, and a model would be trained on tokens that it never sampled.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal, get_args

Source = Literal["prompt", "model", "tool", "hint"]
"""Who wrote a span: the question and its instructions, the model, the environment, or an intervener."""

Finish = Literal["end", "stop", "length"]
"""Why a model stopped writing: it closed its turn, it wrote a stop string, or it ran out of tokens."""

CHARS_PER_TOKEN = 4
"""Characters that are counted as one token where there are no ids."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of a transcript with one source."""

    source: Source
    """Who wrote it."""
    text: str
    """What it says. The text of an end-of-turn token is left out."""
    ids: tuple[int, ...] | None = None
    """Its token ids, shape (tokens,); None where the reasoner gives none."""
    ends: tuple[int, ...] | None = None
    """The offset in `text` at which each token ends, shape (tokens,).

    A token that ends inside a character ends before it. A token without text, such as the end-of-turn token, ends
    where the one before it does.
    """
    finish: Finish | None = None
    """Why the model stopped here; None in spans of other sources, and in a span of which something was cut off."""

    def __post_init__(self) -> None:
        if self.source not in get_args(Source):
            raise ValueError(f"source {self.source!r} is none of {', '.join(get_args(Source))}")
        if self.finish is not None and (self.finish not in get_args(Finish) or self.source != "model"):
            raise ValueError(f"finish {self.finish!r} does not fit a {self.source} span")
        check_tokens(self.text, self.ids, self.ends)

    def cut(self, length: int) -> Span | None:
        """The span's first `length` characters, or a little less: whole tokens only. None where nothing is left.

        A tool span is kept whole or not at all. Tokens without text at the cut go, so that cutting a closed turn to its
        own length opens it again.
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
    """The spans; no prompt follows a span of another source."""

    def __post_init__(self) -> None:
        sources = [span.source for span in self.spans]
        if "prompt" in sources[sources.count("prompt") :]:
            raise ValueError(f"a prompt span must come first, not in {', '.join(sources)}")

    @property
    def text(self) -> str:
        """All that was written, by whomever."""
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
        """The offset at which each span begins, shape (spans,)."""
        return tuple(accumulate((len(span.text) for span in self.spans), initial=0))[:-1]

    @property
    def prompt_end(self) -> int:
        """The offset at which the prompt ends."""
        return sum(len(span.text) for span in self.spans if span.source == "prompt")

    @property
    def model_text(self) -> str:
        """What the model wrote since the last tool span, hints left out: where its final answer stands."""
        words: list[str] = []
        for span in reversed(self.spans):
            if span.source == "tool":
                break
            if span.source == "model":
                words.append(span.text)
        return "".join(reversed(words))

    def turn(self, offset: int) -> tuple[int, int]:
        """The stretch of model and hint text, start and end offset, that `offset` lies in.

        Turns lie between the prompt and the first tool span, between two tool spans, and after the last one. An offset
        inside a tool span belongs to the turn before it. Raises ValueError for one in the prompt or past the text.
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
        """The transcript with one more span."""
        return Transcript(spans=(*self.spans, span))

    def rewind(self, offset: int) -> Transcript:
        """The transcript up to `offset`, or to the last token boundary before it.

        A tool span that `offset` falls into goes as a whole. A turn that the model closed at `offset` is open again,
        its end-of-turn token gone. Raises ValueError for an offset in the prompt or past the text.
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
        """The first offset at or after `offset` at which a token ends; `rewind` to it keeps the token whole."""
        self._check(offset)
        for begin, span in zip(self.starts, self.spans, strict=True):
            if begin <= offset <= begin + len(span.text) and span.ends:
                return begin + span.ends[bisect_left(span.ends, offset - begin)]
        return offset

    def count(self, source: Source | None = None) -> int:
        """Tokens of one source, or of all. A span without ids counts as an estimate: a token for every 4 characters."""
        return sum(
            len(span.ids) if span.ids is not None else -(-len(span.text) // CHARS_PER_TOKEN)
            for span in self.spans
            if source is None or span.source == source
        )

    def _check(self, offset: int) -> None:
        start, end = self.prompt_end, len(self.text)
        if not start <= offset <= end:
            raise ValueError(f"offset {offset} is not in the {start} to {end} that follow the prompt")


def check_tokens(text: str, ids: tuple[int, ...] | None, ends: tuple[int, ...] | None) -> None:
    """Raise ValueError unless `ids` and `ends` are both None, or cover `text` from its beginning to its end."""
    if ids is None and ends is None:
        return
    if ids is None or ends is None or len(ids) != len(ends):
        raise ValueError(f"ids and ends must be of one length, not {ids!r} and {ends!r}")
    if any(later < earlier for earlier, later in zip((0, *ends), ends, strict=False)):
        raise ValueError(f"token ends must not go back: {ends!r}")
    covered = ends[-1] if ends else 0
    if covered != len(text):
        raise ValueError(f"tokens cover {covered} of {len(text)} characters: {text!r}")
