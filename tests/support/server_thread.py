"""A server over real HTTP in a thread of the test process, the base of those of the API and of MCP."""

import asyncio
import contextlib
import threading

import uvicorn

from storm_calm.serving.api.auth import Keys
from storm_calm.serving.api.http_limits import LimitedProtocol
from storm_calm.serving.uvicorn_server import server_config


class ServerThread:
    """A running server. A subclass has its `path`, and opens its app in `opened`."""

    path = ""

    def __init__(self, config, keys):
        self.config, self._keys = config, keys or Keys({})
        self._ready = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        if self._failure:
            raise self._failure

    @contextlib.asynccontextmanager
    async def opened(self):
        raise NotImplementedError
        yield

    def close(self):
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _run(self):
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()
            raise

    async def _serve(self):
        self.loop = asyncio.get_running_loop()
        async with self.opened() as app:
            self._server = uvicorn.Server(server_config(app, http=LimitedProtocol, port=0))
            task = asyncio.create_task(self._server.serve())
            while not self._server.started:
                await asyncio.sleep(0.01)
            port = self._server.servers[0].sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}{self.path}"
            self._ready.set()
            await task
