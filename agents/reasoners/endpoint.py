"""A server with OpenAI's API: its URL, its models, its errors, and broken streams.

`completions` and `chat` build the requests and parse the answers.

**Failures.** Refused connections, 408, 409, 429 (after `Retry-After`), 5xx and broken streams are retried with the same
seed (`agents.reasoners.retry`); a retried stream must first repeat exactly the text that was already passed on. Any
other failure is a ReasonerError that names the URL. No message contains the API key.

**Load.** An overloaded server gets fewer requests at the same time (`agents.reasoners.load_limit`). Each attempt waits
for the rate limit of the endpoint and key, if there is one (`agents.reasoners.rate_limit`).
"""

import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai

from storm_calm.agents.reasoners.context_errors import fitting_tokens, is_context_error
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.reasoners.load_limit import LoadLimit
from storm_calm.agents.reasoners.loading import LoadingWait
from storm_calm.agents.reasoners.retry import (
    RETRY_STATUSES,
    RetryableError,
    UnavailableError,
    retried_stream,
    retry_after_seconds,
    retrying,
)
from storm_calm.agents.reasoners.server_answers import ServerAnswers, number
from storm_calm.env.reasoner import Chunk, ContextLengthError, Generation, ReasonerError, collect
from storm_calm.env.token_estimate import estimate_tokens
from storm_calm.sandbox import RunCancelledError

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
        self,
        url: str,
        *,
        kind: str,
        api_key: str | None,
        timeout: float,
        max_retries: int,
        key: str = "OPENAI_API_KEY",
        limits: Limits | None = None,
    ) -> None:
        """Create the client. Raises ValueError for an invalid URL.

        url: up to `/v1`, which is added if the path is empty. kind: the required API, for error messages.
        api_key: by default `OPENAI_API_KEY`, or "none" if that is not set.
        timeout: seconds without data before the request fails. max_retries: for a request, and for a broken stream.
        key: the environment variable that error messages name if the key is rejected.
        limits: of the endpoint and key, in requests and tokens per minute; by default none.
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
        # The retries of requests are here, so that each attempt waits for the limits.
        self._sender = self.client.with_options(max_retries=0)
        self._rate = (limits or Limits()).open(self.url, self.api_key)
        self.load = LoadLimit()
        """The requests in flight."""
        self._cancelled = threading.Event()

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

    def send(self, create: Callable[[openai.OpenAI], Any], *, model: str, tokens: int) -> Any:
        """Send a request, as soon as the rate limit allows it, and return its stream.

        create: sends it with a client. tokens: of the prompt, estimated.
        Raises RetryableError for a failure that a retry may fix, and errors of `openai` for others.
        """
        if self._rate is not None:
            for seconds in self._rate.waits(tokens=tokens):
                self.pause(seconds)
        try:
            return create(self._sender)
        except openai.APIStatusError as error:
            if error.status_code not in RETRY_STATUSES or is_context_error(error.status_code, str(error)):
                raise
            raise RetryableError(
                self.say(error),
                retry_after=retry_after_seconds(error.response.headers),
                status=error.status_code,
                failure=self.failed(error, model),
            ) from None
        except openai.APIConnectionError as error:
            raise RetryableError(self.say(error), failure=self.failed(error, model)) from None

    def stream(self, read: Callable[[], Generator[Chunk]]) -> Generator[Chunk]:
        """Yield the chunks of `read`, retrying it on RetryableError. Raises ReasonerError."""
        try:
            yield from retried_stream(self._retrying(), lambda: self._attempt(read), url=self.url)
        except RetryableError as error:
            raise self._given_up(error) from None

    def generate(self, read: Callable[[], Generator[Chunk]]) -> Generation:
        """Return the whole text of `read`, retrying it on RetryableError. Raises ReasonerError."""

        def attempt() -> Generation:
            with closing(self._attempt(read)) as chunks:
                return collect(chunks)

        try:
            return self._retrying()(attempt)
        except RetryableError as error:
            raise self._given_up(error) from None

    def cancel(self) -> None:
        """End all pauses: before retries, and for limits. Requests that wait raise RunCancelledError."""
        self._cancelled.set()

    def pause(self, seconds: float) -> None:
        """Sleep. Raises RunCancelledError after `cancel`."""
        if self._cancelled.wait(seconds):
            raise RunCancelledError

    @property
    def _attempts(self) -> str:
        return "1 attempt" if self._max_retries == 0 else f"{self._max_retries + 1} attempts"

    def _retrying(self) -> Any:
        return retrying(self._max_retries, is_working=lambda: self.load.is_working, sleep=self.pause)

    def _attempt(self, read: Callable[[], Generator[Chunk]]) -> Generator[Chunk]:
        """Yield the chunks of one attempt, as soon as the server may get a request, and count its tokens."""
        tokens = 0
        with self.load.slot(self.pause) as slot:
            try:
                with closing(read()) as chunks:
                    for chunk in chunks:
                        self.load.heard()
                        tokens += estimate_tokens(chunk.text) if chunk.ids is None else len(chunk.ids)
                        if chunk.finish is not None:
                            tokens = tokens if chunk.usage is None else chunk.usage.output_tokens
                            slot.answered()
                        yield chunk
            except RetryableError as error:
                if error.overloaded:
                    slot.overloaded(retry_after=error.retry_after)
                raise
            finally:
                if self._rate is not None:
                    self._rate.add(tokens=tokens)

    def failed(self, error: openai.OpenAIError, model: str | None) -> ReasonerError:
        """Return the error of a request that never started to stream, with advice on what to change."""
        detail = self.say(error)
        if isinstance(error, openai.APIConnectionError):
            return UnavailableError(f"{self.url} cannot be reached, {self._attempts}: {detail}. Is the server running?")
        status = getattr(error, "status_code", None)
        advice = {
            401: self._advice,
            403: self._advice,
            404: f". Check that the URL ends in /v1 and that the server has {self._kind} and serves {model!r}",
        }.get(status or 0, "")
        message = f"{self.url} answered {status or 'wrongly'}: {detail}{advice}"
        if is_context_error(status, detail):
            return ContextLengthError(message)
        return UnavailableError(message) if status in RETRY_STATUSES else ReasonerError(message)

    def say(self, error: Exception) -> str:
        """Return a short error message without the API key."""
        if isinstance(error, openai.APITimeoutError):
            return f"no data for {self._timeout:g} seconds"
        return redact(str(error) if error.__cause__ is None else f"{error} {error.__cause__}", self.api_key)

    def close(self) -> None:
        self.client.close()

    def _given_up(self, error: RetryableError) -> ReasonerError:
        """Return the error after the last attempt."""
        if isinstance(error.failure, UnavailableError):
            error.failure.status, error.failure.retry_after = error.status, error.retry_after
        if error.failure is not None:
            return error.failure
        # llama.cpp sends this error in the stream, if the requests together fill its cache.
        kind = ContextLengthError if is_context_error(400, str(error)) else UnavailableError
        return kind(f"{self.url}: the stream broke off, {self._attempts}: {error}")


def redact(message: str, key: str) -> str:
    """Return the first 300 characters of an error message, with the API key replaced by "***"."""
    return (message.replace(key, "***") if key != "none" else message)[:300]
