"""A server with OpenAI's API: its URL, its models, its errors, and broken streams.

`completions` and `chat` build the requests and parse the answers.

**Failures.** The `openai` package retries on refused connections, 408, 409, 429 (after `Retry-After`) and 5xx. A broken
stream is retried with the same seed (`agents.reasoners.retry`); it must first repeat exactly the text that was already
passed on. Any other failure is a ReasonerError that names the URL. No message contains the API key.
"""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai

from storm_calm.agents.reasoners.context_errors import fitting_tokens, is_context_error
from storm_calm.agents.reasoners.loading import LoadingWait
from storm_calm.agents.reasoners.retry import RetryableError, retrying
from storm_calm.agents.reasoners.server_answers import ServerAnswers, number
from storm_calm.env.reasoner import (
    Chunk,
    ContextLengthError,
    Generation,
    ReasonerError,
    StreamChangedError,
    collect,
)

CONTEXT_FIELDS = (
    ("max_model_len",),  # vLLM, SGLang.
    ("meta", "n_ctx"),  # llama.cpp.
    ("context_length",),  # OpenRouter, Together.
    ("context_window",),  # Groq.
    ("max_context_length",),  # Mistral.
)
"""Places of the context in a list of models."""
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
    listed: Mapping[str, Any] = field(default_factory=dict)
    """The model's entry in the list, untrusted; empty if the server has no list."""


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
        """Return the model of that name, or the only one. Waits while the server loads it.

        Raises ReasonerError if it is not served.
        """
        try:
            models = self._models().data
            names = [str(entry.id) for entry in models]
        except (openai.NotFoundError, openai.UnprocessableEntityError) as error:
            if model is not None:
                return Served(name=model)
            raise ReasonerError(f"{self.url}: no list of models ({error.status_code}); give the model's name") from None
        except openai.OpenAIError as error:
            raise self.failed(error, model) from None
        except (ValueError, AttributeError, TypeError):
            raise ReasonerError(f"{self.url}/models: not a list of models; give the URL up to /v1") from None
        if model is None and len(names) != 1:
            more = f" and {len(names) - MAX_LISTED_MODELS} more" if len(names) > MAX_LISTED_MODELS else ""
            raise ReasonerError(
                f"{self.url}: give the model's name; it serves {', '.join(names[:MAX_LISTED_MODELS]) or 'none'}{more}"
            )
        entry = next((entry for entry in models if model in (None, entry.id)), None)
        listed = (entry.model_extra or {}) if entry is not None else {}
        return Served(
            name=model or names[0],
            owner=str(models[0].owned_by) if models else "",
            context=next((length for path in CONTEXT_FIELDS if (length := number(listed, *path))), None),
            listed=listed,
        )

    def _models(self) -> Any:
        """Return the list of models, after the server has loaded its model."""
        waiting = LoadingWait(self.url)
        # llama.cpp lists its model while it loads it.
        with closing(ServerAnswers(str(self.client.base_url), self.api_key)) as answers:
            while True:
                status, body = answers.request("GET", "/health")
                if not waiting.pause(status, body[:2000].decode(errors="replace")):
                    break
        while True:
            try:
                return self.client.models.list()
            except openai.APIStatusError as error:
                if not waiting.pause(error.status_code, str(error)):
                    raise

    def fitting_tokens(self, error: openai.OpenAIError, max_tokens: int) -> int | None:
        """Return a smaller token limit that the endpoint would accept; None if the limit is not the problem."""
        return fitting_tokens(getattr(error, "status_code", None), str(error), max_tokens)

    def events(self, stream: Any) -> Generator[Any]:
        """Yield the events of an open stream. Raises RetryableError if it breaks."""
        with stream:
            try:
                yield from stream
            except Exception as error:  # Errors of openai, of its HTTP client and of JSON: the stream is broken.
                raise RetryableError(self.say(error)) from None

    def stream(self, read: Callable[[], Generator[Chunk]]) -> Generator[Chunk]:
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
        # llama.cpp sends this error in the stream, if the requests together fill its cache.
        kind = ContextLengthError if is_context_error(400, str(error)) else ReasonerError
        return kind(f"{self.url}: the stream broke off, {self._max_retries + 1} attempts: {error}")


def redact(message: str, key: str) -> str:
    """Return the first 300 characters of an error message, with the API key replaced by "***"."""
    return (message.replace(key, "***") if key != "none" else message)[:300]
