"""The model interface of the environment: render a prompt, encode text, and continue a text.

A `Reasoner` works on raw prompts, not on chat turns: chat templates silently rewrite an unfinished turn, and hints are
inserted inside of turns. Reasoners that only have chat turns find hints by their `hint_marks`. Implementations are in
`agents.reasoners`.
"""

import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from storm_calm.env.transcript import Finish, check_tokens

Encoding = tuple[tuple[int, ...], tuple[int, ...]]
"""Token ids and their end offsets in the text (see `Span.ends`), each of shape (tokens,)."""


class ReasonerError(RuntimeError):
    """A failure of the reasoner: unreachable endpoint, incomplete stream, rejected prompt."""


class ContextLengthError(ReasonerError):
    """A prompt that does not fit the context of the model, as its server counts the tokens."""


class StreamChangedError(ReasonerError):
    """A broken stream whose retry gave other text than was passed on already. `generate` starts again instead."""


class Message(TypedDict):
    """One message of a chat."""

    role: str
    """"system", "user" or "assistant"."""
    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """Sampling parameters."""

    temperature: float = 0.6
    """0 always takes the likeliest token."""
    top_p: float = 0.95
    """Sample from the likeliest tokens that together have this probability."""
    seed: int | None = None
    """Random seed; None for a different draw each time."""

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature is {self.temperature!r}; give 0 or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p!r}; give more than 0 and at most 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenUsage:
    """Tokens of requests as a server counts them, hidden reasoning included."""

    input_tokens: int = 0
    """Tokens of prompts."""
    output_tokens: int = 0
    """Generated tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a stream."""

    text: str
    """The text since the last chunk."""
    ids: tuple[int, ...] | None = None
    """Its token ids; None if the reasoner returns none."""
    ends: tuple[int, ...] | None = None
    """End offset of each token in this chunk's text."""
    finish: Finish | None = None
    """Why the model stopped; only in the last chunk of a stream."""
    usage: TokenUsage | None = None
    """The server's count of the whole request; only in the last chunk, None if the server did not report it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """The output of one generation."""

    text: str
    """The text, without the text of an end-of-turn token. With finish "stop" it ends in the stop string."""
    ids: tuple[int, ...] | None = None
    """Its token ids; with finish "end" the end-of-turn id is the last. None if the reasoner returns none."""
    ends: tuple[int, ...] | None = None
    """End offset of each token in `text`."""
    finish: Finish
    """Why the model stopped."""

    def __post_init__(self) -> None:
        check_tokens(self.text, self.ids, self.ends)


def collect(chunks: Iterable[Chunk]) -> Generation:
    """Join a stream. The result has ids if every chunk with text has. Raises ReasonerError if `finish` is missing."""
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
    raise ReasonerError(f"the stream ended after {len(text)} characters without a finish reason")


class PromptRenderer(typing.Protocol):
    """Prompt rendering and encoding for one model."""

    @property
    def instructions(self) -> str | None:
        """The system prompt, "" for none; None for the text protocol's own."""

    @property
    def context(self) -> int | None:
        """Maximum tokens of prompt and output together; None if unknown."""

    @property
    def hint_marks(self) -> tuple[str, str]:
        """Text before and after a hint; ("", "") for models that continue inside their own turn."""

    def render(self, messages: Sequence[Message]) -> str:
        """Return the raw prompt: the chat template up to the model's first token, including an opened `<think>`.

        Names of special tokens in message contents are broken up by a space, see `env.special_tokens`.
        """

    def encode(self, text: str) -> Encoding | None:
        """Encode untrusted text, special tokens' names as ordinary text; None if the tokenizer is unknown."""

    def encode_marked(self, text: str) -> Encoding | None:
        """Encode rendered prompts or a model's own output, in which names of special tokens become special tokens."""


class Reasoner(PromptRenderer, typing.Protocol):
    """A model that continues a raw prompt."""

    @property
    def name(self) -> str:
        """Name of the model, for records and messages."""

    @property
    def sampling(self) -> Sampling:
        """The default sampling parameters."""

    def stream(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Iterator[Chunk]:
        """Continue `prompt` until a stop string (kept), the end of the turn, or `max_tokens`. Raises ReasonerError."""

    def generate(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """Return the whole stream as one generation."""

    def close(self) -> None:
        """Release all resources."""
