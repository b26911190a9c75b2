"""uvicorn with the settings that all servers share.

with open_port("127.0.0.1", port) as listener:
    uvicorn.Server(server_config(app)).run(sockets=[listener])
"""

import os
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp


def open_port(host: str, port: int) -> socket.socket:
    """Listen at a port; 0 for a free one. Raises ValueError if that fails."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=4096)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ValueError(f"cannot listen at {host}:{port}: {reason}; choose another --port") from error


def server_config(app: ASGIApp, **settings: Any) -> uvicorn.Config:
    """Return uvicorn settings: no access log, no server header, a quick shutdown."""
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        **settings,
    )
