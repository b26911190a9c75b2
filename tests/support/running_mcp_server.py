"""An MCP server of this project over real HTTP in a thread, so that tests can inspect it."""

import contextlib

from storm_calm.serving.mcp.config import McpConfig
from storm_calm.serving.mcp.http import PATH, open_app
from support.server_thread import ServerThread


class RunningMcpServer(ServerThread):
    """A running server. config: as for `storm mcp --http`, except for port and address."""

    path = PATH

    def __init__(self, *reasoner, keys=None, **config):
        config = {"guard": False, "minimum_isolation": "limits"} | config
        super().__init__(McpConfig(reasoner=reasoner or ("nano",), http=True, **config), keys)

    @property
    def programs(self):
        """Return the number of programs that run."""
        return self.sandbox.workers - self.sandbox.slots.free_count

    @contextlib.asynccontextmanager
    async def opened(self):
        async with open_app(self.config, self._keys) as (app, self.workspaces, parts):
            self.sandbox = parts.sandbox
            yield app
