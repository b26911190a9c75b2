"""A server of a run's report, for tests."""

import socket
import threading

import uvicorn

from storm_calm.serving.report import open_run
from storm_calm.serving.report.live_server import opened_app


class Served:
    """A server of a folder's report on a free port, in a thread."""

    def __init__(self, folder):
        self._app = opened_app(open_run(folder))
        settings = uvicorn.Config(self._app.__enter__(), lifespan="off", log_config=None)
        self._server = uvicorn.Server(settings)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.should_exit = True
        self._thread.join(60)
        self._socket.close()
        self._app.__exit__(None, None, None)
