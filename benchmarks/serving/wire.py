"""Minimal HTTP/1.1 for both ends of a benchmark: requests with Content-Length, responses with it or chunked.

taken = take_request(data)           # None while it is incomplete
status, body, complete = read_response(data)
"""

from dataclasses import dataclass

CHUNKED_END = b"0\r\n\r\n"
"""The last bytes of a chunked body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """A complete HTTP request."""

    method: str
    path: str
    """Path without the query."""
    body: bytes
    close: bool
    """Whether to close the connection after the response."""


def take_request(data: bytes) -> tuple[HttpRequest, bytes] | None:
    """Parse the first request; return it and the remaining bytes, or None if it is incomplete."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    first, fields = _head(head)
    length = int(fields.get("content-length", "0"))
    if len(rest) < length:
        return None
    method, target, _ = first.split(" ", 2)
    request = HttpRequest(
        method=method,
        path=target.partition("?")[0],
        body=rest[:length],
        close=fields.get("connection", "").lower() == "close",
    )
    return request, rest[length:]


def post(path: str, host: str, body: bytes) -> bytes:
    """Return a POST request with a JSON body and `Connection: close`."""
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def response(status: int, body: bytes, *, headers: str = "") -> bytes:
    """Return a JSON response. headers: further header lines, each with its line break."""
    head = f"HTTP/1.1 {status} .\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def read_response(data: bytes) -> tuple[int | None, bytes, bool]:
    """Parse all bytes received over a connection; return status, body, and whether the body is complete.

    An incomplete head has the status None.
    """
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None, b"", False
    first, fields = _head(head)
    status = int(first.split(" ", 2)[1])
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return status, *_dechunked(rest)
    length = fields.get("content-length")
    return status, rest, length is None or len(rest) == int(length)


def _head(head: bytes) -> tuple[str, dict[str, str]]:
    """Return the first line, and the header fields by lowercase name."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _dechunked(data: bytes) -> tuple[bytes, bool]:
    """Decode a chunked body; return it without an incomplete last chunk, and whether the end arrived."""
    parts: list[bytes] = []
    place = 0
    while (line := data.find(b"\r\n", place)) >= 0:
        size = int(data[place:line].partition(b";")[0], 16)
        if size == 0:
            return b"".join(parts), True
        place = line + 2 + size + 2
        if place > len(data):
            break
        parts.append(data[line + 2 : line + 2 + size])
    return b"".join(parts), False
