"""Read a model server's descriptions of itself, which are untrusted.

    answers = ServerAnswers(endpoint)
    number(answers.get("/props"), "default_generation_settings", "n_ctx")

An answer is read up to a size and a time. Values of another type than documented are ignored.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import orjson

MAX_BYTES = 8 << 20
"""The largest answer that is read. OpenRouter's list of models has about 1 MB."""
MAX_SECONDS = 10.0
"""The longest time for one answer."""
MAX_TEXT = 1 << 18
"""The longest text that is used; chat templates have up to 20,000 characters."""
MAX_NUMBER = 1 << 31


class ServerAnswers:
    """A client for the pages of a server outside of its OpenAI API."""

    def __init__(self, base_url: str, api_key: str) -> None:
        """base_url: up to `/v1`."""
        parts = urlsplit(base_url)
        path = parts.path.rstrip("/")
        self._api = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        self._root = self._api.removesuffix("/v1")
        headers = {} if api_key == "none" else {"authorization": f"Bearer {api_key}"}
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(MAX_SECONDS, connect=5.0))

    def get(self, path: str) -> Any:
        """Return the JSON of a page beside `/v1`; None if there is none."""
        status, body = self.request("GET", path)
        return _parsed(body) if status == 200 else None

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that the server answers to `body`; None for an error."""
        status, answer = self.request("POST", path, body)
        return _parsed(answer) if status == 200 else None

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, api: bool = False
    ) -> tuple[int | None, bytes]:
        """Return status and body of an answer; None and nothing if there was no complete one.

        api: `path` is below `/v1`, not beside it.
        """
        data = b""
        ends = monotonic() + MAX_SECONDS
        with suppress(httpx.HTTPError, httpx.InvalidURL, OSError):
            content = None if body is None else orjson.dumps(body)
            headers = {"content-type": "application/json"} if content else {}
            url = f"{self._api if api else self._root}{path}"
            with self._client.stream(method, url, content=content, headers=headers) as response:
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > MAX_BYTES or monotonic() > ends:
                        return None, b""
                return response.status_code, data
        return None, b""

    def close(self) -> None:
        self._client.close()


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def value(data: Any, *path: str) -> Any:
    """Return the value at `path` in nested objects; None if there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def number(data: Any, *path: str) -> int | None:
    """Return a positive whole number; None for anything else."""
    found = value(data, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < MAX_NUMBER else None


def text(data: Any, *path: str) -> str:
    """Return a text; "" for anything else, and for one that is too long."""
    found = value(data, *path)
    return found if isinstance(found, str) and len(found) <= MAX_TEXT else ""


def objects(data: Any, *path: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects in a list."""
    found = value(data, *path)
    yield from (item for item in found if isinstance(item, Mapping)) if isinstance(found, list) else ()


def texts(data: Any, *path: str) -> frozenset[str]:
    """Return the texts in a list."""
    found = value(data, *path)
    return frozenset(item for item in found if isinstance(item, str)) if isinstance(found, list) else frozenset()
