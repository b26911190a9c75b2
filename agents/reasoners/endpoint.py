"""A server that speaks as OpenAI's does: its address, its models, its failures, and streams that break off.

`completions` and `chat` say what is asked and how the answer is read; what both have to bear is here.

**Failures.** The `openai` package retries on refused connections, 408, 409, 429 (after `Retry-After`) and 5xx. A stream
that breaks off is begun again with the same seed (`agents.reasoners.retry`); what was already handed on must then come
again word for word. Whatever remains is a ReasonerError that names the address. The key is in no message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai

from storm_calm.agents.reasoners.retry import RetryableError, retrying
from storm_calm.env.reasoner import Chunk, Generation, ReasonerError, collect

MAX_LISTED_MODELS = 10
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
        self, url: str, *, kind: str, api_key: str | None, timeout: float, max_retries: int, key: str = "OPENAI_API_KEY"
    ) -> None:
        """url: up to and with `/v1`, which is added where the path is empty. kind: what it has to have, for messages.
        api_key: `OPENAI_API_KEY` by default, and "none" where that is not set. timeout: seconds
        without data before the request fails. max_retries: of a request, and of a broken stream. key: the environment
        variable that messages name if the key is not accepted.

        Raises ValueError for what is no address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server; give one like http://localhost:8000/v1")
        if max_retries < 0:
            raise ValueError(f"max_retries is {max_retries}; give 0 or more")
        path = parts.path.rstrip("/") or "/v1"
        self.url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
        """The address, without any credentials that were in it."""
        self._kind = kind
        self._advice = f". Set {key}, or give api_key"
        self._max_retries = max_retries
        self._timeout = timeout
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self.client = openai.OpenAI(
            base_url=urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")),
            api_key=self._key,
            timeout=timeout,
            max_retries=max_retries,
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
            more = f" and {len(names) - MAX_LISTED_MODELS} more" if len(names) > MAX_LISTED_MODELS else ""
            raise ReasonerError(
                f"{self.url}: say which model; it serves {', '.join(names[:MAX_LISTED_MODELS]) or 'none'}{more}"
            )
        entry = next((entry for entry in models if model in (None, entry.id)), None)
        length = (entry.model_extra or {}).get("max_model_len") if entry is not None else None
        return Served(
            name=model or names[0],
            owner=str(models[0].owned_by) if models else "",
            context=length if isinstance(length, int) else None,
        )

    def events(self, stream: Any) -> Generator[Any]:
        """The events of a stream that has begun. Raises RetryableError if it breaks off."""
        with stream:
            try:
                yield from stream
            except Exception as error:  # Of the package, of its HTTP client, of JSON: all mean that the stream broke.
                raise RetryableError(self.say(error)) from None

    def stream(self, read: Callable[[], Generator[Chunk]]) -> Iterator[Chunk]:
        """Yield the chunks of `read`, called again if it raises RetryableError. Raises ReasonerError."""
        done = ""
        try:
            for attempt in retrying(self._max_retries):
                # tenacity keeps the exception that leaves the block, so the connection is closed here.
                with attempt, closing(read()) as chunks:
                    text = ""
                    for chunk in chunks:
                        text += chunk.text
                        new = len(text) - len(done)
                        if new <= 0 and chunk.finish is None:
                            continue  # It was handed on before the stream broke.
                        if not text.startswith(done) or (new < len(chunk.text) and chunk.ids is not None):
                            raise ReasonerError(
                                f"{self.url}: a stream broke off after {len(done)} characters and, begun again with "
                                "the same seed, went another way; use generate, or a server that honours seeds"
                            )
                        yield replace(chunk, text=chunk.text[-new:] if new else "")
                        done = text
        except RetryableError as error:
            raise self._broken(error) from None

    def generate(self, read: Callable[[], Generator[Chunk]]) -> Generation:
        """Return all of it at once: a stream that breaks off is begun again whatever it gave."""
        try:
            return retrying(self._max_retries)(lambda: collect(read()))
        except RetryableError as error:
            raise self._broken(error) from None

    def failed(self, error: openai.OpenAIError, model: str | None) -> ReasonerError:
        """What a request that never began to stream ended with, and what to set."""
        said = self.say(error)
        if isinstance(error, openai.APIConnectionError):
            return ReasonerError(
                f"{self.url} cannot be reached, {self._max_retries + 1} attempts: {said}. Is the server up?"
            )
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

    def _broken(self, error: RetryableError) -> ReasonerError:
        return ReasonerError(f"{self.url}: the stream broke off, {self._max_retries + 1} attempts: {error}")
