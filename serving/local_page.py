"""Security of the pages that are served to this machine only: address, hosts and headers."""

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = "127.0.0.1"


def page_middleware(policy: str) -> list[Middleware]:
    """Return the middleware of a page. policy: its content security policy.

    The host check prevents DNS rebinding, in which the name of another page points to this machine.
    """
    return [
        Middleware(SecurityHeaders, policy=policy),
        Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"]),
    ]


class SecurityHeaders:
    """ASGI middleware that adds security headers to every response, including errors."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cache-control": "no-store",
        }
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += self._headers
            await send(message)

        await self._app(scope, receive, send_with_headers)
