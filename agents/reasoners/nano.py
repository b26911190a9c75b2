"""The embedded reasoner: a nano model on onnxruntime, without torch, a server or a GPU.

    reasoner = Nano(Path("models/nano/base"))
    prompt = reasoner.render([{"role": "user", "content": question}])
    reasoner.generate(prompt, stop=("```\\n",), max_tokens=512, sampling=Sampling(seed=1)).text

A nano model is a model organism of a few million parameters. It knows only the problem families it was trained on. The
same prompt ids, seed and sampling always give the same tokens, independent of concurrent requests (see
`agents.reasoners.engine`). `python -m benchmarks.nano` measures its speed.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.engine import Engine
from storm_calm.agents.reasoners.nano_scope import is_family_question
from storm_calm.agents.reasoners.sampler import draw, generator
from storm_calm.agents.reasoners.tokenizer import ByteTokens, Segment
from storm_calm.env.prompt_format import FILE_NAME, NANO, read_prompt_format
from storm_calm.env.reasoner import Chunk, ContextLengthError, Generation, Message, ReasonerError, Sampling, collect


class Nano:
    """A nano model from a folder of `rl.nano.export_onnx`. Thread-safe."""

    hint_marks = ("", "")

    def __init__(self, folder: Path, *, name: str | None = None, max_cached: int = 32) -> None:
        """name: for records; by default the folder's name. Raises ReasonerError if the model cannot be loaded."""
        self.name = name or folder.resolve().name
        self.folder = folder
        self._engine = Engine(folder, max_cached=max_cached)
        self.context: int | None = self._engine.context
        try:
            self._tokens = tokens = ByteTokens(folder / "tokenizer.json")
            self.prompt_format = read_prompt_format(folder) or NANO
            settings = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
            greedy = settings.get("do_sample") is False
            self.sampling = Sampling(
                temperature=0.0 if greedy else settings.get("temperature", 1.0), top_p=settings.get("top_p", 1.0)
            )
        except (OSError, ValueError) as error:
            raise ReasonerError(
                f"{folder}: tokenizer.json, generation_config.json or {FILE_NAME} cannot be used: {error}"
            ) from error
        self.instructions = self.prompt_format.system_prompt
        self.encode, self.encode_marked = tokens.encode, tokens.encode_marked
        self.knows = is_family_question

    def render(self, messages: Sequence[Message]) -> str:
        return chat_template.render(messages, self._tokens.names, self.prompt_format)

    def stream(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Iterator[Chunk]:
        """Continue `prompt`. The finish is "length" also if the context is full.

        Raises ValueError for an empty prompt or an unknown id, ContextLengthError if the prompt is too long.
        """
        ids = self.encode_marked(prompt)[0] if isinstance(prompt, str) else prompt
        unknown = next((id for id in ids if id not in self._tokens), None)
        if not ids or unknown is not None:
            raise ValueError(f"{self.name}: the prompt is empty" if not ids else f"{self.name} has no token {unknown}")
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}; give 1 or more")
        room = self._engine.context - len(ids)
        if room < 1:
            raise ContextLengthError(
                f"the prompt has {len(ids)} tokens, and {self.name} holds {self._engine.context} with the answer; "
                "shorten the question, or choose another reasoner"
            )
        return self._write(ids, stop, min(max_tokens, room), sampling)

    def generate(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generation:
        return collect(self.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling))

    def close(self) -> None:
        self._engine.caches.clear()

    def _write(self, ids: tuple[int, ...], stop: tuple[str, ...], limit: int, sampling: Sampling) -> Iterator[Chunk]:
        random = generator(sampling.seed)
        segment = Segment(self._tokens, stop=stop)
        with self._engine.caches.lease(ids) as cache:
            logits = cache.forward(ids[cache.length :])
            for left in reversed(range(limit)):
                id = draw(logits, sampling, random)
                chunk = segment.feed(id, last=left == 0)
                if chunk is not None:
                    yield chunk
                    if chunk.finish is not None:
                        return
                logits = cache.forward((id,))
