"""An MCP server of this project over real HTTP in a thread, so that tests can inspect it."""

import asyncio
import threading

import uvicorn

from storm_calm.serving.api.auth import Keys
from storm_calm.serving.api.http_limits import LimitedProtocol
from storm_calm.serving.mcp.config import McpConfig
from storm_calm.serving.mcp.http import PATH, open_app
from storm_calm.serving.uvicorn_server import server_config


class RunningMcpServer:
    """A running server. config: as for `storm mcp --http`, except for port and address."""

    def __init__(self, *reasoner, keys=None, **config):
        config = {"guard": False, "minimum_isolation": "limits"} | config
        self.config = McpConfig(reasoner=reasoner or ("nano",), http=True, **config)
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
    def programs(self):
        """Return the number of programs that run."""
        return self.sandbox.workers - self.sandbox.slots.free_count

    def _run(self):
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()
            raise

    async def _serve(self):
        async with open_app(self.config, self._keys) as (app, self.workspaces, parts):
            self.sandbox = parts.sandbox
            self._server = uvicorn.Server(server_config(app, http=LimitedProtocol, port=0))
            task = asyncio.create_task(self._server.serve())
            while not self._server.started:
                await asyncio.sleep(0.01)
            port = self._server.servers[0].sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}{PATH}"
            self._ready.set()
            await task
