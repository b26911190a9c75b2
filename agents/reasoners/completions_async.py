"""Servers with raw `/v1/completions` as one reasoner on an event loop: replicas, watched, and each piece at once.

    async with open_upstream(["http://gpu-1:8000/v1", "http://gpu-2:8000/v1"]) as upstream:
        written = await upstream.write(prompt, stop=("```\\n",), max_tokens=512, sampling=Sampling(), told=print)

A request goes to the replica that answers and has least to do. Until the first token it may go on to another one: where
a connection is refused or breaks, or the answer is 408, 429 or 5xx. After that a broken stream is an error, since what
was said can't be taken back. A request that is cancelled closes its connection, by which servers stop writing.

Every token of every user goes through `_read`, so that neither objects nor validation are made for it there.
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
from typing import Any

import aiohttp
import orjson

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.async_interface import Told, Written
from storm_calm.agents.reasoners.endpoint import Endpoint, Served
from storm_calm.agents.reasoners.sse import BrokenError, Wire
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.reasoner import Chunk, Encoding, Message, ReasonerError, Sampling, collect

TRIES = 4
"""How often a request is made before its first token, over all replicas."""
PAUSE = 0.25
"""Seconds before a request is made again where no other replica is left; twice as long each time after."""
LONGEST_PAUSE = 5.0
"""Seconds that a server's `Retry-After` is followed for; those that ask for more are given up."""
WATCH = 5.0
"""Seconds between two looks at a replica."""
LOOK = 0.0003
"""Seconds for which a stream is left alone after a look at it, for each stream that is open.

So all of them together are looked at no more than 3,300 times a second, which a processor does with ease; what came
meanwhile is handed on in one piece. Few streams are looked at whenever something comes."""
LEAST_PAUSE = 0.01
"""Seconds that such a pause has at least; shorter ones would gather nothing."""
SILENCE = 120.0
"""Seconds without a byte after which a stream counts as broken."""
AGAIN = (408, 429, 500, 502, 503, 504)
"""Answers after which another replica may do better."""

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


class _LostError(Exception):
    """A replica did not begin to answer. wait: seconds that it asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Upstream:
    """An `AsyncReasoner` over replicas of one model. Made by `open_upstream`."""

    instructions: str | None = None
    """The text protocol's own words."""
    hint_marks = ("", "")

    def __init__(
        self,
        session: aiohttp.ClientSession,
        replicas: Sequence[Replica],
        wire: Wire,
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
        self, prompt: str | tuple[int, ...], *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling, told: Told
    ) -> Written:
        """Go on from `prompt`. Raises ReasonerError where no replica answers, or a stream breaks off."""
        body = self._wire.request(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        body["stream_options"] = {"include_usage": True}
        data = orjson.dumps(body)
        refused: list[Replica] = []
        for attempt in range(TRIES):
            replica = self._choose(refused)
            replica.busy += 1
            try:
                return await self._ask(replica, data, stop, told)
            except _LostError as error:
                reason = f"{replica.url}: {error}"
                refused.append(replica)
                if attempt + 1 == TRIES or error.wait > LONGEST_PAUSE:
                    break
                if all(other in refused for other in self.replicas if other.up):
                    await asyncio.sleep(max(error.wait, PAUSE * 2**attempt))
                    refused.clear()
            finally:
                replica.busy -= 1
        raise ReasonerError(f"no replica began to answer; the last one said: {reason}")

    async def watch(self) -> None:
        """Look at every replica now and then, for ever."""
        while True:
            await asyncio.gather(*(self._look(replica) for replica in self.replicas))
            await asyncio.sleep(WATCH)

    def _choose(self, refused: Sequence[Replica]) -> Replica:
        """Who is asked next: of those that did not refuse yet, those that are up first, and the idlest of them."""
        left = [replica for replica in self.replicas if replica not in refused] or self.replicas
        return min(left, key=lambda replica: (not replica.up, replica.busy))

    async def _look(self, replica: Replica) -> None:
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

    async def _ask(self, replica: Replica, data: bytes, stop: tuple[str, ...], told: Told) -> Written:
        try:
            response = await self._session.post(f"{replica.url}/completions", data=data, headers=self._headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            replica.up = False
            raise _LostError(self._say(error)) from None
        async with response:
            if response.status != 200:
                said = self._say((await response.content.read(2000)).decode(errors="replace"))
                if response.status in AGAIN:
                    raise _LostError(f"answered {response.status}: {said}", _seconds(response.headers))
                raise ReasonerError(f"{replica.url} answered {response.status}: {said}")
            return await self._read(response.content, replica, stop, told)

    async def _read(
        self, content: aiohttp.StreamReader, replica: Replica, stop: tuple[str, ...], told: Told
    ) -> Written:
        """The stream to its end; pieces that came together are handed on together."""
        stream = Incoming(self._wire, stop, replica.url)
        try:
            while not stream.over:
                data = await content.readany()
                before = stream.tokens
                text = stream.feed(data) if data else stream.end()
                if text or stream.tokens > before:
                    told(text, stream.tokens - before)
                pause = LOOK * sum(other.busy for other in self.replicas)
                if pause >= LEAST_PAUSE and not stream.over:
                    await asyncio.sleep(pause)
        except (BrokenError, aiohttp.ClientError, TimeoutError) as error:
            if not stream.chunks:
                replica.up = False
                raise _LostError(self._say(error)) from None
            raise ReasonerError(f"{replica.url}: the stream broke off: {self._say(error)}") from None
        return Written(
            generation=collect(stream.chunks),
            prompt_tokens=stream.usage.get("prompt_tokens"),
            tokens=stream.usage.get("completion_tokens") or stream.tokens,
        )

    def _say(self, error: Exception | str) -> str:
        """What an error says, short and without the key."""
        if isinstance(error, TimeoutError):
            return f"silent for {SILENCE:g} seconds"
        words = str(error) or type(error).__name__
        return words.replace(self._key, "***")[:300] if self._key != "none" else words[:300]


class Incoming:
    """The bytes of one stream of events, read as they come."""

    def __init__(self, wire: Wire, stop: tuple[str, ...], url: str) -> None:
        """url: for messages."""
        self.chunks: list[Chunk] = []
        """What the model wrote so far."""
        self.tokens = 0
        """How many tokens came; those of events without ids count as one each."""
        self.usage: dict[str, Any] = {}
        """The server's own count, once it told it."""
        self.over = False
        """Whether nothing more is to be read: the model stopped, or wrote a stop string."""
        self._wire = wire
        self._reading = wire.reading(stop, url=url)
        self._rest = b""
        self._reason: str | None = None
        self._named: str | None = None

    def feed(self, data: bytes) -> str:
        """Read on; the text that can be handed on. Raises BrokenError for what is no stream of completions."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        known = len(self.chunks)
        text = ""
        for line in lines:
            if line.startswith(b"data:") and not self.over:
                text = self._event(line[5:].strip(), text)
        self._write(text, None)
        return "".join([chunk.text for chunk in self.chunks[known:]])

    def end(self) -> str:
        """The server has closed the stream; the text that is left. Raises BrokenError where it did not say why."""
        if self._reason is None:
            raise BrokenError("it ended without a reason")
        self._add(self._reading.finish(self._reason, self._named))
        return self.chunks[-1].text

    def _event(self, payload: bytes, text: str) -> str:
        """Read one event. text: what was written before it and not yet taken; what it then is."""
        if payload == b"[DONE]":
            self._write(text, None)
            if not self.over:
                self.end()
            return ""
        try:
            event = orjson.loads(payload)
            self.usage = event.get("usage") or self.usage
            for choice in event.get("choices") or ():
                piece, ids = choice.get("text") or "", choice.get("token_ids")
                if ids is None:
                    text += piece
                    self.tokens += bool(piece)
                else:
                    self._write(piece, ids)
                    self.tokens += len(ids)
                self._reason = choice.get("finish_reason") or self._reason
                self._named = self._wire.named_stop(choice) or self._named
        except (ValueError, AttributeError, TypeError) as error:
            raise BrokenError(f"no event of completions: {error}") from None
        if "error" in event:
            raise BrokenError(str(event["error"]))
        return text

    def _write(self, text: str, ids: Sequence[int] | None) -> None:
        if (text or ids) and not self.over:
            for chunk in self._reading.feed(text, ids):
                self._add(chunk)

    def _add(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self.over = chunk.finish is not None


@asynccontextmanager
async def open_upstream(
    urls: Sequence[str], *, model: str | None = None, api_key: str | None = None, tokenizer: Path | None = None
) -> AsyncIterator[Upstream]:
    """A reasoner over the servers at `urls`, which all serve the same model.

    model, api_key, tokenizer: as for `Completions`. Raises ReasonerError where none answers, or not with a model.
    """
    endpoints = [Endpoint(url, kind="raw completions", api_key=api_key, timeout=10.0, tries=1) for url in urls]
    served = await asyncio.to_thread(_served, endpoints, model)
    wire = Wire(model=served.name, server=served.owner, tokens=ByteTokens(tokenizer) if tokenizer is not None else None)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=SILENCE)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        replicas = [Replica(url=endpoint.url) for endpoint in endpoints]
        upstream = Upstream(session, replicas, wire, context=served.context, api_key=api_key)
        watch = asyncio.create_task(upstream.watch())
        try:
            yield upstream
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch


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


def _seconds(headers: Any) -> float:
    """`Retry-After`, where it is a number of seconds."""
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:
        return 0.0
