"""An asynchronous reasoner over replicas of a server with raw `/v1/completions`.

    async with open_upstream(["http://gpu-1:8000/v1", "http://gpu-2:8000/v1"]) as upstream:
        written = await upstream.write(prompt, stop=("```\\n",), max_tokens=512, sampling=Sampling(), on_text=print)

`agents.reasoners.routing` chooses the replica of each request: the one that has the prefix of the prompt in its cache,
or the least busy one that is up. If a connection is refused or breaks before the first token, or the status is 408, 429
or 5xx, the request is retried on another replica (`agents.reasoners.retry`). A later break is an error, because text
that was already passed on cannot be withdrawn. Cancelling a request closes its connection, which makes the server stop.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from tenacity import RetryCallState

from storm_calm.agents.reasoners import retry
from storm_calm.agents.reasoners.async_interface import OnText, Prompt, Written
from storm_calm.agents.reasoners.capabilities import Capabilities, discover
from storm_calm.agents.reasoners.completions_wire import CompletionsWire, prompt_tokens
from storm_calm.agents.reasoners.context_errors import MAX_ERROR_CHARS, fitting_tokens, is_context_error
from storm_calm.agents.reasoners.endpoint import Endpoint, redact
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.reasoners.loading import in_cancellable_thread
from storm_calm.agents.reasoners.queue_metrics import METRICS, QueueMetrics
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.agents.reasoners.routing import Replica, Router
from storm_calm.agents.reasoners.served_model import ServedModel, served_model
from storm_calm.agents.reasoners.server_tokenizer import check_tokenizer
from storm_calm.agents.reasoners.sse import EventStreamParser
from storm_calm.env.prompt_format import PromptFormat, ProtocolName
from storm_calm.env.reasoner import ContextLengthError, ReasonerError, Sampling, collect

MAX_RETRIES = 3
"""Retries of a request before its first token, over all replicas."""
HEALTH_CHECK_SECONDS = 5.0
"""Seconds between two health checks of a replica."""
READ_PAUSE_SECONDS = 0.0003
"""Seconds to pause after a read, for each open stream. All streams together get about 3,300 reads per second."""
MIN_READ_PAUSE_SECONDS = 0.01
"""Shorter pauses are skipped, so with few streams each read happens as soon as data arrives."""
MAX_METRICS_BYTES = 1 << 20
"""The most of a server's metrics that is read."""
READ_TIMEOUT_SECONDS = 120.0
"""Seconds without data after which a stream counts as broken."""

log = logging.getLogger("storm")


class Upstream:
    """An `AsyncReasoner` over replicas of one model. Use `open_upstream` to create it."""

    hint_marks = ("", "")

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoints: Sequence[Endpoint],
        wire: CompletionsWire,
        capabilities: Capabilities,
        limits: Limits,
    ) -> None:
        self.name = wire.model
        self.capabilities = capabilities
        self.context = capabilities.context
        self.prompt_format = wire.prompt_format
        self.instructions = wire.prompt_format.system_prompt
        self.sampling = Sampling()
        self._queue_metrics = METRICS.get(capabilities.server)
        self._router = Router([Replica(url=endpoint.url) for endpoint in endpoints])
        self.render, self.encode, self.encode_marked = wire.render, wire.encode, wire.encode_marked
        self._session = session
        self._wire = wire
        self._key = endpoints[0].api_key
        self._headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        self._rates = {endpoint.url: limits.open(endpoint.url, self._key) for endpoint in endpoints}

    @property
    def replicas(self) -> tuple[Replica, ...]:
        return self._router.replicas

    async def write(
        self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling, on_text: OnText
    ) -> Written:
        """Continue `prompt`. Raises ReasonerError if no replica answers, or if a stream breaks."""
        body = self._wire.request(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)
        body["stream_options"] = {"include_usage": True}
        failed: list[Replica] = []

        async def attempt() -> Written:
            replica = self._router.choose(prompt, without=failed)
            try:
                async with replica.load.slot_async() as slot:
                    try:
                        written = await self._limited(replica, body, stop, on_text)
                    except RetryableError as error:
                        failed.append(replica)
                        if error.overloaded:
                            slot.overloaded(retry_after=error.retry_after)
                        raise
                    slot.answered()
                self._router.answered(replica, prompt, written.generation)
                return written
            finally:
                self._router.release(replica)

        def pause(state: RetryCallState) -> float:
            if any(replica.up and replica not in failed for replica in self.replicas):
                return 0.0
            failed.clear()
            return retry.pause_seconds(state)

        try:
            return await retry.retrying_async(MAX_RETRIES, pause=pause)(attempt)
        except RetryableError as error:
            kind = ContextLengthError if is_context_error(400, str(error)) else ReasonerError
            raise kind(f"no replica answered; the last error: {error}") from None

    async def check_health(self) -> None:
        """Check all replicas periodically until cancelled."""
        while True:
            await asyncio.gather(*(self._check(replica) for replica in self.replicas))
            await asyncio.sleep(HEALTH_CHECK_SECONDS)

    async def _check(self, replica: Replica) -> None:
        try:
            async with self._session.get(
                f"{replica.url}/models", headers=self._headers, timeout=aiohttp.ClientTimeout(total=2.0)
            ) as response:
                up = response.status < 500
        except (aiohttp.ClientError, TimeoutError):
            up = False
        if not up:
            self._router.failed(replica)
            return
        self._router.recovered(replica)
        if self._queue_metrics is not None:
            await self._check_queue(replica, self._queue_metrics)

    async def _check_queue(self, replica: Replica, metrics: QueueMetrics) -> None:
        """Send fewer requests to a replica whose queue is long."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.get(
                f"{replica.url.removesuffix('/v1')}/metrics",
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=2.0),
            ) as response:
                text = b""
                async for piece in response.content.iter_chunked(1 << 16):
                    text += piece
                    if len(text) > MAX_METRICS_BYTES:
                        return
            if response.status == 200 and metrics.is_queue_long(text.decode(errors="replace")):
                replica.load.decrease()

    async def _limited(self, replica: Replica, body: dict[str, Any], stop: tuple[str, ...], on_text: OnText) -> Written:
        """Post as soon as the rate limit of the replica allows it."""
        rate = self._rates[replica.url]
        if rate is None:
            return await self._post(replica, body, stop, on_text)
        for seconds in rate.waits(tokens=prompt_tokens(body["prompt"])):
            await asyncio.sleep(seconds)
        written = await self._post(replica, body, stop, on_text)
        rate.add(tokens=written.tokens)
        return written

    async def _post(self, replica: Replica, body: dict[str, Any], stop: tuple[str, ...], on_text: OnText) -> Written:
        data = orjson.dumps(body)
        try:
            response = await self._session.post(f"{replica.url}/completions", data=data, headers=self._headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._router.failed(replica)
            raise RetryableError(f"{replica.url}: {self._describe(error)}") from None
        async with response:
            if response.status != 200:
                whole = (await response.content.read(MAX_ERROR_CHARS)).decode(errors="replace")
                fitting = fitting_tokens(response.status, whole, body["max_tokens"])
                if fitting is not None:
                    # Without the model's tokenizer the length of the prompt is an estimate.
                    return await self._post(replica, {**body, "max_tokens": fitting}, stop, on_text)
                detail = self._describe(whole)
                message = f"{replica.url} answered {response.status}: {detail}"
                if response.status in retry.RETRY_STATUSES:
                    seconds = retry.retry_after_seconds(response.headers)
                    raise RetryableError(message, retry_after=seconds, status=response.status)
                kind = ContextLengthError if is_context_error(response.status, detail) else ReasonerError
                raise kind(message)
            return await self._read(response.content, replica, stop, on_text)

    async def _read(
        self, content: aiohttp.StreamReader, replica: Replica, stop: tuple[str, ...], on_text: OnText
    ) -> Written:
        """Read the stream to its end. Pieces that arrive together are passed on together."""
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
                self._router.failed(replica)
                raise RetryableError(f"{replica.url}: {self._describe(error)}") from None
            detail = self._describe(error)
            kind = ContextLengthError if is_context_error(400, detail) else ReasonerError
            raise kind(f"{replica.url}: the stream broke off: {detail}") from None
        return Written(
            generation=collect(stream.chunks),
            prompt_tokens=stream.usage.get("prompt_tokens"),
            tokens=stream.usage.get("completion_tokens") or stream.tokens,
        )

    def _describe(self, error: Exception | str) -> str:
        """Return a short error message without the API key."""
        if isinstance(error, TimeoutError):
            return f"no data for {READ_TIMEOUT_SECONDS:g} seconds"
        return redact(str(error) or type(error).__name__, self._key)


@asynccontextmanager
async def open_upstream(
    urls: Sequence[str],
    *,
    model: str | None = None,
    api_key: str | None = None,
    tokenizer: str | Path | None = None,
    prompt_format: PromptFormat | None = None,
    protocol: ProtocolName = "auto",
    limits: Limits | None = None,
) -> AsyncIterator[Upstream]:
    """Open a reasoner over the servers at `urls`, which must all serve the same model.

    model, api_key, tokenizer, prompt_format, protocol, limits: as for `Completions`.
    Raises ReasonerError if no server answers or serves the model, and ValueError if they serve different models.
    """
    endpoints = [Endpoint(url, kind="raw completions", api_key=api_key, timeout=10.0, max_retries=0) for url in urls]
    capabilities = await in_cancellable_thread(_discover, endpoints, model)

    def find() -> ServedModel:
        found = served_model(capabilities, tokenizer=tokenizer, prompt_format=prompt_format, protocol=protocol)
        if tokenizer is not None and found.tokens is not None:
            check_tokenizer(found.tokens, endpoints[0], capabilities)
        return found

    found = await in_cancellable_thread(find)
    wire = CompletionsWire(
        model=capabilities.model,
        server=capabilities.server,
        tokens=found.tokens,
        prompt_format=found.prompt_format,
    )
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=READ_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        upstream = Upstream(session, endpoints, wire, capabilities, limits or Limits())
        checking = asyncio.create_task(upstream.check_health())
        try:
            yield upstream
        finally:
            checking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await checking


def _discover(endpoints: Sequence[Endpoint], model: str | None) -> Capabilities:
    """Return the capabilities of the first server that answers. Raises the last server's error if none does.

    Raises ValueError if another one that answers serves another model.
    """
    failure = ReasonerError("no server is given")
    first: tuple[Endpoint, Capabilities] | None = None
    for endpoint in endpoints:
        try:
            found = discover(endpoint, model)
        except ReasonerError as error:
            failure = error
            continue
        finally:
            endpoint.close()
        if first is None:
            first = endpoint, found
        elif (found.model, found.server, found.template) != (first[1].model, first[1].server, first[1].template):
            raise ValueError(
                f"{endpoint.url} cannot be a replica of {first[0].url}: it serves {found.model} on {found.server}, not "
                f"{first[1].model} on {first[1].server} with the same chat template"
            )
    if first is None:
        raise failure
    return first[1]
