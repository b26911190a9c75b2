"""What every request passes before the app sees it: its host, keys, sizes, and whether the server still takes any.

Plain ASGI around everything else, so that its errors, too, come in OpenAI's shape, and so that unexpected ones say
nothing of what is inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storm_calm.serving.api.api_errors import ApiError, as_api_error
from storm_calm.serving.api.auth import Caller, Keys
from storm_calm.serving.api.http_limits import HEAD_BYTES, head_bytes
from storm_calm.serving.api.metrics import Metrics

BODY_SECONDS = 30.0
"""Seconds within which a body must be there."""


class ApiMiddleware:
    """The middleware around the app: hosts, keys, sizes, draining and errors."""

    def __init__(
        self, app: ASGIApp, *, keys: Keys, metrics: Metrics, drain: Drain, most_bytes: int, hosts: Collection[str]
    ) -> None:
        """drain: whether to turn requests away. most_bytes: of a body. hosts: names by which it may be called, or *."""
        self._app, self._keys, self._metrics, self._drain, self._most = app, keys, metrics, drain, most_bytes
        self._hosts = None if "*" in hosts else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with an error."""
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
                await self._app(scope, self._limited(receive), sending)
        except Exception as error:
            known = as_api_error(error)
            if not status:
                await _answer(known, sending)
        finally:
            route = scope.get("route")
            self._metrics.answered(getattr(route, "path", "other"), status)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if head_bytes(scope["headers"], scope.get("raw_path") or b"") > HEAD_BYTES:
            raise ApiError(431, f"the headers are larger than {HEAD_BYTES} bytes")
        # A page elsewhere could let its own name lead to this machine, and so reach a server that needs no key.
        host = host_name(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            raise ApiError(400, f"host {host[:100]!r} is not served here; name it with --allowed-host")
        api = scope["path"].startswith("/v1/")
        if api and self._drain.draining:
            raise ApiError(503, "the server is going down; try another, or again", retry_after=5)
        if api:
            scope.setdefault("state", {})["caller"] = self._keys.caller(headers.get("authorization"))
        if scope["method"] != "POST":
            return
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError(415, "give Content-Type: application/json")
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._most:
            raise self._too_large()

    def _limited(self, receive: Receive) -> Receive:
        taken = 0
        whole = False
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS

        async def limited() -> Message:
            nonlocal taken, whole
            if whole:  # What comes now is that the client leaves, whenever that is.
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body was not there within {BODY_SECONDS:g} seconds") from None
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken > self._most:
                # Of the kind that FastAPI passes on while it reads a body.
                raise HTTPException(413, self._too_large().message)
            return message

        return limited

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the body is larger than {self._most} bytes")


def host_name(header: str) -> str:
    """Return the host of a Host header, without the port, in small letters."""
    name = header.strip().lower()
    if name.startswith("["):  # An IPv6 address.
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


class Drain:
    """The count of the requests that are being answered, and whether new ones are turned away."""

    def __init__(self) -> None:
        self.draining = False
        """Whether requests are turned away."""
        self.open = 0
        """Requests that are being answered."""

    def counted(self) -> Drain:
        """For the time of a request: `with drain.counted():`."""
        return self

    def __enter__(self) -> None:
        self.open += 1

    def __exit__(self, *error: Any) -> None:
        self.open -= 1


def caller_of(scope: Scope) -> Caller:
    """Return the caller of a request that was let in."""
    caller: Caller = scope["state"]["caller"]
    return caller


async def _answer(error: ApiError, send: Send) -> None:
    body = orjson.dumps(error.body)
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
