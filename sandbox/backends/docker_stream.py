"""Lines to and from a container, over the stream that the engine attaches to its standard input and output.

The engine puts both outputs of the container on one stream, in frames: one byte for which output it is, three of
nothing, four for the length, and then the bytes.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Any

from storm_calm.sandbox.cancellation import Cancellation, on_cancel

_HEADER = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2
_LAST_WORDS = 2000  # bytes kept of standard error


class StreamLostError(Exception):
    """The stream ended, broke, or was silent for too long."""


class ContainerStream:
    """The attached stream of one container. Not for several threads at once, but for `close`."""

    def __init__(self, attached: Any) -> None:
        """attached: what the SDK's `attach_socket` gave."""
        # For HTTP the SDK gives a file around the socket, else something that is like a socket.
        self._attached = attached
        self._socket: socket.socket = getattr(attached, "_sock", attached)
        self._frames = bytearray()
        self._lines = bytearray()
        self._errors = bytearray()
        self._in_use = threading.Lock()

    @property
    def last_words(self) -> str:
        """The end of what the container wrote on standard error."""
        return self._errors.decode("utf-8", errors="replace").strip()

    def ask(self, line: bytes, timeout: float, cancellation: Cancellation | None = None) -> bytes:
        """Send a line and return the line that comes back. Raises StreamLostError after `timeout` seconds.

        cancellation: what ends the stream meanwhile.
        """
        with self._in_use:
            try:
                with on_cancel(cancellation, self._end):
                    self._socket.settimeout(timeout)
                    self._socket.sendall(line + b"\n")
                    answer = self._read_line(time.monotonic() + timeout)
            except TimeoutError:
                raise StreamLostError(f"it was silent for {timeout:.0f} seconds") from None
            except OSError as error:
                raise StreamLostError(f"its stream broke: {error}") from None
        if cancellation is not None and cancellation.cancelled:
            raise StreamLostError("its run was cancelled")
        return answer

    def close(self) -> None:
        """End the stream; who is waiting for a line gets StreamLostError."""
        self._end()
        # Only when nobody reads from it any more: the next socket of this process may get its number.
        with self._in_use, contextlib.suppress(OSError, ValueError):
            # The SDK ties the answer to its request to what it gave, where it can.
            getattr(self._attached, "_response", self._attached).close()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _read_line(self, deadline: float) -> bytes:
        while b"\n" not in self._lines:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self._socket.recv(1 << 16)
            if not data:
                raise StreamLostError("its stream ended")
            self._take(data)
        answer, _, self._lines = self._lines.partition(b"\n")
        return bytes(answer)

    def _take(self, data: bytes) -> None:
        """Sort the whole frames that are there by where they come from."""
        self._frames += data
        while len(self._frames) >= _HEADER.size:
            source, length = _HEADER.unpack_from(self._frames)
            end = _HEADER.size + length
            if len(self._frames) < end:
                return
            if source == _STDOUT:
                self._lines += self._frames[_HEADER.size : end]
            elif source == _STDERR:
                self._errors += self._frames[_HEADER.size : end]
                del self._errors[:-_LAST_WORDS]
            del self._frames[:end]
