"""The API under uvicorn: how it starts, and how it drains and stops.

On SIGTERM or Ctrl-C the server answers new requests with 503 and finishes those under way; after `drain_seconds`, or a
second signal, it stops them. Its port stays open meanwhile, so that a proxy hears 503 instead of nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from storm_calm.serving.api.agent_tasks import Agent
from storm_calm.serving.api.app import create_app, open_agent
from storm_calm.serving.api.auth import Keys
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.http_limits import LimitedProtocol
from storm_calm.serving.api.metrics import Metrics
from storm_calm.serving.api.middleware import Drain
from storm_calm.serving.uvicorn_server import open_port, server_config


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which finishes the answers under way before it stops."""

    def __init__(self, config: uvicorn.Config, drain: Drain, agent: Agent, *, seconds: float) -> None:
        """agent: what works on the answers. seconds: that those under way get to finish."""
        super().__init__(config)
        self._drain, self._agent, self._seconds = drain, agent, seconds
        self._draining: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn closes its port at the first signal; this goes down in its own way."""
        loop = asyncio.get_running_loop()
        kinds = (signal.SIGINT, signal.SIGTERM)
        for kind in kinds:
            loop.add_signal_handler(kind, self.handle_exit, kind, None)
        try:
            yield
        finally:
            for kind in kinds:
                loop.remove_signal_handler(kind)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains; the second stops at once."""
        if self._draining is None:
            self._drain.draining = True
            self._draining = asyncio.ensure_future(self._drain_and_stop())
        else:
            self._hurry.set()

    async def _drain_and_stop(self) -> None:
        await self._drained(self._seconds)
        if self._drain.open:
            # Their clients hear that the server is going down.
            await self._agent.stop()
            await self._drained(1.0)
        self.should_exit = True

    async def _drained(self, seconds: float) -> None:
        """Wait until nothing is under way, for so many seconds, or until somebody is in a hurry."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._drain.open and not self._hurry.is_set():
                    await asyncio.sleep(0.05)
        self._hurry.clear()


async def serve(config: ServeConfig, keys: Keys, *, on_listening: Callable[[str], None]) -> None:
    """Serve until a signal. on_listening: gets the address when the first request can come.

    Raises ReasonerError, SandboxUnavailableError and ValueError if a part can't be opened, or the port is taken.
    """
    with open_port(config.host, config.port) as listener:
        metrics = Metrics()
        async with open_agent(config, metrics) as agent:
            app = create_app(config, keys=keys, metrics=metrics)
            app.state.agent = agent
            settings = server_config(app, http=LimitedProtocol, timeout_keep_alive=60, backlog=4096)
            # What was loaded stays; to look through it for garbage would stop all streams for 0.1 seconds now and then.
            gc.collect()
            gc.freeze()
            host, number = listener.getsockname()[:2]
            on_listening(f"http://{f'[{host}]' if ':' in host else host}:{number}/v1")
            await DrainingServer(settings, app.state.drain, agent, seconds=config.drain_seconds).serve(
                sockets=[listener]
            )
