"""A cancellable reasoner that counts the tokens while they stream."""

import threading
from collections.abc import Generator, Iterator
from contextlib import suppress

from storm_calm.agents.interveners.cost import Prices
from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.runs.job_usage import count_tokens
from storm_calm.agents.runs.progress import SessionUsage
from storm_calm.env import Chunk, Generation, Reasoner, Sampling, collect
from storm_calm.env.reasoner import StreamChangedError
from storm_calm.env.token_estimate import estimate_tokens
from storm_calm.sandbox import RunCancelledError

MAX_RESTARTS = 2
"""How often `generate` starts again after a broken stream whose retry gave other text."""


class CancellableReasoner:
    """A reasoner that works until `cancel` is called. It then rejects further segments. Thread-safe."""

    def __init__(self, reasoner: Reasoner, prices: Prices | None = None) -> None:
        """prices: of the reasoner's tokens; None if they are unknown."""
        self._reasoner = reasoner
        self._prices = prices
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._input = self._output = 0
        self.name = reasoner.name
        self.instructions = reasoner.instructions
        self.prompt_format = getattr(reasoner, "prompt_format", None)
        self.context = reasoner.context
        self.hint_marks = reasoner.hint_marks
        self.sampling: Sampling = reasoner.sampling
        self.render, self.encode, self.encode_marked = reasoner.render, reasoner.encode, reasoner.encode_marked
        self.knows = getattr(reasoner, "knows", None)
        self.returns_ids = getattr(reasoner, "returns_ids", None)
        self.close = reasoner.close

    @property
    def usage(self) -> SessionUsage:
        """Tokens so far: as the server counts them if it does, else ids, else estimates."""
        price = None if self._prices is None else self._prices.of(self._input, self._output)
        return SessionUsage(input_tokens=self._input, output_tokens=self._output, price=price)

    def cancel(self) -> None:
        """Reject all further segments, and stop those in progress at their next chunk or in a pause."""
        self._cancelled.set()
        # Reasoners over servers pause before retries and for rate limits.
        if (cancel := getattr(self._reasoner, "cancel", None)) is not None:
            cancel()

    def stream(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Iterator[Chunk]:
        """Stream as the reasoner does. Raises RunCancelledError."""
        self._check()
        chunks = self._reasoner.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        return self._counted(chunks, prompt)

    def generate(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generation:
        """Generate as the reasoner does, but by streaming, so that progress and `cancel` need not wait for the end."""

        def attempt() -> Generation:
            return collect(self.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling))

        for _ in range(MAX_RESTARTS):
            with suppress(StreamChangedError):
                return attempt()
        return attempt()

    def _counted(self, chunks: Iterator[Chunk], prompt: Prompt) -> Iterator[Chunk]:
        input_tokens = estimate_tokens(prompt) if isinstance(prompt, str) else len(prompt)
        output_tokens = 0
        self._count(input_tokens, 0)
        try:
            for chunk in chunks:
                self._check()
                count = estimate_tokens(chunk.text) if chunk.ids is None else len(chunk.ids)
                output_tokens += count
                self._count(0, count)
                if chunk.usage is not None:
                    self._count(chunk.usage.input_tokens - input_tokens, chunk.usage.output_tokens - output_tokens)
                yield chunk
        finally:
            # This closes the connection to a server, which makes it stop.
            if isinstance(chunks, Generator):
                chunks.close()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise RunCancelledError

    def _count(self, input_tokens: int, output_tokens: int) -> None:
        with self._lock:
            self._input += input_tokens
            self._output += output_tokens
        count_tokens(input_tokens, output_tokens)
