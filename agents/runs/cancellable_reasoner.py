"""A cancellable reasoner that counts the tokens it writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from storm_calm.env import Chunk, Generation, Message, Reasoner, Sampling
from storm_calm.env.reasoner import Encoding
from storm_calm.env.transcript import CHARS_PER_TOKEN
from storm_calm.sandbox import RunCancelledError


class CancellableReasoner:
    """A reasoner that goes on writing until `cancel` is called; from then on it refuses the next segment."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self.name = reasoner.name
        self.instructions = reasoner.instructions
        self.context = reasoner.context
        self.hint_marks = reasoner.hint_marks
        self.sampling: Sampling = reasoner.sampling
        self.tokens = 0
        """Tokens written so far; an estimate where the reasoner gives no ids."""

    def cancel(self) -> None:
        """Refuse every later segment."""
        self._cancelled.set()

    def render(self, messages: Sequence[Message]) -> str:
        """As the reasoner."""
        return self._reasoner.render(messages)

    def encode(self, text: str) -> Encoding | None:
        """As the reasoner."""
        return self._reasoner.encode(text)

    def encode_marked(self, text: str) -> Encoding | None:
        """The same for a prompt that `render` gave."""
        return self._reasoner.encode_marked(text)

    def stream(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Iterator[Chunk]:
        """As the reasoner. Raises RunCancelledError."""
        self._check()
        for chunk in self._reasoner.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling):
            self._count(chunk)
            yield chunk

    def generate(
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Generation:
        """As the reasoner. Raises RunCancelledError."""
        self._check()
        generation = self._reasoner.generate(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        self._count(generation)
        return generation

    def close(self) -> None:
        """As the reasoner."""
        self._reasoner.close()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise RunCancelledError

    def _count(self, written: Chunk | Generation) -> None:
        count = len(written.text) // CHARS_PER_TOKEN if written.ids is None else len(written.ids)
        with self._lock:
            self.tokens += count
