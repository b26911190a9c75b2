"""The ASGI middleware of the API: host check, authentication, size limits, draining and errors.

It is the outermost layer, so that all errors have OpenAI's format and unexpected ones reveal no internals.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import orjson
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storm_calm.serving.api.api_errors import ApiError, as_api_error
from storm_calm.serving.api.auth import Caller, Keys
from storm_calm.serving.api.http_limits import HEAD_BYTES
from storm_calm.serving.api.metrics import Metrics
from storm_calm.serving.api.stored_files import MAX_FILE_BYTES

UPLOAD_PATH = "/v1/files"
"""The only path with forms."""
FORM_BYTES = 10_000
"""Bytes of a form beside its file."""
BODY_SECONDS = 30.0
"""Seconds until a body must be complete."""


class ApiMiddleware:
    """The middleware around the app."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys,
        metrics: Metrics,
        drain: Drain,
        most_bytes: int,
        hosts: Collection[str],
        origins: Collection[str],
    ) -> None:
        """Set up the middleware.

        most_bytes: size limit of a body. hosts: accepted Host headers, or *. origins: pages that may upload files.
        """
        self._app, self._keys, self._metrics, self._drain, self._most = app, keys, metrics, drain, most_bytes
        self._origins = frozenset(origins)
        self._hosts = None if "*" in hosts else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or answer it with an error."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._drain.counted():
                self._admit(scope)
                await self._app(scope, self._limited(receive, self._limit(scope)), sending)
        except Exception as error:
            known = as_api_error(error)
            if not status:
                await _answer(known, sending)
        finally:
            route = scope.get("route")
            self._metrics.requests.labels(getattr(route, "path", "other"), str(status)).inc()

    def _admit(self, scope: Scope) -> None:
        # Clients that join a base URL and a path without care ask for /v1//models.
        scope["path"] = re.sub("/{2,}", "/", scope["path"])
        headers = Headers(scope=scope)
        head = len(scope.get("raw_path") or b"") + sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if head > HEAD_BYTES:
            raise ApiError(431, f"the headers are larger than {HEAD_BYTES} bytes")
        # DNS rebinding: a page could point its own name at this machine, to reach a server without keys.
        host = host_name(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            raise ApiError(400, f"host {host[:100]!r} is not accepted; start the server with --allowed-host")
        api = scope["path"].startswith("/v1/")
        if api and self._drain.draining:
            raise ApiError(503, "the server is shutting down; retry, or use another server", retry_after=5)
        if api:
            scope.setdefault("state", {})["caller"] = self._keys.caller(headers.get("authorization"))
        if headers.get("upgrade", "").lower() == "websocket":
            # At this status Codex takes plain HTTP at once; at any other it tries again first.
            raise ApiError(426, "WebSockets are not supported; send POST requests")
        empty = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        if scope["method"] != "POST" or not api or empty:
            return
        wanted = "multipart/form-data" if scope["path"] == UPLOAD_PATH else "application/json"
        if headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
            raise ApiError(415, f"give Content-Type: {wanted}")
        # Browsers send forms of any page without asking. JSON they send after a preflight request only.
        if scope["path"] == UPLOAD_PATH and not self._may_upload(headers):
            raise ApiError(403, "this page may not upload files; start the server with --origin")
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise ApiError(415, f"Content-Encoding {encoding[:50]!r} is not supported; send the body uncompressed")
        length = headers.get("content-length", "0")
        most = self._limit(scope)
        if length.isdigit() and int(length) > most:
            raise _too_large(most)

    def _may_upload(self, headers: Headers) -> bool:
        origin = headers.get("origin", "")
        own = origin.partition("://")[2].lower() == headers.get("host", "").lower()
        return not origin or own or origin in self._origins

    def _limit(self, scope: Scope) -> int:
        """Return the most bytes of a request's body."""
        return max(self._most, MAX_FILE_BYTES + FORM_BYTES) if scope["path"] == UPLOAD_PATH else self._most

    def _limited(self, receive: Receive, most: int) -> Receive:
        taken = 0
        whole = False
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS

        async def limited() -> Message:
            nonlocal taken, whole
            if whole:  # The next message is the disconnect, which has no deadline.
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body was not complete within {BODY_SECONDS:g} seconds") from None
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken > most:
                # FastAPI lets an HTTPException through while it reads a body.
                raise HTTPException(413, _too_large(most).message)
            return message

        return limited


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"the body is larger than {most} bytes")


def host_name(header: str) -> str:
    """Return the host of a Host header in lower case, without the port."""
    name = header.strip().lower()
    if name.startswith("["):  # An IPv6 address.
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


class Drain:
    """The number of requests in progress, and whether new ones are rejected."""

    def __init__(self) -> None:
        self.stopping = False
        """Whether the server will shut down: it is not ready for more requests."""
        self.draining = False
        """Whether new requests are rejected."""
        self.open = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request while it is in progress."""
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


def caller_of(scope: Scope) -> Caller:
    """Return the caller of an accepted request."""
    caller: Caller = scope["state"]["caller"]
    return caller


async def _answer(error: ApiError, send: Send) -> None:
    body = orjson.dumps(error.body)
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
