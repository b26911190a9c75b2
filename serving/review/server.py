"""Running the review page on this machine, for one reviewer, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from storm_calm.serving.review.app import create_app
from storm_calm.serving.review.reviewer import Reviewer, reviewer_file, reviewing
from storm_calm.serving.review.sample import sampled

HOST = "127.0.0.1"


def serve(
    run: Path,
    name: str,
    *,
    size: int | None = None,
    seed: int | None = None,
    port: int = 0,
    listening: Callable[[str, Reviewer], None],
) -> None:
    """Serve the page to the reviewer `name` until a signal; SIGINT raises KeyboardInterrupt in the end.

    size, seed: of the sample, see `sampled`. port: 0 for any that is free.
    listening: gets the page's address when the first request can come, and the reviewer as read from its file.
    Raises ValueError as `sampled` and `reviewing` do, and where the port is taken.
    """
    reviewer_file(run, name)  # A bad name is told before a sample is drawn.
    items = sampled(run, size=size, seed=seed)
    with reviewing(run, name, items) as reviewer:
        try:
            listener = socket.create_server((HOST, port))
        except OSError as error:
            raise ValueError(
                f"cannot listen at {HOST}:{port}: {os.strerror(error.errno or 0)}; choose another --port"
            ) from error
        with listener:
            # Whoever else is on this machine can reach the port, and must guess this.
            token = secrets.token_urlsafe(16)
            app = create_app(reviewer, run=run.resolve().name, token=token)
            settings = uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
            listening(f"http://{HOST}:{listener.getsockname()[1]}/{token}/", reviewer)
            uvicorn.Server(settings).run(sockets=[listener])
