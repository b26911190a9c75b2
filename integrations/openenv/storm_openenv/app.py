"""The server: one session for each WebSocket connection, and MCP.

    server --port 8000
    server --problems problems.jsonl --max-sessions 128
    OPENENV_MODE=production server          # agents get the tools, and no reset, step or state over HTTP

A slot is free again as soon as its client has closed the connection, was killed, or stopped answering pings. Sessions
that were created over HTTP for MCP have no connection: they end after `SESSION_SECONDS` without a request.
"""

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

# OpenEnv's web interface reports its use otherwise, if it is turned on.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import uvicorn
from fastapi import FastAPI
from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.types import ConcurrencyConfig

from storm_calm import Problem, read_problems
from storm_calm.sandbox import Sandbox
from storm_openenv.environment import StormEnvironment, shared_sandbox
from storm_openenv.models import StormAction, StormObservation, StormState
from storm_openenv.problem_source import ProblemSource

MAX_SESSIONS = 64
SESSION_SECONDS = 3600.0
"""Seconds without a request after which a session without a connection ends. Models may think for long."""
PING_SECONDS = 20.0
"""Seconds between pings, and until the answer to one is due."""
MAX_MESSAGE_BYTES = 8 << 20


def create_storm_app(
    *,
    problems: Sequence[Problem] = (),
    max_sessions: int = MAX_SESSIONS,
    session_seconds: float = SESSION_SECONDS,
    sandbox: Sandbox | None = None,
    mode: str | None = None,
) -> FastAPI:
    """Return the app.

    problems: of a problem file; by default they come from the families. max_sessions: at once; further connections are
    refused. sandbox: by default that of the process. mode: "simulation" or "production", by default the environment
    variable OPENENV_MODE, or else "simulation".
    Raises ValueError for problems without accepted answers.
    """
    return create_app(
        partial(StormEnvironment, ProblemSource(problems=tuple(problems)), sandbox),
        StormAction,
        StormObservation,
        env_name="storm",
        concurrency_config=ConcurrencyConfig(max_concurrent_envs=max_sessions, session_timeout=session_seconds),
        state_cls=StormState,
        mode=mode,
    )


def server_config(app: FastAPI, *, host: str, port: int, ping_seconds: float = PING_SECONDS) -> uvicorn.Config:
    """Return the configuration of the server. Clients that do not answer pings are disconnected."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        ws_ping_interval=ping_seconds,
        ws_ping_timeout=ping_seconds,
        ws_max_size=MAX_MESSAGE_BYTES,
        log_level="warning",
    )


app = create_storm_app()
"""The app of `uvicorn storm_openenv.app:app`."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve optimization problems as an OpenEnv environment.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    parser.add_argument("--problems", type=Path, help="problem file (default: problems of the families)")
    parser.add_argument("--max-sessions", type=int, default=MAX_SESSIONS, help=f"(default: {MAX_SESSIONS})")
    options = parser.parse_args()
    if options.max_sessions < 1:
        parser.error(f"--max-sessions: {options.max_sessions} is below 1")
    try:
        problems = read_problems(options.problems) if options.problems else ()
        served = create_storm_app(problems=problems, max_sessions=options.max_sessions)
    except (OSError, ValueError) as error:
        parser.error(f"--problems: {error}")
    # Fails now, and not with the first client, if programs cannot be isolated here.
    with shared_sandbox():
        uvicorn.Server(server_config(served, host=options.host, port=options.port)).run()


if __name__ == "__main__":
    main()
