"""A server that speaks as OpenAI's does: its address, its models, its failures, and streams that break off.

`completions` and `chat` say what is asked and how the answer is read; what both have to bear is here.

**Failures.** The `openai` package tries again on refused connections, 408, 409, 429 (after `Retry-After`) and 5xx. A
stream that breaks off is begun again with the same seed; what was already handed on must then come again word for
word. Whatever remains is a ReasonerError that names the address. The key is in no message.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai

from storm_calm.agents.reasoners.sse import BrokenError
from storm_calm.env.reasoner import Chunk, Generation, ReasonerError, collect

PAUSE = 0.5
"""Seconds before a broken stream is begun again; twice as long each time after."""

NAMED = 10
"""Models that a message names at most; some servers have hundreds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A model as a server lists it."""

    name: str
    """What the server calls it."""
    owner: str = ""
    """Which server this is, by `owned_by` of what it lists first; "" where it lists nothing."""
    context: int | None = None
    """The most tokens of prompt and answer together; None where the list does not say."""


class Endpoint:
    """One server. Any number of threads may use one at once."""

    def __init__(
        self, url: str, *, kind: str, api_key: str | None, timeout: float, tries: int, key: str = "OPENAI_API_KEY"
    ) -> None:
        """url: up to and with `/v1`, which is added where the path is empty. kind: what it has to have, for messages.
        api_key: `OPENAI_API_KEY` by default, and "none" where that is not set. timeout: seconds of silence that are
        borne. tries: how often a request is made, and a broken stream begun, at most. key: the environment variable
        that users are told to set where the key is not taken.

        Raises ValueError for what is no address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server; give one like http://localhost:8000/v1")
        if tries < 1:
            raise ValueError(f"tries is {tries}; give 1 or more")
        path = parts.path.rstrip("/") or "/v1"
        self.url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
        """The address, without any credentials that were in it."""
        self._kind = kind
        self._advice = f". Set {key}, or give api_key"
        self._tries = tries
        self._timeout = timeout
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self.client = openai.OpenAI(
            base_url=urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")),
            api_key=self._key,
            timeout=timeout,
            max_retries=tries - 1,
        )

    def choose(self, model: str | None) -> Served:
        """The model of that name, or the only one. Raises ReasonerError where the server does not answer with one."""
        try:
            models = self.client.models.list().data
        except (openai.NotFoundError, openai.UnprocessableEntityError) as error:
            if model is not None:
                return Served(name=model)
            raise ReasonerError(f"{self.url}: no list of models there ({error.status_code}); say which model") from None
        except openai.OpenAIError as error:
            raise self.failed(error, model) from None
        except (ValueError, AttributeError, TypeError):
            raise ReasonerError(f"{self.url}/models: that is no list of models; is this the server's /v1?") from None
        names = [entry.id for entry in models]
        if model is None and len(names) != 1:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise ReasonerError(f"{self.url}: say which model; it serves {', '.join(names[:NAMED]) or 'none'}{more}")
        entry = next((entry for entry in models if model in (None, entry.id)), None)
        length = (entry.model_extra or {}).get("max_model_len") if entry is not None else None
        return Served(
            name=model or names[0],
            owner=str(models[0].owned_by) if models else "",
            context=length if isinstance(length, int) else None,
        )

    def events(self, stream: Any) -> Generator[Any]:
        """The events of a stream that has begun. Raises BrokenError where it breaks off."""
        with stream:
            try:
                yield from stream
            except Exception as error:  # Of the package, of its HTTP client, of JSON: all mean that the stream broke.
                raise BrokenError(self.say(error)) from None

    def stream(self, read: Callable[[], Iterator[Chunk]]) -> Iterator[Chunk]:
        """The chunks of `read`, begun again where it raises BrokenError. Raises ReasonerError."""
        done = ""
        for attempt in range(self._tries):
            text = ""
            try:
                for chunk in read():
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
            except BrokenError as error:
                self._pause(attempt, error)

    def generate(self, read: Callable[[], Iterator[Chunk]]) -> Generation:
        """The same, all at once: a stream that breaks off is begun again whatever it said."""
        for attempt in range(self._tries):
            try:
                return collect(read())
            except BrokenError as error:
                self._pause(attempt, error)
        raise AssertionError("the last attempt returns or raises")

    def failed(self, error: openai.OpenAIError, model: str | None) -> ReasonerError:
        """What a request that never began to stream ended with, and what to set."""
        said = self.say(error)
        if isinstance(error, openai.APIConnectionError):
            return ReasonerError(f"{self.url} cannot be reached, {self._tries} times tried: {said}. Is the server up?")
        status = getattr(error, "status_code", None)
        advice = {
            401: self._advice,
            403: self._advice,
            404: f". Is this the server's /v1, has it {self._kind}, and does it serve {model!r}?",
        }.get(status or 0, "")
        return ReasonerError(f"{self.url} answered {status or 'wrongly'}: {said}{advice}")

    def say(self, error: Exception) -> str:
        """What an error says, short and without the key."""
        if isinstance(error, openai.APITimeoutError):
            return f"silent for {self._timeout:g} seconds"
        words = str(error) if error.__cause__ is None else f"{error} {error.__cause__}"
        return words.replace(self._key, "***")[:300] if self._key != "none" else words[:300]

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _pause(self, attempt: int, error: BrokenError) -> None:
        """Wait before the next attempt; raise ReasonerError after the last."""
        if attempt + 1 == self._tries:
            raise ReasonerError(f"{self.url}: the stream broke off, {self._tries} times in all: {error}") from None
        time.sleep(PAUSE * 2**attempt)
