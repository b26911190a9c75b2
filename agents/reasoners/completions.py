"""A reasoner over any server with raw `/v1/completions`: vLLM, SGLang, llama.cpp and compatible servers.

    reasoner = Completions("http://localhost:8000/v1")
    prompt = reasoner.render([{"role": "user", "content": question}])
    for chunk in reasoner.stream(prompt, stop=("```\\n",), max_tokens=4096, sampling=reasoner.sampling): ...

Raw completions continue a half-finished turn after a hint; see `agents.reasoners.chat_template`.

**Stop strings** are part of the text. Servers omit them, and most do not report whether they stopped at one or at the
end of the turn. So the client itself cuts the text after the first stop string and closes the connection. An
end-of-turn token that a server sends as text ends the turn. Stop strings are sent only to servers that report which one
was reached: vLLM (`stop_reason`) and SGLang (`matched_stop`), see `agents.reasoners.capabilities`. These are asked to
keep it in the text (`include_stop_str_in_output`, `no_stop_trim`); if it is missing anyway, the reported one is
appended. For all other servers the finish reason "stop" means the end of the turn.

**Token ids.** With the model's tokenizer, prompts may be ids, and ids are returned if the server sends them
(`return_token_ids`). Without it, ids are `None`. A server on this machine names the model's folder, which has the
tokenizer and the prompt format (`agents.reasoners.served_model`). Text that the model generated is never encoded again.
For failures see `agents.reasoners.endpoint`.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import openai

from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.completions_wire import CompletionsWire, prompt_tokens
from storm_calm.agents.reasoners.endpoint_reasoner import EndpointReasoner
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.agents.reasoners.served_model import served_model
from storm_calm.agents.reasoners.server_tokenizer import check_tokenizer
from storm_calm.env.prompt_format import PromptFormat, ProtocolName
from storm_calm.env.reasoner import Chunk, Sampling


class Completions(EndpointReasoner):
    """A reasoner over a server's `/v1/completions`. Thread-safe."""

    kind = "raw completions"

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        tokenizer: str | Path | None = None,
        prompt_format: PromptFormat | None = None,
        protocol: ProtocolName = "auto",
        timeout: float | None = None,
        max_retries: int = 2,
        limits: Limits | None = None,
    ) -> None:
        """Connect, and find the model's tokenizer and prompt format, see `agents.reasoners.served_model`.

        tokenizer: the model's folder, its `tokenizer.json`, or its name on the model hub, for token ids.
        prompt_format: replaces the model's own. protocol: replaces that of the prompt format, unless "auto".
        For the others see `EndpointReasoner`.
        """
        super().__init__(url, model=model, api_key=api_key, timeout=timeout, max_retries=max_retries, limits=limits)
        found = served_model(self.capabilities, tokenizer=tokenizer, prompt_format=prompt_format, protocol=protocol)
        if tokenizer is not None and found.tokens is not None:
            check_tokenizer(found.tokens, self._endpoint, self.capabilities)
        self.prompt_format = found.prompt_format
        self.instructions = found.prompt_format.system_prompt
        self.returns_ids = found.tokens is not None and self.capabilities.token_ids
        self._wire = wire = CompletionsWire(
            model=self.name,
            server=self.capabilities.server,
            tokens=found.tokens,
            prompt_format=found.prompt_format,
        )
        self.render, self.encode, self.encode_marked = wire.render, wire.encode, wire.encode_marked

    def _attempts(
        self, prompt: Prompt, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Callable[[], Generator[Chunk]]:
        body = self._wire.request(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        return lambda: self._read(body, stop)

    def _read(self, body: dict[str, Any], stop: tuple[str, ...]) -> Generator[Chunk]:
        """Yield the chunks of one attempt. Raises RetryableError if the stream breaks."""
        reader = self._wire.reader(stop, url=self.url)
        stream = self._open(body)
        with closing(self._endpoint.events(stream)) as events:
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
        raise RetryableError("it ended without a finish reason")

    def _open(self, body: dict[str, Any]) -> Any:
        """Start the answer's stream, with a smaller token limit if the server demands one. Raises ReasonerError."""
        while True:
            try:
                return self._endpoint.send(
                    partial(_create, body=body), model=self.name, tokens=prompt_tokens(body["prompt"])
                )
            except openai.OpenAIError as error:
                fitting = self._endpoint.fitting_tokens(error, body["max_tokens"])
                if fitting is None:
                    raise self._endpoint.failed(error, self.name) from None
                # Without the model's tokenizer the length of the prompt is an estimate.
                body = {**body, "max_tokens": fitting}


def _create(client: openai.OpenAI, *, body: dict[str, Any]) -> Any:
    return client.completions.create(model=body["model"], prompt=body["prompt"], stream=True, extra_body=body)
