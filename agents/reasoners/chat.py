"""A reasoner over any endpoint with chat completions and tool calls: OpenAI, Gemini, OpenRouter, DeepSeek and similar.

    reasoner = Chat("https://api.openai.com/v1", model="gpt-4.1")
    prompt = reasoner.render([{"role": "user", "content": question}])
    for chunk in reasoner.stream(prompt, stop=("```\\n",), max_tokens=4096, sampling=reasoner.sampling): ...

Hosted models have no raw completions, and run code as a tool. `agents.reasoners.chat_messages` turns a transcript into
messages, and `agents.reasoners.chat_stream` turns the streamed answer into the text of the inline protocol.
Endpoints return no token ids, so the trajectories cannot be trained on by token.

**Hints.** Raw completions continue a half-finished turn. Chat endpoints reject messages that end in an assistant's
message, or begin a new turn. So a hint ends the assistant's turn and is sent as a user message, which asks the model to
take it as its own thought. The model can read its earlier thought, but does not continue it.

**Rejected parameters.** If a 400 response names a parameter, it is omitted or renamed in all later requests
(`agents.reasoners.provider_quirks`). An omitted temperature, top_p, seed or token limit is logged. A token limit that
is too large is reduced for that request. For other failures see `agents.reasoners.endpoint`.

**Malformed calls** are the model's fault and are answered with an error message, also if the endpoint rejects them
itself (Groq's "tool_use_failed").
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import openai

from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.chat_messages import HINT_MARKS, TOOLS, read, render, split
from storm_calm.agents.reasoners.chat_stream import ChatStream
from storm_calm.agents.reasoners.completions_wire import sampling_parameters
from storm_calm.agents.reasoners.endpoint_reasoner import EndpointReasoner
from storm_calm.agents.reasoners.provider_quirks import LOGGED, ProviderQuirks
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.env.reasoner import Chunk, ContextLengthError, Encoding, Message, Sampling, TokenUsage
from storm_calm.env.system_prompt import CHAT_PROMPT, system_prompt
from storm_calm.env.token_estimate import estimate_tokens

_REJECTIONS = (openai.BadRequestError, openai.UnprocessableEntityError)

log = logging.getLogger("storm")


class Chat(EndpointReasoner):
    """A reasoner over an endpoint's `/v1/chat/completions`. Thread-safe."""

    instructions = CHAT_PROMPT
    hint_marks = HINT_MARKS
    kind = "chat completions"
    # Models with hidden reasoning can send nothing for minutes.
    timeout = 600.0
    _quirks = ProviderQuirks()

    def __init__(self, url: str, **options: Any) -> None:
        """Connect, see `EndpointReasoner`. Models that answer without a thought get the prompt with an example."""
        super().__init__(url, **options)
        if self.capabilities.thinking is False:
            self.instructions = system_prompt("chat", thinking=False)

    def render(self, messages: Sequence[Message]) -> str:
        return render(messages)

    def encode(self, text: str) -> Encoding | None:
        """Return None: the endpoint's tokenizer is unknown."""
        return None

    encode_marked = encode

    def _attempts(
        self, prompt: Prompt, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Callable[[], Generator[Chunk]]:
        if not isinstance(prompt, str):
            raise ValueError(f"the prompt is {len(prompt)} token ids; give the text of `render`")
        request = {
            "model": self.name,
            "tools": TOOLS,
            "parallel_tool_calls": False,
            **sampling_parameters(max_tokens, sampling),
            "stream_options": {"include_usage": True},
        }
        return lambda: self._read(prompt, request, stop)

    def _read(self, prompt: str, request: dict[str, Any], stop: tuple[str, ...]) -> Generator[Chunk]:
        """Yield the chunks of one attempt. Raises RetryableError if the stream breaks."""
        reply = ChatStream(stop, turn=split(read(prompt)[1])[1], place=f"{self.url}: {self.name}")
        try:
            stream = self._open(prompt, request)
        except _UnreadableCallError as error:
            yield from reply.malformed_call(str(error))
            return
        with closing(self._endpoint.events(stream)) as events:
            for event in events:
                if not event.choices:
                    continue  # Usage, or the result of a content filter on the prompt.
                choice = event.choices[0]
                # The result of a content filter on the answer has no delta.
                for chunk in reply.feed(choice.delta) if choice.delta is not None else ():
                    yield chunk
                    if chunk.finish is not None:
                        return
                if choice.finish_reason is not None:
                    *chunks, last = reply.finish(choice.finish_reason)
                    yield from chunks
                    yield replace(last, usage=_usage(event, events))
                    return
        raise RetryableError("it ended without a finish reason")

    def _open(self, prompt: str, request: dict[str, Any]) -> Any:
        """Start the answer's stream, with a request that the endpoint accepts.

        Raises ReasonerError, and _UnreadableCallError if the model wrote a call that the endpoint cannot read.
        """
        quirks = self._quirks
        while True:
            body = quirks.body(request, prompt)
            try:
                stream = self._endpoint.send(
                    partial(_create, body=body), model=self.name, tokens=estimate_tokens(prompt)
                )
                break
            except openai.OpenAIError as error:
                if (written := _unreadable_call(error)) is not None:
                    raise _UnreadableCallError(written) from None
                limit = body.get("max_tokens") or body.get("max_completion_tokens")
                fitting = self._endpoint.fitting_tokens(error, limit) if limit else None
                if fitting is not None:
                    request = {**request, "max_tokens": fitting}
                    continue
                failure = self._endpoint.failed(error, self.name)
                changed = None
                # An error about the context names max_tokens too, but leaving it out would not help.
                if isinstance(error, _REJECTIONS) and not isinstance(failure, ContextLengthError):
                    changed = quirks.learn(error, body)
                if changed is None:
                    raise failure from None
                quirks = changed
        new = quirks.changed - self._quirks.changed
        # Another thread may have learned other quirks in the meantime.
        self._quirks = ProviderQuirks(changed=self._quirks.changed | new)
        for name in LOGGED:
            if name in new:
                log.warning("%s: %s does not accept %s; requests omit it", self.url, self.name, name)
        return stream


def _create(client: openai.OpenAI, *, body: dict[str, Any]) -> Any:
    return client.chat.completions.create(**body)


def _usage(last: Any, events: Iterator[Any]) -> TokenUsage | None:
    """Return the usage from the event with the finish reason, or from those after it."""
    try:
        for event in chain([last], events):
            if event.usage is not None:
                return TokenUsage(
                    input_tokens=event.usage.prompt_tokens or 0, output_tokens=event.usage.completion_tokens or 0
                )
    except (RetryableError, AttributeError):  # The answer is complete, whatever follows.
        pass
    return None


class _UnreadableCallError(Exception):
    """The endpoint could not read the model's call; the message is the model's text."""


def _unreadable_call(error: openai.OpenAIError) -> str | None:
    """Return the model's text if the endpoint failed because of its call, else None."""
    body = error.body if isinstance(error, openai.APIError) else None
    if not isinstance(body, dict) or body.get("code") != "tool_use_failed":
        return None
    return str(body.get("failed_generation") or "")
