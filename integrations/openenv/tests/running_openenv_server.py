"""A server of the environment on loopback, in a thread of the test's process."""

import socket
import threading
from contextlib import contextmanager

import uvicorn

from storm_openenv.app import create_storm_app, server_config


@contextmanager
def running_server(*, ping_seconds=20.0, **options):
    """Serve `create_storm_app(**options)`, and yield its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            started.set()

    server = Server(server_config(create_storm_app(**options), host="127.0.0.1", port=port, ping_seconds=ping_seconds))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert started.wait(60)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(60)
