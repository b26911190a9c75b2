"""HTTP as uvicorn reads it, with limits that it lacks: how long a request's head may take, and how large it may be.

uvicorn.Config(app, http=LimitedProtocol)

Limits on bodies are in `serving.api.middleware`, which sees their pieces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""Seconds from the connection, or a request's first byte, until its headers must be there."""
HEAD_BYTES = 32 << 10
"""Bytes that a request's line and headers may have."""


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
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._taken = 0
        self._timer = self.loop.call_later(HEAD_SECONDS, self._refuse, b"408 Request Timeout")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: bytes) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()


def head_bytes(headers: Sequence[tuple[bytes, bytes]], path: bytes) -> int:
    """Bytes of a request's line and headers, about."""
    return len(path) + sum(len(name) + len(value) + 4 for name, value in headers)
