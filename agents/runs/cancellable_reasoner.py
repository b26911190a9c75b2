"""A cancellable reasoner that counts the tokens it generates."""

import threading
from collections.abc import Iterator

from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.env import Chunk, Generation, Reasoner, Sampling
from storm_calm.env.transcript import CHARS_PER_TOKEN
from storm_calm.sandbox import RunCancelledError


class CancellableReasoner:
    """A reasoner that works until `cancel` is called. It then rejects further segments. Thread-safe."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self.name = reasoner.name
        self.instructions = reasoner.instructions
        self.prompt_format = getattr(reasoner, "prompt_format", None)
        self.context = reasoner.context
        self.hint_marks = reasoner.hint_marks
        self.sampling: Sampling = reasoner.sampling
        self.render, self.encode, self.encode_marked = reasoner.render, reasoner.encode, reasoner.encode_marked
        self.knows = getattr(reasoner, "knows", None)
        self.close = reasoner.close
        self.tokens = 0
        """Tokens generated so far; an estimate if the reasoner returns no ids."""

    def cancel(self) -> None:
        """Reject all further segments."""
        self._cancelled.set()

    def stream(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Iterator[Chunk]:
        """Stream as the reasoner does. Raises RunCancelledError."""
        self._check()
        for chunk in self._reasoner.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling):
            self._count(chunk)
            yield chunk

    def generate(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generation:
        """Generate as the reasoner does. Raises RunCancelledError."""
        self._check()
        generation = self._reasoner.generate(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        self._count(generation)
        return generation

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise RunCancelledError

    def _count(self, written: Chunk | Generation) -> None:
        count = len(written.text) // CHARS_PER_TOKEN if written.ids is None else len(written.ids)
        with self._lock:
            self.tokens += count
