"""Run the API under uvicorn, with draining at shutdown.

After SIGTERM or Ctrl-C `/ready` fails. After `unready_seconds` the server rejects new requests with 503 and finishes
those in progress. After `drain_seconds`, or a second signal, it cancels them. The port stays open until then, so that a
proxy gets a 503.
"""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from storm_calm.agents.runs.database_url import DatabaseUrl
from storm_calm.serving.api.agent_tasks import Agent
from storm_calm.serving.api.app import create_app, open_agent
from storm_calm.serving.api.auth import Keys
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.http_limits import LimitedProtocol
from storm_calm.serving.api.metrics import Metrics
from storm_calm.serving.api.middleware import Drain
from storm_calm.serving.uvicorn_server import open_port, server_config


class DrainingServer(uvicorn.Server):
    """A uvicorn server that finishes the answers in progress before it stops."""

    def __init__(self, config: uvicorn.Config, drain: Drain, agent: Agent) -> None:
        super().__init__(config)
        self._drain, self._agent = drain, agent
        self._draining: asyncio.Task[None] | None = None
        self._stop_now = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals without closing the port, which uvicorn would do at the first one."""
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
        """Drain at the first signal, stop immediately at the second."""
        if self._draining is None:
            self._drain.stopping = True
            self._draining = asyncio.ensure_future(self._drain_and_stop())
        else:
            self._stop_now.set()

    async def _drain_and_stop(self) -> None:
        settings = self._agent.config
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.unready_seconds):
                await self._stop_now.wait()
        self._drain.draining = True
        await self._drained(settings.drain_seconds)
        if self._busy:
            # The clients receive the error that the server is shutting down.
            await self._agent.stop()
            await self._drained(1.0)
        self.should_exit = True

    @property
    def _busy(self) -> bool:
        """Whether there is work to finish: requests, and answers in the background that other servers can return."""
        stored = self._agent.stored
        return bool(self._drain.open or (stored is not None and stored.shared and self._agent.writers))

    async def _drained(self, seconds: float) -> None:
        """Wait until no request is in progress, for at most `seconds`, or until the second signal."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._busy and not self._stop_now.is_set():
                    await asyncio.sleep(0.05)
        self._stop_now.clear()


async def serve(
    config: ServeConfig, keys: Keys, *, database: DatabaseUrl | None = None, on_listening: Callable[[str], None]
) -> None:
    """Serve until a signal.

    database: has what several servers share. on_listening: called with the address when the server accepts requests.

    Raises ReasonerError, SandboxUnavailableError, and ValueError for wrong settings or a port in use.
    """
    with open_port(config.host, config.port) as listener:
        metrics = Metrics()
        async with open_agent(config, metrics, database=database) as agent:
            app = create_app(config, keys=keys, metrics=metrics)
            app.state.agent = agent
            settings = server_config(app, http=LimitedProtocol, timeout_keep_alive=60, backlog=4096)
            # Exclude all that is loaded from garbage collection, which would pause all streams for 0.1 seconds.
            gc.collect()
            gc.freeze()
            host, number = listener.getsockname()[:2]
            on_listening(f"http://{f'[{host}]' if ':' in host else host}:{number}/v1")
            await DrainingServer(settings, app.state.drain, agent).serve(sockets=[listener])
