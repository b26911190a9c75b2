"""Who sends a request: the client whose runs, jobs and sessions it may use."""

import asyncio
from collections.abc import Hashable
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from storm_calm.serving.mcp.quota import MANY_CLIENTS, ONE_CLIENT, Quota

SESSION_HEADER = "mcp-session-id"

Context = ServerRequestContext[Any, Any]


def client_of(ctx: Context) -> Hashable:
    """Return the client of a request, as a key.

    Over HTTP, versions of the protocol with sessions have one client per session. The others have none, so that all
    requests with one API key are one client; without keys, all requests from one address.
    """
    request = ctx.request
    if request is None:
        return "standard input"
    caller = request.scope["state"]["caller"]
    session = _session(ctx)
    if session is not None:
        return caller.name, "session", session
    if request.scope["state"]["open"]:
        return caller.name, "address", request.client.host if request.client else ""
    return caller.name, "key"


def is_private(ctx: Context) -> bool:
    """Return whether the client is the only one with its workspace; not, if it is known by its address."""
    return ctx.request is None or _session(ctx) is not None or not ctx.request.scope["state"]["open"]


def quota_of(ctx: Context) -> Quota:
    """Return how much the client may keep. A key and an address may stand for many clients."""
    return ONE_CLIENT if ctx.request is None or _session(ctx) is not None else MANY_CLIENTS


def connection_gone(ctx: Context) -> asyncio.Event | None:
    """Return the event that is set when the connection of a request breaks.

    In versions with sessions the SDK lets such a call continue, although its result cannot be delivered.
    """
    if ctx.request is None or _session(ctx) is None:
        return None
    event: asyncio.Event = ctx.request.scope["state"]["gone"]
    return event


def _session(ctx: Context) -> str | None:
    """Return the session of the protocol; None in versions without sessions, where clients could invent the header."""
    if ctx.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS or ctx.request is None:
        return None
    session: str | None = ctx.request.headers.get(SESSION_HEADER)
    return session
