"""Any server with raw `/v1/completions` as a reasoner: vLLM, SGLang, llama.cpp, and whatever speaks as they do.

    reasoner = Completions("http://localhost:8000/v1")
    prompt = reasoner.render([{"role": "user", "content": question}])
    for chunk in reasoner.stream(prompt, stop=("```\\n",), max_tokens=4096, sampling=reasoner.sampling): ...

Raw completions and never chat, as a hint goes on inside a half-finished turn (see `agents.reasoners.chat_template`).

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

**Failures** are as in `agents.reasoners.endpoint`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import openai

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.completions_wire import CompletionsWire
from storm_calm.agents.reasoners.endpoint import Endpoint
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.reasoner import Chunk, Encoding, Generation, Message, Sampling


class Completions:
    """A reasoner behind a server's `/v1/completions`. Any number of threads may use one at once."""

    instructions: str | None = None
    """The text protocol's own words."""
    hint_marks = ("", "")

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        tokenizer: Path | None = None,
        timeout: float = 120.0,
        max_retries: int = 2,
    ) -> None:
        """url: up to and with `/v1`, which is added where the path is empty.
        model: as the server calls it; may be left out where it serves one only.
        api_key: `OPENAI_API_KEY` by default, and "none" where that is not set.
        tokenizer: the model's `tokenizer.json`, for token ids. timeout: seconds without data before the request fails.
        max_retries: of a request, and of a broken stream.

        Raises ReasonerError where the server does not answer, or not with a model.
        """
        self._endpoint = Endpoint(
            url, kind="raw completions", api_key=api_key, timeout=timeout, max_retries=max_retries
        )
        self.url = self._endpoint.url
        """The address, without any credentials that were in it."""
        self.sampling = Sampling()
        self._tokens = ByteTokens(tokenizer) if tokenizer is not None else None
        served = self._endpoint.choose(model)
        self.name = served.name
        self.context = served.context
        self._wire = CompletionsWire(model=served.name, server=served.owner, tokens=self._tokens)

    def render(self, messages: Sequence[Message]) -> str:
        """The raw prompt, in ChatML as Qwen3-4B-Thinking reads it."""
        return chat_template.render(messages, self._tokens.names if self._tokens else ())

    def encode(self, text: str) -> Encoding | None:
        """`text` by itself; None without a tokenizer."""
        return None if self._tokens is None else self._tokens.encode(text)

    def encode_marked(self, text: str) -> Encoding | None:
        """The same for a prompt that `render` gave."""
        return None if self._tokens is None else self._tokens.encode_marked(text)

    def stream(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Iterator[Chunk]:
        """Go on from `prompt`, a chunk for each event of the server's.

        Without a seed, one is drawn for the segment, so that it can be begun again. Raises ReasonerError.
        """
        body = self._wire.request(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        yield from self._endpoint.stream(lambda: self._read(body, stop))

    def generate(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """The same, all at once: a stream that breaks off is begun again whatever it said."""
        body = self._wire.request(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        return self._endpoint.generate(lambda: self._read(body, stop))

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    def _read(self, body: dict[str, Any], stop: tuple[str, ...]) -> Generator[Chunk]:
        """The chunks of one attempt. Raises RetryableError if the stream breaks off."""
        reader = self._wire.reader(stop, url=self.url)
        with closing(self._events(body)) as events:
            for event in events:
                if not event.choices:
                    continue  # Usage.
                choice = event.choices[0]
                more = choice.model_extra or {}
                for chunk in reader.feed(choice.text or "", more.get("token_ids")):
                    yield chunk
                    if chunk.finish is not None:
                        return
                if choice.finish_reason is not None:
                    yield reader.finish(choice.finish_reason, self._wire.named_stop(more))
                    return
        raise RetryableError("it ended without a reason")

    def _events(self, body: dict[str, Any]) -> Generator[Any]:
        try:
            stream = self._endpoint.client.completions.create(
                model=self.name, prompt=body["prompt"], stream=True, extra_body=body
            )
        except openai.OpenAIError as error:
            raise self._endpoint.failed(error, self.name) from None
        return self._endpoint.events(stream)
