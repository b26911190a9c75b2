"""HTTP/1.1, as far as the two ends of a benchmark need it: requests with a length, answers with a length or in chunks.

taken = take_request(data)           # None while it is incomplete
status, body, whole = read_response(data)
"""

from dataclasses import dataclass

CHUNKED_END = b"0\r\n\r\n"
"""The last bytes of a chunked body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """A request."""

    method: str
    """In capital letters."""
    path: str
    """Without a query."""
    body: bytes
    """As it came."""
    last: bool
    """Whether the connection is to be closed after the answer."""


def take_request(data: bytes) -> tuple[HttpRequest, bytes] | None:
    """The first request of `data` and what follows it; None while it is incomplete."""
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
        last=fields.get("connection", "").lower() == "close",
    )
    return request, rest[length:]


def post(path: str, host: str, body: bytes) -> bytes:
    """A request with a JSON body, after which the connection is closed."""
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def response(status: int, body: bytes, *, kind: str = "application/json", more: str = "") -> bytes:
    """An answer with a length. more: further header lines, each with its line break."""
    return f"HTTP/1.1 {status} .\r\ncontent-type: {kind}\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def read_response(data: bytes) -> tuple[int | None, bytes, bool]:
    """Status, body, and whether the body is complete, of all the bytes that came over a connection.

    The status is None where not even the head is complete.
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
    """The first line, and the fields by their names in small letters."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _dechunked(data: bytes) -> tuple[bytes, bool]:
    """The body in chunks, and whether its end came; what was cut off within a chunk is left out."""
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
