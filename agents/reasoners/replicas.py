"""A reasoner over several servers of the same model.

    reasoner = open_replicas(["http://gpu-1:8000/v1", "http://gpu-2:8000/v1"], open_one)

`agents.reasoners.routing` chooses the server of each request: the one with the trajectory's prefix in its cache, or the
least busy one. A server that refuses connections or breaks off its streams is taken out, and its requests go to others
at once. A server that is overloaded gets fewer requests. If no server answers, the last error is raised.

All servers must serve the same model with the same prompt format. One that is down at the start is checked when it
answers; until then the others do the work.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.endpoint_reasoner import EndpointReasoner
from storm_calm.agents.reasoners.retry import (
    RetryableError,
    UnavailableError,
    retried_stream,
    retrying,
)
from storm_calm.agents.reasoners.routing import Replica, Router
from storm_calm.env.reasoner import Chunk, Generation, ReasonerError, Sampling, collect

MAX_RETRIES = 2
"""Retries of a request besides one for each other replica."""

log = logging.getLogger("storm")

OpenOne = Callable[[str], EndpointReasoner]
"""Open the reasoner over one server, without retries of its own. Raises ReasonerError."""


@dataclass(slots=True, eq=False)
class Server(Replica):
    """One server with its client."""

    reasoner: EndpointReasoner | None = None
    """None until it has answered once."""


class Replicas:
    """A reasoner over several servers. Thread-safe."""

    def __init__(self, servers: Sequence[Server], open_one: OpenOne, *, router: type[Router[Server]] = Router) -> None:
        """servers: one at least is open. router: chooses among them. Use `open_replicas`."""
        self._router = router(servers)
        self._open_one = open_one
        self._first = first = next(one.reasoner for one in servers if one.reasoner is not None)
        self.url = ", ".join(server.url for server in servers)
        self.name, self.sampling, self.capabilities = first.name, first.sampling, first.capabilities
        contexts = [one.reasoner.context for one in servers if one.reasoner is not None and one.reasoner.context]
        self.context = min(contexts, default=None)
        self.instructions, self.hint_marks = first.instructions, first.hint_marks
        self.prompt_format = getattr(first, "prompt_format", None)
        self.returns_ids = getattr(first, "returns_ids", None)
        shared: Any = first
        self.render, self.encode, self.encode_marked = shared.render, shared.encode, shared.encode_marked

    @property
    def servers(self) -> tuple[Server, ...]:
        return self._router.replicas

    def stream(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generator[Chunk]:
        """Continue `prompt`, as the reasoner of one server does. Raises ReasonerError."""
        read = self._attempts(prompt, stop, max_tokens, sampling)
        try:
            yield from retried_stream(self._retrying(), read, url=self.url)
        except RetryableError as error:
            raise error.failure or ReasonerError(str(error)) from None

    def generate(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generation:
        """Return the whole continuation. A broken stream is retried even if the new text differs."""
        read = self._attempts(prompt, stop, max_tokens, sampling)

        def attempt() -> Generation:
            with closing(read()) as chunks:
                return collect(chunks)

        try:
            return self._retrying()(attempt)
        except RetryableError as error:
            raise error.failure or ReasonerError(str(error)) from None

    def cancel(self) -> None:
        """End all pauses of all servers."""
        for server in self.servers:
            if server.reasoner is not None:
                server.reasoner.cancel()

    def close(self) -> None:
        for server in self.servers:
            if server.reasoner is not None:
                server.reasoner.close()

    def _retrying(self) -> Any:
        retries = MAX_RETRIES + len(self.servers) - 1
        return retrying(retries, is_working=self._is_working, sleep=self._pause)

    def _is_working(self) -> bool:
        return any(server.load.is_working for server in self.servers)

    def _pause(self, seconds: float) -> None:
        """Sleep before another attempt, but only if no server can get it at once."""
        if not any(server.up and not server.load.pause_seconds for server in self.servers):
            self._first.pause(seconds)

    def _attempts(
        self, prompt: Prompt, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Callable[[], Generator[Chunk]]:
        """Return the function that makes an attempt, each at another server as long as there is one."""
        failed: list[Server] = []

        def read() -> Generator[Chunk]:
            if all(server in failed for server in self.servers):
                failed.clear()
            server = self._router.choose(prompt, without=failed)
            chunks: list[Chunk] = []
            try:
                reasoner = self._opened(server)
                with closing(reasoner.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)) as stream:
                    for chunk in stream:
                        chunks.append(chunk)
                        if chunk.finish is not None:
                            self._router.answered(server, prompt, collect(chunks))
                        yield chunk
            except UnavailableError as error:
                failed.append(server)
                if not error.overloaded:
                    self._router.failed(server)
                raise RetryableError(
                    str(error), retry_after=error.retry_after, status=error.status, failure=error
                ) from None
            finally:
                self._router.release(server)

        return read

    def _opened(self, server: Server) -> EndpointReasoner:
        """Return the client of a server, after a check of one that did not answer before. Raises UnavailableError."""
        if server.reasoner is None:
            try:
                reasoner = self._open_one(server.url)
            except ReasonerError as error:
                raise UnavailableError(str(error)) from None
            try:
                check_same(self._first, reasoner)
            except ValueError as error:
                reasoner.close()
                raise UnavailableError(str(error)) from None
            server.load = reasoner.load
            server.reasoner = reasoner
        elif not server.up:
            server.reasoner.check_health()
        return server.reasoner


def open_replicas(urls: Sequence[str], open_one: OpenOne, *, router: type[Router[Server]] = Router) -> Replicas:
    """Open a reasoner over the servers at `urls`. Those that do not answer are tried again later.

    router: chooses among them.

    Raises ValueError if they serve different models, and the last server's ReasonerError if none answers.
    """
    servers: list[Server] = []
    failures: dict[str, ReasonerError] = {}
    for url in urls:
        server = Server(url=url)
        try:
            server.reasoner = open_one(url)
            server.load = server.reasoner.load
        except ReasonerError as error:
            failures[url] = error
            server.up = False
        servers.append(server)
    opened = [server.reasoner for server in servers if server.reasoner is not None]
    try:
        if not opened:
            raise failures[urls[-1]]
        for failure in failures.values():
            log.warning("%s The other replicas do the work until it answers.", failure)
        for other in opened[1:]:
            check_same(opened[0], other)
    except BaseException:
        for reasoner in opened:
            reasoner.close()
        raise
    return Replicas(servers, open_one, router=router)


def check_same(first: EndpointReasoner, other: EndpointReasoner) -> None:
    """Raise ValueError if two servers do not serve the same model in the same way."""
    for what, get in _COMPARED.items():
        if get(first) != get(other):
            raise ValueError(
                f"{other.url} cannot be a replica of {first.url}: its {what} is {get(other)!r}, not {get(first)!r}; "
                "give servers of the same model with the same settings"
            )


_COMPARED: dict[str, Callable[[Any], Any]] = {
    "model": lambda reasoner: reasoner.name,
    "kind of server": lambda reasoner: reasoner.capabilities.server,
    "system prompt": lambda reasoner: reasoner.instructions,
    "prompt format": lambda reasoner: getattr(reasoner, "prompt_format", None),
    "token ids": lambda reasoner: getattr(reasoner, "returns_ids", None),
}
