"""A server of this project over real HTTP in a thread, so that tests can inspect its requests."""

import asyncio
import threading

import uvicorn

from storm_calm.serving.api.app import create_app, open_agent
from storm_calm.serving.api.auth import Keys
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.http_limits import LimitedProtocol
from storm_calm.serving.api.metrics import Metrics
from storm_calm.serving.uvicorn_server import server_config


class RunningServer:
    """A running server. config: as for `storm serve`, except for port and address."""

    def __init__(self, *reasoner, keys=None, **config):
        # Scripted models answer without programs, at which the guard would intervene.
        config = {"guard": False, "minimum_isolation": "limits"} | config
        self.config = ServeConfig(reasoner=reasoner or ("nano",), **config)
        self._keys = keys or Keys({})
        self._ready = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        if self._failure:
            raise self._failure

    def close(self):
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    @property
    def running(self):
        """Return the number of trajectories in progress."""
        return len(self.agent.running)

    def _run(self):
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()
            raise

    async def _serve(self):
        metrics = Metrics()
        self.loop = asyncio.get_running_loop()
        async with open_agent(self.config, metrics) as self.agent:
            self.app = create_app(self.config, keys=self._keys, metrics=metrics)
            self.app.state.agent = self.agent
            settings = server_config(self.app, port=0, http=LimitedProtocol)
            self._server = uvicorn.Server(settings)
            task = asyncio.create_task(self._server.serve())
            while not self._server.started:
                await asyncio.sleep(0.01)
            port = self._server.servers[0].sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}/v1"
            self._ready.set()
            await task
