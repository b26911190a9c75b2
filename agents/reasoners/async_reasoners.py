"""Asynchronous reasoners, for servers: any number of trajectories on one event loop, each of them cancellable.

    async with open_async(["http://localhost:8000/v1"]) as reasoner:
        written = await reasoner.write(prompt, stop=("```\\n",), max_tokens=512, sampling=Sampling(), on_text=print)

Servers with raw completions are called on the event loop itself (`completions_async`). All other reasoners run in
threads.
"""

import asyncio
import threading
import typing
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from storm_calm.agents.reasoners import CHAT_PREFIX, is_server, open_reasoner, split_urls
from storm_calm.agents.reasoners.async_interface import AsyncReasoner, OnText, Prompt, Written
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.reasoners.loading import in_cancellable_thread
from storm_calm.env.prompt_format import PromptFormat, ProtocolName
from storm_calm.env.reasoner import Chunk, Reasoner, Sampling, collect
from storm_calm.env.token_estimate import estimate_tokens

FLUSH_SECONDS = 0.02
"""Seconds between two flushes of a thread's text. Waking the loop for each token would slow down all threads."""


class ThreadedReasoner:
    """A `Reasoner` on its own thread pool."""

    def __init__(self, reasoner: Reasoner, *, threads: int) -> None:
        """threads: how many requests run at the same time; further requests wait."""
        self.name = reasoner.name
        self.sampling = reasoner.sampling
        self.context = reasoner.context
        self.instructions = reasoner.instructions
        self.prompt_format = getattr(reasoner, "prompt_format", None)
        self.hint_marks = reasoner.hint_marks
        self.render, self.encode, self.encode_marked = reasoner.render, reasoner.encode, reasoner.encode_marked
        self.knows = getattr(reasoner, "knows", None)
        self._reasoner = reasoner
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="reasoner")

    async def write(
        self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling, on_text: OnText
    ) -> Written:
        """Continue `prompt` in a thread. Raises ReasonerError."""
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()
        # Appending to a deque and popping from it are atomic, so the threads need no lock.
        pieces: deque[tuple[str, int]] = deque()
        first = asyncio.Event()

        def flush() -> None:
            if pieces:
                new = [pieces.popleft() for _ in range(len(pieces))]
                on_text("".join(text for text, _ in new), sum(tokens for _, tokens in new))

        async def flush_regularly() -> None:
            await first.wait()
            while True:
                flush()
                await asyncio.sleep(FLUSH_SECONDS)

        def chunks() -> typing.Iterator[Chunk]:
            for chunk in self._reasoner.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling):
                if cancelled.is_set():
                    return
                pieces.append((chunk.text, 1 if chunk.ids is None else len(chunk.ids)))
                if not first.is_set():
                    loop.call_soon_threadsafe(first.set)
                yield chunk

        flushing = asyncio.create_task(flush_regularly())
        try:
            generation = await loop.run_in_executor(self._threads, lambda: collect(chunks()))
        finally:
            cancelled.set()
            flushing.cancel()
        flush()
        ids = generation.ids
        return Written(
            generation=generation,
            prompt_tokens=len(prompt) if isinstance(prompt, tuple) else None,
            tokens=len(ids) if ids is not None else estimate_tokens(generation.text),
        )

    def close(self) -> None:
        """Shut down the thread pool and close the reasoner."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if (cancel := getattr(self._reasoner, "cancel", None)) is not None:
            cancel()
        self._reasoner.close()


@asynccontextmanager
async def open_async(
    specs: Sequence[str],
    *,
    model: str | None = None,
    api_key: str | None = None,
    tokenizer: str | Path | None = None,
    prompt_format: PromptFormat | None = None,
    protocol: ProtocolName = "auto",
    limits: Limits | None = None,
    threads: int = 32,
) -> AsyncIterator[AsyncReasoner]:
    """Open the reasoner that `specs` names: one spec of `open_reasoner`, or the URLs of several replicas of a model.

    limits: see `open_reasoner`. threads: concurrent requests of a `ThreadedReasoner`.
    Raises ValueError and ReasonerError as `open_reasoner` does.
    """
    specs = split_urls(",".join(specs)) if all(map(is_server, specs)) else specs
    if all(spec.startswith(("http://", "https://")) for spec in specs):
        from storm_calm.agents.reasoners.completions_async import open_upstream
        from storm_calm.agents.reasoners.servers import chat_notice

        async with open_upstream(
            specs,
            model=model,
            api_key=api_key,
            tokenizer=tokenizer,
            prompt_format=prompt_format,
            protocol=protocol,
            limits=limits,
        ) as upstream:
            if upstream.capabilities.raw_completions:
                yield upstream
                return
        chat_notice(specs[0])
        specs = [f"{CHAT_PREFIX}{spec}" for spec in specs]
    if len(specs) > 1 and not all(map(is_server, specs)):
        raise ValueError(f"{len(specs)} reasoners are given ({', '.join(specs)}); only URLs of servers can be combined")
    opened = await in_cancellable_thread(
        open_reasoner,
        ",".join(specs),
        model=model,
        api_key=api_key,
        tokenizer=tokenizer,
        prompt_format=prompt_format,
        protocol=protocol,
        limits=limits,
    )
    reasoner = ThreadedReasoner(opened, threads=threads)
    try:
        yield reasoner
    finally:
        reasoner.close()
