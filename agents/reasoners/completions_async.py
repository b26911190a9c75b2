"""Servers with raw `/v1/completions` as one reasoner on an event loop: replicas, watched, and each piece at once.

    async with open_upstream(["http://gpu-1:8000/v1", "http://gpu-2:8000/v1"]) as upstream:
        written = await upstream.write(prompt, stop=("```\\n",), max_tokens=512, sampling=Sampling(), on_text=print)

A request goes to the replica that answers and has least to do. Until the first token it is retried at another one
(`agents.reasoners.retry`): if a connection is refused or breaks, or the answer is 408, 429 or 5xx. After that a broken
stream is an error, since text that was handed on can't be taken back. A request that is cancelled closes its
connection, by which servers stop writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
from tenacity import RetryCallState

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.async_interface import OnText, Written
from storm_calm.agents.reasoners.completions_wire import CompletionsWire
from storm_calm.agents.reasoners.endpoint import Endpoint, Served
from storm_calm.agents.reasoners.retry import (
    RETRY_STATUSES,
    RetryableError,
    pause_seconds,
    retry_after_seconds,
    retrying_async,
)
from storm_calm.agents.reasoners.sse import EventStreamParser
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.reasoner import Encoding, Message, ReasonerError, Sampling, collect

MAX_RETRIES = 3
"""Retries of a request before its first token, over all replicas."""
HEALTH_CHECK_SECONDS = 5.0
"""Seconds between two health checks of a replica."""
READ_PAUSE_SECONDS = 0.0003
"""Seconds for which a stream is left alone after a read, for each stream that is open.

So all of them together are read no more than 3,300 times a second, which a processor does with ease; what came
meanwhile is handed on in one piece. If few streams are open, each is read whenever something comes."""
MIN_READ_PAUSE_SECONDS = 0.01
"""The least such pause; shorter ones would gather nothing."""
READ_TIMEOUT_SECONDS = 120.0
"""Seconds without a byte after which a stream counts as broken."""

log = logging.getLogger("storm")


@dataclass(slots=True, eq=False)
class Replica:
    """One server."""

    url: str
    """Up to and with `/v1`, without credentials."""
    up: bool = True
    """Whether it answered when it was last looked at, or asked."""
    busy: int = 0
    """Requests under way."""


class Upstream:
    """An `AsyncReasoner` over replicas of one model. Made by `open_upstream`."""

    instructions: str | None = None
    """The text protocol's own words."""
    hint_marks = ("", "")

    def __init__(
        self,
        session: aiohttp.ClientSession,
        replicas: Sequence[Replica],
        wire: CompletionsWire,
        *,
        context: int | None,
        api_key: str | None,
    ) -> None:
        self.name = wire.model
        self.context = context
        self.sampling = Sampling()
        self.replicas = tuple(replicas)
        self._session = session
        self._wire = wire
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}

    def render(self, messages: Sequence[Message]) -> str:
        """The raw prompt, in ChatML as Qwen3-4B-Thinking reads it."""
        return chat_template.render(messages, self._wire.tokens.names if self._wire.tokens else ())

    def encode(self, text: str) -> Encoding | None:
        """`text` by itself; None without a tokenizer."""
        return None if self._wire.tokens is None else self._wire.tokens.encode(text)

    def encode_marked(self, text: str) -> Encoding | None:
        """The same for a prompt that `render` gave."""
        return None if self._wire.tokens is None else self._wire.tokens.encode_marked(text)

    async def write(
        self,
        prompt: str | tuple[int, ...],
        *,
        stop: tuple[str, ...],
        max_tokens: int,
        sampling: Sampling,
        on_text: OnText,
    ) -> Written:
        """Go on from `prompt`. Raises ReasonerError where no replica answers, or a stream breaks off."""
        body = self._wire.request(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        body["stream_options"] = {"include_usage": True}
        data = orjson.dumps(body)
        refused: list[Replica] = []

        async def attempt() -> Written:
            replica = self._choose(refused)
            replica.busy += 1
            try:
                return await self._ask(replica, data, stop, on_text)
            except RetryableError:
                refused.append(replica)
                raise
            finally:
                replica.busy -= 1

        def pause(state: RetryCallState) -> float:
            if any(replica.up and replica not in refused for replica in self.replicas):
                return 0.0
            refused.clear()
            return pause_seconds(state)

        try:
            return await retrying_async(MAX_RETRIES, pause=pause)(attempt)
        except RetryableError as error:
            raise ReasonerError(f"no replica began to answer; the last error: {error}") from None

    async def check_health(self) -> None:
        """Check every replica at intervals, until cancelled."""
        while True:
            await asyncio.gather(*(self._check(replica) for replica in self.replicas))
            await asyncio.sleep(HEALTH_CHECK_SECONDS)

    def _choose(self, refused: Sequence[Replica]) -> Replica:
        """Who is asked next: of those that did not refuse yet, those that are up first, and the idlest of them."""
        left = [replica for replica in self.replicas if replica not in refused] or self.replicas
        return min(left, key=lambda replica: (not replica.up, replica.busy))

    async def _check(self, replica: Replica) -> None:
        try:
            async with self._session.get(
                f"{replica.url}/models", headers=self._headers, timeout=aiohttp.ClientTimeout(total=2.0)
            ) as response:
                up = response.status < 500
        except (aiohttp.ClientError, TimeoutError):
            up = False
        if up != replica.up:
            log.warning("%s %s", replica.url, "answers again" if up else "does not answer")
        replica.up = up

    async def _ask(self, replica: Replica, data: bytes, stop: tuple[str, ...], on_text: OnText) -> Written:
        try:
            response = await self._session.post(f"{replica.url}/completions", data=data, headers=self._headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            replica.up = False
            raise RetryableError(f"{replica.url}: {self._say(error)}") from None
        async with response:
            if response.status != 200:
                said = self._say((await response.content.read(2000)).decode(errors="replace"))
                answered = f"{replica.url} answered {response.status}: {said}"
                if response.status in RETRY_STATUSES:
                    raise RetryableError(answered, retry_after=retry_after_seconds(response.headers))
                raise ReasonerError(answered)
            return await self._read(response.content, replica, stop, on_text)

    async def _read(
        self, content: aiohttp.StreamReader, replica: Replica, stop: tuple[str, ...], on_text: OnText
    ) -> Written:
        """The stream to its end; pieces that came together are handed on together."""
        stream = EventStreamParser(self._wire, stop, replica.url)
        try:
            while not stream.over:
                data = await content.readany()
                before = stream.tokens
                text = stream.feed(data) if data else stream.end()
                if text or stream.tokens > before:
                    on_text(text, stream.tokens - before)
                pause = READ_PAUSE_SECONDS * sum(other.busy for other in self.replicas)
                if pause >= MIN_READ_PAUSE_SECONDS and not stream.over:
                    await asyncio.sleep(pause)
        except (RetryableError, aiohttp.ClientError, TimeoutError) as error:
            if not stream.chunks:
                replica.up = False
                raise RetryableError(f"{replica.url}: {self._say(error)}") from None
            raise ReasonerError(f"{replica.url}: the stream broke off: {self._say(error)}") from None
        return Written(
            generation=collect(stream.chunks),
            prompt_tokens=stream.usage.get("prompt_tokens"),
            tokens=stream.usage.get("completion_tokens") or stream.tokens,
        )

    def _say(self, error: Exception | str) -> str:
        """What an error says, short and without the key."""
        if isinstance(error, TimeoutError):
            return f"silent for {READ_TIMEOUT_SECONDS:g} seconds"
        words = str(error) or type(error).__name__
        return words.replace(self._key, "***")[:300] if self._key != "none" else words[:300]


@asynccontextmanager
async def open_upstream(
    urls: Sequence[str], *, model: str | None = None, api_key: str | None = None, tokenizer: Path | None = None
) -> AsyncIterator[Upstream]:
    """A reasoner over the servers at `urls`, which all serve the same model.

    model, api_key, tokenizer: as for `Completions`. Raises ReasonerError where none answers, or not with a model.
    """
    endpoints = [Endpoint(url, kind="raw completions", api_key=api_key, timeout=10.0, max_retries=0) for url in urls]
    served = await asyncio.to_thread(_served, endpoints, model)
    wire = CompletionsWire(
        model=served.name, server=served.owner, tokens=ByteTokens(tokenizer) if tokenizer is not None else None
    )
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=READ_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        replicas = [Replica(url=endpoint.url) for endpoint in endpoints]
        upstream = Upstream(session, replicas, wire, context=served.context, api_key=api_key)
        checking = asyncio.create_task(upstream.check_health())
        try:
            yield upstream
        finally:
            checking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await checking


def _served(endpoints: Sequence[Endpoint], model: str | None) -> Served:
    """What the first server serves that answers. Raises the last one's error where none does."""
    failed = ReasonerError("no server is given")
    for endpoint in endpoints:
        try:
            return endpoint.choose(model)
        except ReasonerError as error:
            failed = error
        finally:
            endpoint.close()
    raise failed
