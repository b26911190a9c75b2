"""A server with OpenAI's API: its URL, its models, its errors, and broken streams.

`completions` and `chat` build the requests and parse the answers.

**Failures.** The `openai` package retries on refused connections, 408, 409, 429 (after `Retry-After`) and 5xx. A broken
stream is retried with the same seed (`agents.reasoners.retry`); it must first repeat exactly the text that was already
passed on. Any other failure is a ReasonerError that names the URL. No message contains the API key.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai

from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.context_errors import is_context_error
from storm_calm.agents.reasoners.retry import RetryableError, retrying
from storm_calm.env.reasoner import (
    Chunk,
    ContextLengthError,
    Generation,
    ReasonerError,
    Sampling,
    StreamChangedError,
    collect,
)

MAX_LISTED_MODELS = 10
"""The most models that an error message lists; some servers have hundreds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A model as a server lists it."""

    name: str
    owner: str = ""
    """The kind of server, from `owned_by` of the first listed model; "" if the list is empty."""
    context: int | None = None
    """The most tokens of prompt and answer together; None if the list does not include it."""


class Endpoint:
    """One server. Thread-safe."""

    def __init__(
        self, url: str, *, kind: str, api_key: str | None, timeout: float, max_retries: int, key: str = "OPENAI_API_KEY"
    ) -> None:
        """Create the client. Raises ValueError for an invalid URL.

        url: up to `/v1`, which is added if the path is empty. kind: the required API, for error messages.
        api_key: by default `OPENAI_API_KEY`, or "none" if that is not set.
        timeout: seconds without data before the request fails. max_retries: for a request, and for a broken stream.
        key: the environment variable that error messages name if the key is rejected.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not the URL of a server; give one such as http://localhost:8000/v1")
        if max_retries < 0:
            raise ValueError(f"max_retries is {max_retries}; give 0 or more")
        path = parts.path.rstrip("/") or "/v1"
        self.url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
        """The URL without credentials."""
        self._kind = kind
        self._advice = f". Set {key}, or give api_key"
        self._max_retries = max_retries
        self._timeout = timeout
        self.api_key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self.client = openai.OpenAI(
            base_url=urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")),
            api_key=self.api_key,
            timeout=timeout,
            max_retries=max_retries,
        )

    def choose(self, model: str | None) -> Served:
        """Return the model of that name, or the only one. Raises ReasonerError if it is not served."""
        try:
            models = self.client.models.list().data
        except (openai.NotFoundError, openai.UnprocessableEntityError) as error:
            if model is not None:
                return Served(name=model)
            raise ReasonerError(f"{self.url}: no list of models ({error.status_code}); give the model's name") from None
        except openai.OpenAIError as error:
            raise self.failed(error, model) from None
        except (ValueError, AttributeError, TypeError):
            raise ReasonerError(f"{self.url}/models: not a list of models; give the URL up to /v1") from None
        names = [entry.id for entry in models]
        if model is None and len(names) != 1:
            more = f" and {len(names) - MAX_LISTED_MODELS} more" if len(names) > MAX_LISTED_MODELS else ""
            raise ReasonerError(
                f"{self.url}: give the model's name; it serves {', '.join(names[:MAX_LISTED_MODELS]) or 'none'}{more}"
            )
        entry = next((entry for entry in models if model in (None, entry.id)), None)
        length = (entry.model_extra or {}).get("max_model_len") if entry is not None else None
        return Served(
            name=model or names[0],
            owner=str(models[0].owned_by) if models else "",
            context=length if isinstance(length, int) else None,
        )

    def events(self, stream: Any) -> Generator[Any]:
        """Yield the events of an open stream. Raises RetryableError if it breaks."""
        with stream:
            try:
                yield from stream
            except Exception as error:  # Errors of openai, of its HTTP client and of JSON: the stream is broken.
                raise RetryableError(self.say(error)) from None

    def stream(self, read: Callable[[], Generator[Chunk]]) -> Iterator[Chunk]:
        """Yield the chunks of `read`, retrying it on RetryableError. Raises ReasonerError."""
        passed_on = ""
        try:
            for attempt in retrying(self._max_retries):
                # tenacity keeps the exception that leaves the block, so the connection is closed here.
                with attempt, closing(read()) as chunks:
                    text = ""
                    for chunk in chunks:
                        text += chunk.text
                        new = len(text) - len(passed_on)
                        if new <= 0 and chunk.finish is None:
                            continue  # It was passed on before the stream broke.
                        if not text.startswith(passed_on) or (new < len(chunk.text) and chunk.ids is not None):
                            raise StreamChangedError(
                                f"{self.url}: a stream broke off after {len(passed_on)} characters, and the retry with "
                                "the same seed gave different text; use generate, or a server that honours seeds"
                            )
                        yield replace(chunk, text=chunk.text[-new:] if new else "")
                        passed_on = text
        except RetryableError as error:
            raise self._broken(error) from None

    def generate(self, read: Callable[[], Generator[Chunk]]) -> Generation:
        """Return the whole text of `read`, retrying it on RetryableError. Raises ReasonerError."""
        try:
            return retrying(self._max_retries)(lambda: collect(read()))
        except RetryableError as error:
            raise self._broken(error) from None

    def failed(self, error: openai.OpenAIError, model: str | None) -> ReasonerError:
        """Return the error of a request that never started to stream, with advice on what to change."""
        detail = self.say(error)
        if isinstance(error, openai.APIConnectionError):
            return ReasonerError(
                f"{self.url} cannot be reached, {self._max_retries + 1} attempts: {detail}. Is the server running?"
            )
        status = getattr(error, "status_code", None)
        advice = {
            401: self._advice,
            403: self._advice,
            404: f". Check that the URL ends in /v1 and that the server has {self._kind} and serves {model!r}",
        }.get(status or 0, "")
        kind = ContextLengthError if is_context_error(status, detail) else ReasonerError
        return kind(f"{self.url} answered {status or 'wrongly'}: {detail}{advice}")

    def say(self, error: Exception) -> str:
        """Return a short error message without the API key."""
        if isinstance(error, openai.APITimeoutError):
            return f"no data for {self._timeout:g} seconds"
        return redact(str(error) if error.__cause__ is None else f"{error} {error.__cause__}", self.api_key)

    def close(self) -> None:
        self.client.close()

    def _broken(self, error: RetryableError) -> ReasonerError:
        return ReasonerError(f"{self.url}: the stream broke off, {self._max_retries + 1} attempts: {error}")


class EndpointReasoner(ABC):
    """The common part of the reasoners over an endpoint. Thread-safe."""

    instructions: str | None = None
    context: int | None = None
    hint_marks = ("", "")
    kind: str
    timeout = 120.0
    """The default timeout in seconds."""

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
    ) -> None:
        """Connect. Raises ValueError for an invalid URL, ReasonerError if the endpoint or the model is unavailable.

        model: the endpoint's name for it; optional if the endpoint serves only one. For the others see `Endpoint`.
        """
        timeout = self.timeout if timeout is None else timeout
        self._endpoint = Endpoint(url, kind=self.kind, api_key=api_key, timeout=timeout, max_retries=max_retries)
        self.url = self._endpoint.url
        self.sampling = Sampling()
        self._served = self._endpoint.choose(model)
        self.name = self._served.name

    def stream(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Iterator[Chunk]:
        """Continue `prompt`. Yield a chunk for each event of the endpoint. Raises ReasonerError."""
        return self._endpoint.stream(self._attempts(prompt, stop, max_tokens, sampling))

    def generate(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generation:
        """Return the whole continuation. A broken stream is retried even if the new text differs."""
        return self._endpoint.generate(self._attempts(prompt, stop, max_tokens, sampling))

    def close(self) -> None:
        self._endpoint.close()

    @abstractmethod
    def _attempts(
        self, prompt: Prompt, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Callable[[], Generator[Chunk]]:
        """Return the function that makes a request and yields the chunks of its answer."""


def redact(message: str, key: str) -> str:
    """Return the first 300 characters of an error message, with the API key replaced by "***"."""
    return (message.replace(key, "***") if key != "none" else message)[:300]
