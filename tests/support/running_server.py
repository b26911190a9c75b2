"""A server of this project over real HTTP in a thread, so that tests can inspect its requests."""

import contextlib

from storm_calm.agents.runs.database_url import read_database_url
from storm_calm.serving.api.app import create_app, open_agent
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.metrics import Metrics
from support.server_thread import ServerThread


class RunningServer(ServerThread):
    """A running server. config: as for `storm serve`, except for port and address."""

    path = "/v1"

    def __init__(self, *reasoner, keys=None, database=None, **config):
        """database: the URL of one that is shared with other servers."""
        self._database = read_database_url(database, "database") if database else None
        # Scripted models answer without programs, at which the guard would intervene.
        config = {"guard": False, "minimum_isolation": "limits"} | config
        super().__init__(ServeConfig(reasoner=reasoner or ("nano",), **config), keys)

    @property
    def running(self):
        """Return the number of trajectories in progress."""
        return len(self.agent.running)

    @contextlib.asynccontextmanager
    async def opened(self):
        metrics = Metrics()
        async with open_agent(self.config, metrics, database=self._database) as self.agent:
            self.app = create_app(self.config, keys=self._keys, metrics=metrics)
            self.app.state.agent = self.agent
            yield self.app
