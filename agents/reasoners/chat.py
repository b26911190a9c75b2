"""Any endpoint with chat completions and tool calls as a reasoner: OpenAI, Gemini, OpenRouter, DeepSeek, and the like.

    reasoner = Chat("https://api.openai.com/v1", model="gpt-4.1")
    prompt = reasoner.render([{"role": "user", "content": question}])
    for chunk in reasoner.stream(prompt, stop=("```\\n",), max_tokens=4096, sampling=reasoner.sampling): ...

Hosted models have no raw completions, and run code as a tool. Here alone that becomes the text that all else reads:
`agents.reasoners.chat_messages` makes messages of a transcript, `agents.reasoners.chat_stream` text of what is
streamed.

**Hints.** Raw completions go on inside a half-finished turn; a chat can't. Endpoints refuse messages that end in the
assistant's, or begin a new turn. So a hint closes the turn that it stands in, and is one of the user's that asks to be
taken for a thought of the model's own. What the model thought before is read, and not taken up again.

**Token ids** there are none, so runs can be read and scored, and not be trained on token by token.

**What endpoints refuse**, by a 400 that names it, is left out or called by its other name from then on
(`agents.reasoners.provider_quirks`). A temperature, top_p or seed that is left out is logged. Failures are as in
`agents.reasoners.endpoint`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

import openai

from storm_calm.agents.reasoners.chat_messages import HINT_MARKS, TOOLS, read, render, split
from storm_calm.agents.reasoners.chat_stream import ChatStream
from storm_calm.agents.reasoners.completions_wire import SEED_LIMIT
from storm_calm.agents.reasoners.endpoint import Endpoint
from storm_calm.agents.reasoners.provider_quirks import SAMPLING, ProviderQuirks
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.env.reasoner import Chunk, Encoding, Generation, Message, Sampling
from storm_calm.env.system_prompt import CHAT_PROMPT

log = logging.getLogger("storm")


class Chat:
    """A reasoner behind an endpoint's `/v1/chat/completions`. Any number of threads may use one at once."""

    instructions: str | None = CHAT_PROMPT
    context: int | None = None
    hint_marks = HINT_MARKS

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float = 600.0,
        max_retries: int = 2,
    ) -> None:
        """url: up to and with `/v1`, which is added where the path is empty.
        model: as the endpoint calls it; may be left out where it serves one only.
        api_key: `OPENAI_API_KEY` by default, and "none" where that is not set. timeout: seconds
        without data before the request fails: models that think in secret are silent for minutes. max_retries: of a
        request, and of a broken stream.

        Raises ValueError for what is no address, ReasonerError where the endpoint does not answer, or not with a model.
        """
        self._endpoint = Endpoint(
            url, kind="chat completions", api_key=api_key, timeout=timeout, max_retries=max_retries
        )
        self.url = self._endpoint.url
        """The address, without any credentials that were in it."""
        self.sampling = Sampling()
        self.name = self._endpoint.choose(model).name
        self._quirks = ProviderQuirks()

    def render(self, messages: Sequence[Message]) -> str:
        """The raw prompt: the messages as a line of JSON. Raises ValueError where the last one is not the user's."""
        return render(messages)

    def encode(self, text: str) -> Encoding | None:
        """None: the tokens of an endpoint are not known."""
        return None

    def encode_marked(self, text: str) -> Encoding | None:
        """None as well."""
        return None

    def stream(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Iterator[Chunk]:
        """Go on from `prompt`, a chunk for each event of the endpoint's; a called program comes whole.

        Raises ReasonerError, also where the model refuses, and ValueError for a prompt that `render` did not begin.
        """
        text, request = self._asked(prompt, max_tokens, sampling)
        return self._endpoint.stream(lambda: self._read(text, request, stop))

    def generate(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """The same, all at once: a stream that breaks off is begun again whatever it said."""
        text, request = self._asked(prompt, max_tokens, sampling)
        return self._endpoint.generate(lambda: self._read(text, request, stop))

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def _asked(self, prompt: str | tuple[int, ...], max_tokens: int, sampling: Sampling) -> tuple[str, dict[str, Any]]:
        """The prompt as text, and all of the request but the messages."""
        if not isinstance(prompt, str):
            raise ValueError(f"the prompt is {len(prompt)} token ids; a chat takes the text that `render` begins")
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}; give 1 or more")
        return prompt, {
            "model": self.name,
            "tools": TOOLS,
            "parallel_tool_calls": False,
            "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": (secrets.randbelow(SEED_LIMIT) if sampling.seed is None else sampling.seed) % SEED_LIMIT,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def _read(self, prompt: str, request: dict[str, Any], stop: tuple[str, ...]) -> Generator[Chunk]:
        """The chunks of one attempt. Raises RetryableError if the stream breaks off."""
        reply = ChatStream(stop, turn=split(read(prompt)[1])[1], place=f"{self.url}: {self.name}")
        with closing(self._endpoint.events(self._begin(prompt, request))) as events:
            for event in events:
                if not event.choices:
                    continue  # Usage, or what a filter thinks of the prompt.
                choice = event.choices[0]
                # What a filter thinks of the answer may come by itself.
                for chunk in reply.feed(choice.delta) if choice.delta is not None else ():
                    yield chunk
                    if chunk.finish is not None:
                        return
                if choice.finish_reason is not None:
                    yield from reply.finish(choice.finish_reason)
                    return
        raise RetryableError("it ended without a reason")

    def _begin(self, prompt: str, request: dict[str, Any]) -> Any:
        """The stream of an answer, asked for in the way that the endpoint takes. Raises ReasonerError."""
        quirks = self._quirks
        while True:
            body = quirks.body(request, prompt)
            try:
                stream = self._endpoint.client.chat.completions.create(**body)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                changed = quirks.learn(error, body)
                if changed is None:
                    raise self._endpoint.failed(error, self.name) from None
                quirks = changed
            except openai.OpenAIError as error:
                raise self._endpoint.failed(error, self.name) from None
            else:
                self._learn(quirks)
                return stream

    def _learn(self, quirks: ProviderQuirks) -> None:
        """Ask in this way from now on; only what was answered is learnt."""
        new = quirks.changed - self._quirks.changed
        self._quirks = ProviderQuirks(changed=self._quirks.changed | new)
        for name in SAMPLING:
            if name in new:
                log.warning("%s: %s does not take %s; it is asked without", self.url, self.name, name)
