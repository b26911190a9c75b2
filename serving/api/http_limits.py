"""A uvicorn HTTP protocol with a timeout and a size limit for the head of a request.

uvicorn.Config(app, http=LimitedProtocol)

`serving.api.middleware` limits bodies.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""Seconds from the connection, or from the first byte of a request, to the end of its headers."""
HEAD_BYTES = 32 << 10
"""Most bytes of the request line and headers."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    _timer: asyncio.TimerHandle | None = None
    _taken = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._timer is not None and not self.transport.is_closing():
            self._taken += len(data)
            if self._taken > HEAD_BYTES:
                self._reject(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: the middleware rejects WebSockets."""

    def _expect_head(self) -> None:
        self._taken = 0
        self._timer = self.loop.call_later(HEAD_SECONDS, self._reject, b"408 Request Timeout")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _reject(self, status: bytes) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()
