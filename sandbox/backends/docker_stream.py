"""Line-based requests to a container over the stream that is attached to its standard input and output.

The engine multiplexes both outputs of the container in frames: one byte for the output, three zero bytes, four for the
length, and the data.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

import contextlib
import socket
import struct
import threading
import time
from typing import Any

from storm_calm.sandbox.cancellation import Cancellation, on_cancel

_HEADER = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2
_MAX_STDERR_TAIL = 2000  # bytes


class StreamLostError(Exception):
    """The stream ended, failed, or timed out."""


class ContainerStream:
    """The attached stream of one container. Only `close` is thread-safe."""

    def __init__(self, attached: Any) -> None:
        # `attach_socket` returns a file around the socket for HTTP, otherwise an object like a socket.
        self._attached = attached
        self._socket: socket.socket = getattr(attached, "_sock", attached)
        self._frames = bytearray()
        self._lines = bytearray()
        self._errors = bytearray()
        self._in_use = threading.Lock()

    @property
    def stderr_tail(self) -> str:
        """The end of the container's standard error."""
        return self._errors.decode("utf-8", errors="replace").strip()

    def ask(self, line: bytes, timeout: float, cancellation: Cancellation | None = None) -> bytes:
        """Send a line and return the answer. Raises StreamLostError after `timeout` seconds or on cancellation."""
        with self._in_use:
            try:
                with on_cancel(cancellation, self._end):
                    self._socket.settimeout(timeout)
                    self._socket.sendall(line + b"\n")
                    answer = self._read_line(time.monotonic() + timeout)
            except TimeoutError:
                raise StreamLostError(f"no answer within {timeout:.0f} seconds") from None
            except OSError as error:
                raise StreamLostError(f"its stream failed: {error}") from None
        if cancellation is not None and cancellation.cancelled:
            raise StreamLostError("its run was cancelled")
        return answer

    def close(self) -> None:
        """Close the stream; a waiting `ask` raises StreamLostError."""
        self._end()
        # Wait for the reader: the next socket of this process may get the same file descriptor.
        with self._in_use, contextlib.suppress(OSError, ValueError):
            # The SDK attaches the HTTP response to the object it returned, if it can.
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
            self._parse_frames(data)
        answer, _, self._lines = self._lines.partition(b"\n")
        return bytes(answer)

    def _parse_frames(self, data: bytes) -> None:
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
                del self._errors[:-_MAX_STDERR_TAIL]
            del self._frames[:end]
