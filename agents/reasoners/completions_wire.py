"""The wire format of raw `/v1/completions`: write requests and parse answers, without I/O.

    wire = CompletionsWire(model="Qwen/Qwen3-4B-Thinking-2507", server="vllm", tokens=None)
    body = wire.request(prompt, stop=("```\\n",), max_tokens=4096, sampling=Sampling())
    reader = wire.reader(("```\\n",), url=url)
    chunk = reader.feed("Let x be", None)

`completions` uses it in threads, `completions_async` on an event loop. For stop strings see `completions`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.agents.reasoners.stop_strings import TextSegment
from storm_calm.agents.reasoners.tokenizer import ByteTokens, Segment
from storm_calm.env.prompt_format import CHATML, PromptFormat
from storm_calm.env.reasoner import Chunk, Encoding, Message, ReasonerError, Sampling
from storm_calm.env.token_estimate import estimate_tokens

NAMED_STOPS = {
    "vllm": ("stop_reason", {"include_stop_str_in_output": True}),
    "sglang": ("matched_stop", {"no_stop_trim": True}),
}
"""Servers that report the stop string: the field, and the option to keep it in text."""
SEED_LIMIT = 2**31
"""Seeds are sent modulo this limit, since some servers reject larger ones."""


def sampling_parameters(max_tokens: int, sampling: Sampling) -> dict[str, Any]:
    """Return the parameters of a streamed request. Without a seed one is drawn, so that a retry repeats the text."""
    if max_tokens < 1:
        raise ValueError(f"max_tokens is {max_tokens}; give 1 or more")
    return {
        "max_tokens": max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": (secrets.randbelow(SEED_LIMIT) if sampling.seed is None else sampling.seed) % SEED_LIMIT,
        "stream": True,
    }


def prompt_tokens(prompt: str | Sequence[int]) -> int:
    """Return the tokens of a prompt, estimated for a text."""
    return estimate_tokens(prompt) if isinstance(prompt, str) else len(prompt)


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletionsWire:
    """The wire format of one model on one kind of server."""

    model: str
    server: str
    """The kind of server, see `agents.reasoners.capabilities`."""
    tokens: ByteTokens | None
    """The model's tokenizer, for token ids; None for text only."""
    prompt_format: PromptFormat = CHATML

    def render(self, messages: Sequence[Message]) -> str:
        return chat_template.render(messages, self.tokens.names if self.tokens else (), self.prompt_format)

    def encode(self, text: str) -> Encoding | None:
        return self.tokens.encode(text) if self.tokens else None

    def encode_marked(self, text: str) -> Encoding | None:
        return self.tokens.encode_marked(text) if self.tokens else None

    def request(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> dict[str, Any]:
        if isinstance(prompt, str) and self.server != "vllm":
            # All other servers add this token to text themselves; vLLM does not because of `add_special_tokens`.
            prompt = prompt.removeprefix(self.prompt_format.bos_token)
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": prompt if isinstance(prompt, str) else list(prompt),
            **sampling_parameters(max_tokens, sampling),
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
        """Return the stop string that the server reports in the last event's `choice`."""
        named = choice.get(NAMED_STOPS[self.server][0]) if self.server in NAMED_STOPS else None
        return named if isinstance(named, str) else None

    def reader(self, stop: tuple[str, ...], *, url: str) -> CompletionsReader:
        """Return a parser for one stream. url: for error messages."""
        return CompletionsReader(self.tokens, stop, url)


class CompletionsReader:
    """A parser of one stream."""

    def __init__(self, tokens: ByteTokens | None, stop: tuple[str, ...], url: str) -> None:
        self._tokens, self._stop, self._url = tokens, stop, url
        self._text = TextSegment(stop)
        self._segment = None if tokens is None else Segment(tokens, stop=stop)

    def feed(self, text: str, ids: Sequence[int] | None) -> Iterator[Chunk]:
        """Yield the chunks that a piece completes. Raises RetryableError if only earlier pieces had token ids."""
        if self._segment is not None and ids is None and text:
            if self._segment.begun:
                raise RetryableError("token ids are missing")
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
        """Return the last chunk. named: the stop string that the server reports. Raises ReasonerError."""
        if reason not in ("stop", "length"):
            raise ReasonerError(f"{self._url}: the server stopped early: {reason}")
        named = named if named in self._stop else None
        if self._segment is None:
            return self._text.finish(reason, named)
        assert self._tokens is not None
        if reason == "length":
            return self._segment.finish("length")
        end = self._tokens.end_id
        ids: Sequence[int] = (
            self._tokens.encode_marked(named)[0] if named is not None else () if end is None else (end,)
        )
        for id in ids:
            chunk = self._segment.feed(id)
            if chunk is not None and chunk.finish is not None:
                return chunk
        return self._segment.finish("end")
