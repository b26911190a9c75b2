"""Asking an endpoint's chat completions for one JSON object.

    client = LLMClient("https://api.openai.com/v1", model="gpt-4.1", api_key=key, timeout=120, max_retries=5)
    reply = client.ask(messages)

The answer is streamed, so that silence means that nothing comes, however long the model thinks. Failures are
retried as in `agents.reasoners.endpoint`: 429 (after `Retry-After`), 5xx, silence and streams that break off. What
an endpoint refuses by a 400 that names it is left out from then on: a schema becomes "any JSON object", and that
becomes nothing, since the prompt asks for JSON in words too; parameters as in `agents.reasoners.provider_quirks`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Self

import openai

from storm_calm.agents.interveners.reply_cache import Reply
from storm_calm.agents.interveners.reply_parser import SCHEMA, sound
from storm_calm.agents.reasoners.endpoint import Endpoint
from storm_calm.agents.reasoners.provider_quirks import ProviderQuirks
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.env.reasoner import Chunk, ReasonerError
from storm_calm.env.transcript import CHARS_PER_TOKEN

API_KEY_VARIABLE = "STORM_INTERVENER_KEY"
"""The environment variable with the key of the intervener's endpoint."""

MAX_REPLY_TOKENS = 16384
"""Tokens of an answer, thoughts included."""

RESPONSE_FORMATS: tuple[dict[str, Any] | None, ...] = (
    {"type": "json_schema", "json_schema": {"name": "finding", "strict": True, "schema": SCHEMA}},
    {"type": "json_object"},
    None,
)
"""Ways to hold a model to the object, the strictest first."""

REQUEST_PARAMETERS: dict[str, Any] = {
    "temperature": 0,
    "max_tokens": MAX_REPLY_TOKENS,
    "stream": True,
    "stream_options": {"include_usage": True},
}
"""All of a request but the model, the messages and the format."""

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
    """An endpoint that will not answer these messages, however often it is asked: too long, or filtered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestQuirks:
    """How to ask one endpoint for one model."""

    form: int = 0
    """Which of `RESPONSE_FORMATS`."""
    provider: ProviderQuirks = field(default_factory=ProviderQuirks)
    """Which parameters are left out or called otherwise."""

    def body(self, model: str, messages: Sequence[dict[str, str]]) -> dict[str, Any]:
        """The request."""
        body: dict[str, Any] = {"model": model, "messages": list(messages)}
        if (form := RESPONSE_FORMATS[self.form]) is not None:
            body["response_format"] = form
        return body | self.provider.parameters(REQUEST_PARAMETERS)

    def learn(self, error: openai.APIStatusError, body: dict[str, Any]) -> Self | None:
        """Return the quirks with what `error` says about `body`; None if that names nothing that can be changed."""
        if "response_format" in body and _REJECTS_FORMAT.search(error.param or str(error)):
            return replace(self, form=self.form + 1)
        provider = self.provider.learn(error, body)
        return replace(self, provider=provider) if provider else None


class LLMClient:
    """One model behind one endpoint. Any number of threads may use one at once."""

    def __init__(self, url: str, *, model: str | None, api_key: str | None, timeout: float, max_retries: int) -> None:
        """As for `agents.reasoners.chat.Chat`.

        Raises ValueError for what is no address, ReasonerError where the endpoint does not answer, or not with a model.
        """
        self._endpoint = Endpoint(
            url,
            kind="chat completions",
            api_key=api_key,
            timeout=timeout,
            max_retries=max_retries,
            key=API_KEY_VARIABLE,
        )
        self._quirks = RequestQuirks()
        try:
            self.model = self._endpoint.choose(model).name
        except ReasonerError as error:
            raise _named(str(error)) from None

    def ask(self, messages: Sequence[dict[str, str]]) -> Reply:
        """What the model answers; white space around it and half characters in it are gone.

        Raises RequestRejectedError if the endpoint will never answer these messages, ReasonerError if it does not now.
        """
        started = perf_counter()
        stream = _Stream(model=self.model)
        try:
            text = self._endpoint.generate(lambda: self._read(messages, stream)).text
        except ReasonerError as error:
            raise _named(str(error)) from None
        asked = sum(len(message["content"]) for message in messages)
        return Reply(
            model=stream.model,
            text=sound(text).strip(),
            finish=stream.finish,
            input_tokens=asked // CHARS_PER_TOKEN if stream.input_tokens is None else stream.input_tokens,
            output_tokens=len(text) // CHARS_PER_TOKEN if stream.output_tokens is None else stream.output_tokens,
            seconds=round(perf_counter() - started, 3),
        )

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def _read(self, messages: Sequence[dict[str, str]], stream: _Stream) -> Generator[Chunk]:
        """The chunks of one attempt. Raises RetryableError if the stream breaks off."""
        stream.begin()
        with closing(self._endpoint.events(self._open(messages))) as events:
            for event in events:
                yield Chunk(text=stream.feed(event))
        if not stream.finish:
            raise RetryableError("it ended without a reason")
        yield Chunk(text="", finish="end")

    def _open(self, messages: Sequence[dict[str, str]]) -> Any:
        """The stream of an answer, asked for in the way that the endpoint takes."""
        quirks = self._quirks
        while True:
            body = quirks.body(self.model, messages)
            try:
                stream = self._endpoint.client.chat.completions.create(**body)
            except openai.APIStatusError as error:
                if error.status_code not in (400, 413, 422):
                    raise self._endpoint.failed(error, self.model) from None
                changed = quirks.learn(error, body)
                if changed is None and (_REJECTS_CONTENT.search(str(error)) or error.status_code == 413):
                    raise RequestRejectedError(self._endpoint.say(error)) from None
                if changed is None:
                    raise self._endpoint.failed(error, self.model) from None
                quirks = changed
            except openai.OpenAIError as error:
                raise self._endpoint.failed(error, self.model) from None
            else:
                self._learn(quirks)
                return stream

    def _learn(self, quirks: RequestQuirks) -> None:
        """Ask in this way from now on; only what was answered is learnt."""
        known = self._quirks
        changed = known.provider.changed | quirks.provider.changed
        self._quirks = RequestQuirks(form=max(known.form, quirks.form), provider=ProviderQuirks(changed=changed))
        if "temperature" in changed - known.provider.changed:
            log.warning("%s: %s takes no temperature; its findings may vary", self._endpoint.url, self.model)


class _Stream:
    """What the events of one answer say besides its text."""

    def __init__(self, *, model: str) -> None:
        self.model = model
        self.begin()

    def begin(self) -> None:
        """Forget an attempt that broke off."""
        self.finish = ""
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None

    def feed(self, event: Any) -> str:
        """The text of an event."""
        self.model = event.model or self.model
        if event.usage is not None:
            self.input_tokens = event.usage.prompt_tokens
            # Gemini counts thoughts in the total alone.
            self.output_tokens = max(
                event.usage.completion_tokens, (event.usage.total_tokens or 0) - event.usage.prompt_tokens
            )
        if not event.choices:
            return ""
        choice = event.choices[0]
        self.finish = choice.finish_reason or self.finish
        delta = choice.delta
        return "" if delta is None else (delta.content or "") + (delta.refusal or "")


def _named(message: str) -> ReasonerError:
    """A failure of the intervener's endpoint, which may not be the reasoner's."""
    return ReasonerError(f"the intervener: {message}")
