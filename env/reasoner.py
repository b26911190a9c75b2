"""What the environment asks of a model: to render a prompt, to encode text, and to go on writing.

A `Reasoner` works on raw prompts, never on chat turns: chat templates rewrite a half-finished turn without a word, and
a hint has to land inside one. Who has nothing but chat turns has a hint marked in the text and makes a turn of it
(`hint_marks`). Reasoners themselves live in `agents.reasoners`.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from storm_calm.env.transcript import Finish, check_tokens

Encoding = tuple[tuple[int, ...], tuple[int, ...]]
"""Token ids, and the offset in the text at which each ends (see `Span.ends`); both of shape (tokens,)."""


class ReasonerError(RuntimeError):
    """The reasoner failed, not the model: an endpoint that is down, half a stream, a prompt that it refuses."""


class Message(TypedDict):
    """One message of a chat."""

    role: str
    """"system", "user" or "assistant"."""
    content: str
    """What it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How tokens are drawn."""

    temperature: float = 0.6
    """0 always takes the likeliest token."""
    top_p: float = 0.95
    """Draw from the likeliest tokens that together have this probability."""
    seed: int | None = None
    """For the same draw again; None for another each time."""

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature is {self.temperature!r}; give 0 or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p!r}; give more than 0 and at most 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a stream."""

    text: str
    """What was written since the last chunk."""
    ids: tuple[int, ...] | None = None
    """Its token ids; None where the reasoner gives none."""
    ends: tuple[int, ...] | None = None
    """Where each token ends in this chunk's text."""
    finish: Finish | None = None
    """Why the model stopped; set in the last chunk of a stream and in no other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """What a model wrote in one go."""

    text: str
    """The text, without the text of an end-of-turn token. With finish "stop" it ends in the stop string."""
    ids: tuple[int, ...] | None = None
    """Its token ids; with finish "end" the end-of-turn id is the last. None where the reasoner gives none."""
    ends: tuple[int, ...] | None = None
    """Where each token ends in `text`."""
    finish: Finish
    """Why the model stopped."""

    def __post_init__(self) -> None:
        check_tokens(self.text, self.ids, self.ends)


def collect(chunks: Iterable[Chunk]) -> Generation:
    """A whole stream as one generation. It has ids if every chunk with text has.

    Raises ReasonerError where the stream breaks off: no chunk says why the model stopped.
    """
    text = ""
    ids: list[int] = []
    ends: list[int] = []
    tokens = True
    for chunk in chunks:
        if chunk.ids is not None and chunk.ends is not None:
            ids.extend(chunk.ids)
            ends.extend(len(text) + end for end in chunk.ends)
        elif chunk.text:
            tokens = False
        text += chunk.text
        if chunk.finish is not None:
            return Generation(
                text=text, ids=tuple(ids) if tokens else None, ends=tuple(ends) if tokens else None, finish=chunk.finish
            )
    raise ReasonerError(f"the stream broke off after {len(text)} characters")


class PromptRenderer(typing.Protocol):
    """How text is put to one particular model."""

    @property
    def instructions(self) -> str | None:
        """What the model is told before the question, "" for nothing; None for the text protocol's own words."""

    @property
    def context(self) -> int | None:
        """The most tokens of prompt and answer together; None where it is not known."""

    @property
    def hint_marks(self) -> tuple[str, str]:
        """What stands before and after a hint in the text; ("", "") for models that go on inside their own turn."""

    def render(self, messages: Sequence[Message]) -> str:
        """The raw prompt: the chat template up to where the model begins to write, an opened `<think>` included.

        Names of special tokens in what the messages say are broken up by a space, see `env.special_tokens`.
        """

    def encode(self, text: str) -> Encoding | None:
        """`text` encoded by itself, nothing added at its ends; None for a model whose tokens are not known here.

        Names of special tokens in it are text like any other: it may come from anybody.
        """

    def encode_marked(self, text: str) -> Encoding | None:
        """The same for what `render` gave, and for a model's own words: here these names become special tokens."""


class Reasoner(PromptRenderer, typing.Protocol):
    """A model that goes on writing from a raw prompt."""

    @property
    def name(self) -> str:
        """Which model it is, for records and messages."""

    @property
    def sampling(self) -> Sampling:
        """How it draws tokens if nobody says otherwise."""

    def stream(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Iterator[Chunk]:
        """Go on from `prompt` until a stop string, which is kept, the end of the turn, or `max_tokens`.

        Raises ReasonerError.
        """

    def generate(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """The same, all at once."""

    def close(self) -> None:
        """Free what it holds."""
