"""A client that asks an endpoint's chat completions for one JSON object.

The reply is streamed, so the timeout applies to the time without data and not to the whole generation. Failures are
retried as in `agents.reasoners.endpoint`: 429 (after `Retry-After`), 5xx, timeouts and broken streams. If a 400 names a
parameter, later requests leave it out (`agents.reasoners.provider_quirks`). The response format falls back from the
schema to any JSON object, then to none: the prompt asks for JSON too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any, Self

import openai

from storm_calm.agents.interveners.reply_cache import Reply
from storm_calm.agents.interveners.reply_parser import SCHEMA, sound
from storm_calm.agents.reasoners.endpoint import Endpoint
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.reasoners.provider_quirks import ProviderQuirks
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.env.reasoner import Chunk, ReasonerError, TokenUsage
from storm_calm.env.token_estimate import estimate_tokens

API_KEY_VARIABLE = "STORM_INTERVENER_KEY"
"""The environment variable with the API key of the intervener's endpoint."""

MAX_REPLY_TOKENS = 16384
"""The default token limit of a reply, including its reasoning."""

RESPONSE_FORMATS: tuple[dict[str, Any] | None, ...] = (
    {"type": "json_schema", "json_schema": {"name": "finding", "strict": True, "schema": SCHEMA}},
    {"type": "json_object"},
    None,
)
"""Response formats, the strictest first."""

REQUEST_PARAMETERS: dict[str, Any] = {
    "temperature": 0,
    "stream": True,
    "stream_options": {"include_usage": True},
}
"""Parameters of a request besides model, messages, response format and token limit."""

_REJECTS_FORMAT = re.compile(
    r"response_format|json_schema|json_object|structured.outputs?|guided|grammar", re.IGNORECASE
)
_REJECTS_CONTENT = re.compile(
    r"context.(?:length|window)|maximum context|too (?:long|large|many)|token (?:count|limit)"
    r"|content.?(?:filter|policy|management)|safety",
    re.IGNORECASE,
)

log = logging.getLogger("storm")


class RequestRejectedError(Exception):
    """Messages that the endpoint will always reject: too long, or filtered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestQuirks:
    """The response format and parameters that an endpoint accepts."""

    formats: tuple[dict[str, Any] | None, ...] = RESPONSE_FORMATS
    """Response formats, the strictest first, None last."""
    format: int = 0
    """Index into `formats`."""
    max_tokens: int = MAX_REPLY_TOKENS
    """The token limit of a reply, including its reasoning."""
    provider: ProviderQuirks = field(default_factory=ProviderQuirks)
    """Parameters that are left out or renamed."""

    def body(self, model: str, messages: Sequence[dict[str, str]]) -> dict[str, Any]:
        """Return the body of a request."""
        body: dict[str, Any] = {"model": model, "messages": list(messages)}
        if (response_format := self.formats[self.format]) is not None:
            body["response_format"] = response_format
        return body | self.provider.parameters({**REQUEST_PARAMETERS, "max_tokens": self.max_tokens})

    def learn(self, error: openai.APIStatusError, body: dict[str, Any]) -> Self | None:
        """Return the quirks that avoid the error; None if it does not name a part of `body` that can be changed."""
        if "response_format" in body and _REJECTS_FORMAT.search(error.param or str(error)):
            return replace(self, format=self.format + 1)
        provider = self.provider.learn(error, body)
        return replace(self, provider=provider) if provider else None


class LLMClient:
    """One model behind one endpoint. Thread-safe."""

    def __init__(
        self,
        url: str,
        *,
        model: str | None,
        api_key: str | None,
        timeout: float,
        max_retries: int,
        role: str = "intervener",
        key: str = API_KEY_VARIABLE,
        quirks: RequestQuirks | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Connect; see `agents.interveners.llm.LLMIntervener` for the other parameters and errors.

        role: what the model is, for error messages. key: the environment variable that they name if the key is
        rejected. quirks: of the first request.
        """
        self._role = role
        self._endpoint = Endpoint(
            url,
            kind="chat completions",
            api_key=api_key,
            timeout=timeout,
            max_retries=max_retries,
            key=key,
            limits=limits,
        )
        self._quirks = quirks or RequestQuirks()
        try:
            self.model = self._endpoint.choose(model).name
        except ReasonerError as error:
            raise self._of_role(error) from None

    def ask(self, messages: Sequence[dict[str, str]]) -> Reply:
        """Return the model's reply, stripped and without surrogates. Raises RequestRejectedError or ReasonerError."""
        started = perf_counter()
        stream = _Stream(model=self.model)
        try:
            text = self._endpoint.generate(lambda: self._read(messages, stream)).text
        except ReasonerError as error:
            raise self._of_role(error) from None
        prompt_tokens = sum(estimate_tokens(message["content"]) for message in messages)
        return Reply(
            model=stream.model,
            text=sound(text).strip(),
            finish=stream.finish,
            input_tokens=prompt_tokens if stream.input_tokens is None else stream.input_tokens,
            output_tokens=estimate_tokens(text) if stream.output_tokens is None else stream.output_tokens,
            seconds=round(perf_counter() - started, 3),
        )

    def cancel(self) -> None:
        """End all pauses, see `Endpoint.cancel`."""
        self._endpoint.cancel()

    def close(self) -> None:
        self._endpoint.close()

    def _read(self, messages: Sequence[dict[str, str]], stream: _Stream) -> Generator[Chunk]:
        """Yield the chunks of one attempt. Raises RetryableError if the stream breaks off."""
        stream.reset()
        with closing(self._endpoint.events(self._open(messages))) as events:
            for event in events:
                yield Chunk(text=stream.feed(event))
        if not stream.finish:
            raise RetryableError("it ended without a reason")
        yield Chunk(text="", finish="end", usage=stream.usage)

    def _open(self, messages: Sequence[dict[str, str]]) -> Any:
        """Start a stream; change the request as long as the endpoint rejects a part of it."""
        quirks, tokens = self._quirks, sum(estimate_tokens(message["content"]) for message in messages)
        while True:
            body = quirks.body(self.model, messages)
            try:
                stream = self._endpoint.send(partial(_create, body=body), model=self.model, tokens=tokens)
            except openai.APIStatusError as error:
                rejected = error.status_code in (400, 413, 422)
                changed = quirks.learn(error, body) if rejected else None
                if changed is not None:
                    quirks = changed
                elif rejected and (error.status_code == 413 or _REJECTS_CONTENT.search(str(error))):
                    raise RequestRejectedError(self._endpoint.say(error)) from None
                else:
                    raise self._endpoint.failed(error, self.model) from None
            except openai.OpenAIError as error:
                raise self._endpoint.failed(error, self.model) from None
            else:
                self._learn(quirks)
                return stream

    def _learn(self, quirks: RequestQuirks) -> None:
        """Merge the quirks of a successful request into those of later ones; other threads may have added some."""
        known = self._quirks
        changed = known.provider.changed | quirks.provider.changed
        provider = ProviderQuirks(changed=changed)
        self._quirks = replace(known, format=max(known.format, quirks.format), provider=provider)
        if "temperature" in changed - known.provider.changed:
            log.warning("%s: %s does not accept a temperature; its replies may vary", self._endpoint.url, self.model)

    def _of_role(self, error: ReasonerError) -> ReasonerError:
        """Mark an error as this model's: the reasoner may use another endpoint."""
        return ReasonerError(f"the {self._role}: {error}")


def _create(client: openai.OpenAI, *, body: dict[str, Any]) -> Any:
    return client.chat.completions.create(**body)


class _Stream:
    """The model, finish reason and usage of one streamed reply."""

    def __init__(self, *, model: str) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Discard the values of a broken stream."""
        self.finish = ""
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None

    @property
    def usage(self) -> TokenUsage | None:
        """The tokens, if the endpoint reports them."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return TokenUsage(input_tokens=self.input_tokens, output_tokens=self.output_tokens)

    def feed(self, event: Any) -> str:
        """Update the values from an event and return its text."""
        self.model = event.model or self.model
        if event.usage is not None:
            self.input_tokens = event.usage.prompt_tokens
            # Gemini counts reasoning tokens in the total only.
            self.output_tokens = max(
                event.usage.completion_tokens, (event.usage.total_tokens or 0) - event.usage.prompt_tokens
            )
        if not event.choices:
            return ""
        choice = event.choices[0]
        self.finish = choice.finish_reason or self.finish
        delta = choice.delta
        return "" if delta is None else (delta.content or "") + (delta.refusal or "")
