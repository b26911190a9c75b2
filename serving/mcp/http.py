"""The server over streamable HTTP: keys, hosts, limits, and the end of clients that leave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import orjson
import uvicorn
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp_types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Keys
from storm_calm.serving.api.http_limits import LimitedProtocol
from storm_calm.serving.api.middleware import BODY_SECONDS, host_name
from storm_calm.serving.api.rate_limit import Limits, MemoryRateLimit
from storm_calm.serving.mcp.client_identity import SESSION_HEADER
from storm_calm.serving.mcp.config import McpConfig
from storm_calm.serving.mcp.mcp_server import create_server, open_parts
from storm_calm.serving.mcp.tool_call import ServerParts
from storm_calm.serving.mcp.workspaces import Workspaces
from storm_calm.serving.uvicorn_server import open_port, server_config

PATH = "/mcp"
BODY_BYTES = 8 << 20
"""Bytes of a request body."""


class McpMiddleware:
    """The outermost layer: host and origin, keys, rate limits, and watching for connections that break."""

    def __init__(self, app: ASGIApp, *, keys: Keys, config: McpConfig, workspaces: Workspaces) -> None:
        self._app, self._keys, self._workspaces = app, keys, workspaces
        self._hosts = None if "*" in config.hosts else frozenset(config.hosts)
        self._rate_limit = MemoryRateLimit(
            Limits(running=config.max_clients * 4, key_running=config.key_running, key_per_minute=config.key_per_minute)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or answer it with an error."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            headers = Headers(scope=scope)
            self._check_host(headers)
            if scope["path"] == "/health":
                return await _answer(200, {"status": "ok"}, {}, send)
            if scope["path"] != PATH:
                raise ApiError(404, f"the server is at {PATH}")
            caller = self._keys.caller(headers.get("authorization"))
            gone = asyncio.Event()
            scope.setdefault("state", {}).update(caller=caller, gone=gone, open=self._keys.open)
            if not self._keys.open:
                # The SDK accepts a session's ID only from the client that opened it.
                scope["user"] = AuthenticatedUser(AccessToken(token="", client_id=caller.name, scopes=[]))
            async with contextlib.AsyncExitStack() as stack:
                if scope["method"] == "POST":
                    await stack.enter_async_context(await self._rate_limit.admit(caller))
                await self._app(scope, _watched(receive, gone), send)
            if scope["method"] == "DELETE" and SESSION_HEADER in headers:
                await self._workspaces.close((caller.name, "session", headers[SESSION_HEADER]))
        except ApiError as error:
            # As an error of the protocol, whose message clients show.
            body = {"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": error.message}}
            await _answer(error.status, body, dict(error.headers), send)

    def _check_host(self, headers: Headers) -> None:
        """Raise ApiError for another host or origin: a page could point its own name at this machine."""
        if self._hosts is None:
            return
        host = host_name(headers.get("host", ""))
        if host not in self._hosts:
            raise ApiError(400, f"host {host[:100]!r} is not accepted; start the server with --allowed-host")
        origin = headers.get("origin")
        if origin is not None and (urlsplit(origin).hostname or "") not in self._hosts:
            raise ApiError(403, f"origin {origin[:100]!r} is not accepted; start the server with --allowed-host")


def _watched(receive: Receive, gone: asyncio.Event) -> Receive:
    """Return `receive` with a deadline for the body, which sets an event when the connection breaks."""
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS
    whole = False

    async def watched() -> Message:
        nonlocal whole
        try:
            async with asyncio.timeout_at(None if whole else deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"the body was not complete within {BODY_SECONDS:g} seconds") from None
        whole = not message.get("more_body", False)
        if message["type"] == "http.disconnect":
            gone.set()
        return message

    return watched


async def _answer(status: int, body: object, headers: dict[str, str], send: Send) -> None:
    content = orjson.dumps(body)
    all_headers = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    raw = [(name.encode(), value.encode()) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


@contextlib.asynccontextmanager
async def open_app(config: McpConfig, keys: Keys) -> AsyncIterator[tuple[ASGIApp, Workspaces, ServerParts]]:
    """Open the server as an ASGI app. Raises SandboxUnavailableError, and ValueError for a wrong --root."""
    async with open_parts(config) as parts:
        workspaces = Workspaces(
            parts.sandbox,
            parts.limits(config.default_seconds),
            parts.threads,
            most=config.max_clients,
            lost_seconds=config.lost_seconds,
            idle_seconds=config.idle_seconds,
        )
        server = create_server(parts, workspaces)
        app = server.streamable_http_app(
            streamable_http_path=PATH,
            max_request_body_size=BODY_BYTES,
            session_idle_timeout=config.idle_seconds,
            max_sessions=config.max_clients,
            # `McpMiddleware` checks hosts as `storm serve` does.
            transport_security=None,
            host=config.host,
        )
        tidying = asyncio.create_task(workspaces.tidy())
        try:
            async with server.session_manager.run():
                yield McpMiddleware(app, keys=keys, config=config, workspaces=workspaces), workspaces, parts
        finally:
            tidying.cancel()
            await workspaces.close_all()


async def serve(config: McpConfig, keys: Keys, *, on_listening: Callable[[str], None]) -> None:
    """Serve until a signal. on_listening: called with the address when the server accepts requests.

    Raises SandboxUnavailableError, and ValueError for wrong settings or a port in use.
    """
    with open_port(config.host, config.port) as listener:
        async with open_app(config, keys) as (app, *_):
            host, number = listener.getsockname()[:2]
            on_listening(f"http://{f'[{host}]' if ':' in host else host}:{number}{PATH}")
            settings = server_config(app, http=LimitedProtocol, timeout_keep_alive=60)
            await uvicorn.Server(settings).serve(sockets=[listener])
