"""Serve the review page to one reviewer on this machine until Ctrl-C."""

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
    """Serve the page to the reviewer `name` until a signal; SIGINT raises KeyboardInterrupt at the end.

    size, seed: see `sampled`. port: 0 for a free one.
    on_listening: called with the URL and the reviewer when the server accepts requests.
    Raises ValueError as `sampled` and `reviewing` do, and for a port in use.
    """
    reviewer_file(run, name)  # Check the name before a sample is drawn.
    items = sampled(run, size=size, seed=seed)
    with reviewing(run, name, items) as reviewer, open_port(LOOPBACK, port) as listener:
        # Other users of this machine can reach the port but do not know the token.
        token = secrets.token_urlsafe(16)
        app = create_app(reviewer, run=run.resolve().name, token=token)
        on_listening(f"http://{LOOPBACK}:{listener.getsockname()[1]}/{token}/", reviewer)
        uvicorn.Server(server_config(app)).run(sockets=[listener])
