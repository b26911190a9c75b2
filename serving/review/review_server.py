"""The review page as a server on this machine, for one reviewer, until Ctrl-C."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import uvicorn

from storm_calm.serving.local_page import LOOPBACK
from storm_calm.serving.review.review_app import create_app
from storm_calm.serving.review.review_sample import sampled
from storm_calm.serving.review.reviewer import Reviewer, reviewer_file, reviewing
from storm_calm.serving.uvicorn_server import open_port, server_config


def serve(
    run: Path,
    name: str,
    *,
    size: int | None = None,
    seed: int | None = None,
    port: int = 0,
    on_listening: Callable[[str, Reviewer], None],
) -> None:
    """Serve the page to the reviewer `name` until a signal; SIGINT raises KeyboardInterrupt in the end.

    size, seed: of the sample, see `sampled`. port: 0 for any that is free.
    on_listening: gets the page's address when the first request can come, and the reviewer as read from its file.
    Raises ValueError as `sampled` and `reviewing` do, and where the port is taken.
    """
    reviewer_file(run, name)  # A bad name is an error before a sample is drawn.
    items = sampled(run, size=size, seed=seed)
    with reviewing(run, name, items) as reviewer, open_port(LOOPBACK, port) as listener:
        # Other users of this machine can reach the port, and must guess this.
        token = secrets.token_urlsafe(16)
        app = create_app(reviewer, run=run.resolve().name, token=token)
        on_listening(f"http://{LOOPBACK}:{listener.getsockname()[1]}/{token}/", reviewer)
        uvicorn.Server(server_config(app)).run(sockets=[listener])
