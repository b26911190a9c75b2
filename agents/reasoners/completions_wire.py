"""The wire format of raw `/v1/completions`: how a request is written and an answer read. It does no I/O.

    wire = CompletionsWire(model="Qwen/Qwen3-4B-Thinking-2507", server="vllm", tokens=None)
    body = wire.request(prompt, stop=("```\\n",), max_tokens=4096, sampling=Sampling())
    reader = wire.reader(("```\\n",), url=url)
    chunk = reader.feed("Let x be", None)

`completions` uses it in threads, `completions_async` on an event loop. For where a segment stops, see `completions`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.agents.reasoners.stop_strings import TextSegment
from storm_calm.agents.reasoners.tokenizer import ByteTokens, Segment
from storm_calm.env.reasoner import Chunk, ReasonerError, Sampling

NAMED_STOPS = {
    "vllm": ("stop_reason", {"include_stop_str_in_output": True}),
    "sglang": ("matched_stop", {"no_stop_trim": True}),
}
"""Servers (`owned_by` in `/v1/models`) that say why they stopped: in which field, and how to keep the stop string."""
SEED_LIMIT = 2**31
"""Seeds are sent modulo this: not every server takes larger ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletionsWire:
    """One model behind one kind of server."""

    model: str
    """As the server calls it."""
    server: str
    """`owned_by` in the server's list of models; "" where it has none."""
    tokens: ByteTokens | None
    """The model's tokenizer, for ids; None for text alone."""

    def request(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> dict[str, Any]:
        """The body of a request. Without a seed, one is drawn, so that the segment can be begun again."""
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}; give 1 or more")
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": prompt if isinstance(prompt, str) else list(prompt),
            "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": (secrets.randbelow(SEED_LIMIT) if sampling.seed is None else sampling.seed) % SEED_LIMIT,
            "stream": True,
        }
        if stop and self.server in NAMED_STOPS:
            body["stop"] = list(stop)
            body.update(NAMED_STOPS[self.server][1])
        if self.server == "vllm":
            body["add_special_tokens"] = False
            if self.tokens is not None:
                body["return_token_ids"] = True
        return body

    def named_stop(self, choice: dict[str, Any]) -> str | None:
        """The stop string that the server says it stopped at, of the last event's `choice`."""
        named = choice.get(NAMED_STOPS[self.server][0]) if self.server in NAMED_STOPS else None
        return named if isinstance(named, str) else None

    def reader(self, stop: tuple[str, ...], *, url: str) -> CompletionsReader:
        """For one stream. url: for messages."""
        return CompletionsReader(self.tokens, stop, url)


class CompletionsReader:
    """One stream being read."""

    def __init__(self, tokens: ByteTokens | None, stop: tuple[str, ...], url: str) -> None:
        self._tokens, self._stop, self._url = tokens, stop, url
        self._text = TextSegment(stop)
        self._segment = None if tokens is None else Segment(tokens, stop=stop)

    def feed(self, text: str, ids: Sequence[int] | None) -> Iterator[Chunk]:
        """The chunks that come of a piece; the stream is over where one has a finish.

        Raises RetryableError where ids are missing that were there before.
        """
        if self._segment is not None and ids is None and text:
            if self._segment.begun:
                raise RetryableError("it left out token ids")
            self._segment = None
        if self._segment is None:
            chunk = self._text.feed(text)
            if chunk is not None:
                yield chunk
            return
        for id in ids or ():
            chunk = self._segment.feed(id)
            if chunk is not None:
                yield chunk
                if chunk.finish is not None:
                    return

    def finish(self, reason: str, named: str | None) -> Chunk:
        """The last chunk, where the server says why it stopped. named: the stop string that it stopped at.

        Raises ReasonerError for a reason other than "stop" and "length".
        """
        if reason not in ("stop", "length"):
            raise ReasonerError(f"{self._url}: the server broke off the text: {reason}")
        named = named if named in self._stop else None
        if self._segment is None:
            return self._text.finish(reason, named)
        assert self._tokens is not None
        if reason == "length":
            return self._segment.finish("length")
        left: Sequence[int] = (
            self._tokens.encode_marked(named)[0] if named is not None else sorted(self._tokens.end_ids)[-1:]
        )
        for id in left:
            chunk = self._segment.feed(id)
            if chunk is not None and chunk.finish is not None:
                return chunk
        return self._segment.finish("end")
