"""Any server with raw `/v1/completions` as a reasoner: vLLM, SGLang, llama.cpp, and whatever speaks as they do.

    reasoner = Completions("http://localhost:8000/v1")
    prompt = reasoner.render([{"role": "user", "content": question}])
    for chunk in reasoner.stream(prompt, stop=("```\\n",), max_tokens=4096, sampling=reasoner.sampling): ...

Raw completions and never chat, because a hint goes on inside a half-finished turn (see `agents.reasoners.chatml`).

**Where a segment stops.** A stop string belongs to the text. Servers leave it out, and most do not say whether it was
that or the end of the turn that made them stop. So:

1. The text is watched here: it is cut behind the first stop string in it, and the server is hung up on. An end-of-turn
   token that a server writes out ends the turn.
2. Stop strings are sent only to servers that say which one it was: vLLM (`stop_reason`) and SGLang (`matched_stop`), as
   `/v1/models` tells them. They are asked to leave it in the text (`include_stop_str_in_output`, `no_stop_trim`); if it
   is missing all the same, the one that they name is put back.
3. From all others "stop" thus means the end of the turn.

**Token ids.** Given the model's `tokenizer.json`, prompts may be ids, and ids are returned where the server gives them
(`return_token_ids`). Without it everything is text, and ids are None. Nothing the model wrote is ever encoded again.

**Failures.** The `openai` package tries again on refused connections, 408, 409, 429 (after `Retry-After`) and 5xx. A
stream that breaks off is begun again with the same seed; what was already handed on must then come again word for
word. Whatever remains is a ReasonerError that names the address. The key is in no message.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai

from agents.reasoners import chatml
from agents.reasoners.stops import TextSegment
from agents.reasoners.tokens import ByteTokens, Segment
from env.reasoner import Chunk, Encoding, Generation, Message, ReasonerError, Sampling, collect

NAMED_STOPS = {
    "vllm": ("stop_reason", {"include_stop_str_in_output": True}),
    "sglang": ("matched_stop", {"no_stop_trim": True}),
}
"""Servers (`owned_by` in `/v1/models`) that say why they stopped: in which field, and how to keep the stop string."""
SEEDS = 2**31
"""Seeds are sent modulo this: not every server takes larger ones."""
PAUSE = 0.5
"""Seconds before a broken stream is begun again; twice as long each time after."""


class _BrokenError(Exception):
    """A stream that broke off."""


class Completions:
    """A reasoner behind a server's `/v1/completions`. Any number of threads may use one at once."""

    instructions: str | None = None
    """The text protocol's own words."""

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        tokenizer: Path | None = None,
        timeout: float = 120.0,
        tries: int = 3,
    ) -> None:
        """url: up to and with `/v1`, which is added where the path is empty.
        model: as the server calls it; may be left out where it serves one only.
        api_key: `OPENAI_API_KEY` by default, and "none" where that is not set.
        tokenizer: the model's `tokenizer.json`, for token ids. timeout: seconds of silence that are borne.
        tries: how often a request is made, and a broken stream begun, at most.

        Raises ReasonerError where the server does not answer, or not with a model.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server; give one like http://localhost:8000/v1")
        if tries < 1:
            raise ValueError(f"tries is {tries}; give 1 or more")
        path = parts.path.rstrip("/") or "/v1"
        self.url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
        """The address, without any credentials that were in it."""
        self.sampling = Sampling()
        self.context: int | None = None
        self._tokens = ByteTokens(tokenizer) if tokenizer is not None else None
        self._tries = tries
        self._timeout = timeout
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._client = openai.OpenAI(
            base_url=urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")),
            api_key=self._key,
            timeout=timeout,
            max_retries=tries - 1,
        )
        self._server = ""
        self.name = self._choose(model)

    def render(self, messages: Sequence[Message]) -> str:
        """The raw prompt, in ChatML as Qwen3-4B-Thinking reads it."""
        return chatml.render(messages)

    def encode(self, text: str) -> Encoding | None:
        """`text` by itself; None without a tokenizer."""
        return None if self._tokens is None else self._tokens.encode(text)

    def stream(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Iterator[Chunk]:
        """Go on from `prompt`, a chunk for each event of the server's.

        Without a seed, one is drawn for the segment, so that it can be begun again. Raises ReasonerError.
        """
        request = self._request(prompt, stop, max_tokens, sampling)
        done = ""
        for attempt in range(self._tries):
            text = ""
            try:
                for chunk in self._read(request, stop):
                    text += chunk.text
                    new = len(text) - len(done)
                    if new <= 0 and chunk.finish is None:
                        continue  # It was handed on before the stream broke.
                    if not text.startswith(done) or (new < len(chunk.text) and chunk.ids is not None):
                        raise ReasonerError(
                            f"{self.url}: a stream broke off after {len(done)} characters and, begun again with the "
                            "same seed, went another way; use generate, or a server that honours seeds"
                        )
                    yield replace(chunk, text=chunk.text[-new:] if new else "")
                    done = text
                return
            except _BrokenError as error:
                self._pause(attempt, error)

    def generate(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """The same, all at once: a stream that breaks off is begun again whatever it said."""
        request = self._request(prompt, stop, max_tokens, sampling)
        for attempt in range(self._tries):
            try:
                return collect(self._read(request, stop))
            except _BrokenError as error:
                self._pause(attempt, error)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _choose(self, model: str | None) -> str:
        """The model's name; learns which server this is and how long a context it has."""
        try:
            models = self._client.models.list().data
        except (openai.NotFoundError, openai.UnprocessableEntityError) as error:
            if model is not None:
                return model
            raise ReasonerError(f"{self.url}: no list of models there ({error.status_code}); say which model") from None
        except openai.OpenAIError as error:
            raise self._failed(error, model) from None
        except (ValueError, AttributeError, TypeError):
            raise ReasonerError(f"{self.url}/models: that is no list of models; is this the server's /v1?") from None
        names = [entry.id for entry in models]
        if model is None and len(names) != 1:
            raise ReasonerError(f"{self.url}: say which model; it serves {', '.join(names) or 'none'}")
        entry = next((entry for entry in models if model in (None, entry.id)), None)
        self._server = str(models[0].owned_by) if models else ""
        length = (entry.model_extra or {}).get("max_model_len") if entry is not None else None
        self.context = length if isinstance(length, int) else None
        return model or names[0]

    def _request(
        self, prompt: str | tuple[int, ...], stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> dict[str, Any]:
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}; give 1 or more")
        extra: dict[str, Any] = {}
        request: dict[str, Any] = {
            "model": self.name,
            "prompt": prompt if isinstance(prompt, str) else list(prompt),
            "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": (secrets.randbelow(SEEDS) if sampling.seed is None else sampling.seed) % SEEDS,
            "extra_body": extra,
        }
        if stop and self._server in NAMED_STOPS:
            request["stop"] = list(stop)
            extra.update(NAMED_STOPS[self._server][1])
        if self._server == "vllm":
            extra["add_special_tokens"] = False
            if self._tokens is not None:
                extra["return_token_ids"] = True
        return request

    def _read(self, request: dict[str, Any], stop: tuple[str, ...]) -> Iterator[Chunk]:
        """The chunks of one attempt. Raises _BrokenError where the stream breaks off."""
        written = TextSegment(stop)
        segment = None if self._tokens is None else Segment(self._tokens, stop=stop)
        with closing(self._events(request)) as events:
            for event in events:
                if not event.choices:
                    continue  # Usage.
                choice = event.choices[0]
                more = choice.model_extra or {}
                reason = choice.finish_reason
                ids = more.get("token_ids")
                if segment is not None and ids is None and choice.text:
                    if segment.begun:
                        raise _BrokenError("it left out token ids")
                    segment = None
                chunks: list[Chunk | None]
                if segment is not None:
                    chunks = [segment.feed(id) for id in ids or ()]
                else:
                    chunks = [written.feed(choice.text or "")]
                for chunk in chunks:
                    if chunk is not None:
                        yield chunk
                        if chunk.finish is not None:
                            return
                if reason is not None:
                    named = more.get(NAMED_STOPS[self._server][0]) if self._server in NAMED_STOPS else None
                    yield self._finish(reason, named if named in stop else None, written, segment)
                    return
        raise _BrokenError("it ended without a reason")

    def _finish(self, reason: str, named: str | None, written: TextSegment, segment: Segment | None) -> Chunk:
        """The last chunk, where the server gives the reason. named: the stop string that it left out."""
        if reason not in ("stop", "length"):
            raise ReasonerError(f"{self.url}: the server broke off the text: {reason}")
        if segment is None:
            return written.finish(reason, named)
        assert self._tokens is not None
        if reason == "length":
            return segment.finish("length")
        left = self._tokens.encode(named)[0] if named is not None else sorted(self._tokens.end_ids)[-1:]
        for id in left:
            chunk = segment.feed(id)
            if chunk is not None and chunk.finish is not None:
                return chunk
        return segment.finish("end")

    def _events(self, request: dict[str, Any]) -> Generator[Any]:
        try:
            events = self._client.completions.create(**request, stream=True)
        except openai.OpenAIError as error:
            raise self._failed(error, self.name) from None
        with events:
            try:
                yield from events
            except Exception as error:  # Of the package, of its HTTP client, of JSON: all mean that the stream broke.
                raise _BrokenError(self._say(error)) from None

    def _pause(self, attempt: int, error: _BrokenError) -> None:
        """Wait before the next attempt; raise ReasonerError after the last."""
        if attempt + 1 == self._tries:
            raise ReasonerError(f"{self.url}: the stream broke off, {self._tries} times in all: {error}") from None
        time.sleep(PAUSE * 2**attempt)

    def _failed(self, error: openai.OpenAIError, model: str | None) -> ReasonerError:
        """What a request that never began to stream ended with, and what to set."""
        said = self._say(error)
        if isinstance(error, openai.APIConnectionError):
            return ReasonerError(f"{self.url} cannot be reached, {self._tries} times tried: {said}. Is the server up?")
        status = getattr(error, "status_code", None)
        advice = {
            401: ". Set OPENAI_API_KEY, or give api_key",
            403: ". Set OPENAI_API_KEY, or give api_key",
            404: f". Is this the server's /v1, has it raw completions, and does it serve {model!r}?",
        }.get(status or 0, "")
        return ReasonerError(f"{self.url} answered {status or 'wrongly'}: {said}{advice}")

    def _say(self, error: Exception) -> str:
        """What an error says, short and without the key."""
        if isinstance(error, openai.APITimeoutError):
            return f"silent for {self._timeout:g} seconds"
        words = str(error) if error.__cause__ is None else f"{error} {error.__cause__}"
        return words.replace(self._key, "***")[:300] if self._key != "none" else words[:300]
