"""Clients of the MCP server: the SDK's, over both transports and both kinds of protocol versions."""

import asyncio
import contextlib
import sys
import threading
import time

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

MODES = ("legacy", "auto")
"""Versions with sessions, and without."""
STORM = (sys.executable, "-c", "from storm_calm.cli.start import main; main()")


def wait_until(condition, seconds=10):
    """Wait until a condition holds. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Connection:
    """A connected client in a thread of its own, to be called by tests without asyncio."""

    def __init__(self, target, *, mode="auto", key=None):
        """target: a URL, or the options of `storm mcp` as a list. key: an API key."""
        self._target, self._mode, self._key = target, mode, key
        self._ready = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(60)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *error):
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def call(self, name, /, *, progress=None, **arguments):
        """Call a tool and return its result."""
        return self.run(self.client.call_tool(name, arguments, progress_callback=progress))

    def facts(self, name, /, **arguments):
        """Call a tool that must succeed and return its structured content."""
        result = self.call(name, **arguments)
        assert not result.is_error, result.structured_content
        return result.structured_content

    def category(self, name, /, **arguments):
        """Call a tool that must fail and return the category of its error."""
        result = self.call(name, **arguments)
        assert result.is_error, result.structured_content
        assert result.structured_content["error"]["message"]
        return result.structured_content["error"]["category"]

    def read(self, uri):
        """Return the content of a resource."""
        return self.run(self.client.read_resource(uri)).contents[0]

    def start(self, coroutine):
        """Start a coroutine in the client's loop and return its future."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine):
        return self.start(coroutine).result(90)

    async def _serve(self):
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with contextlib.AsyncExitStack() as stack:
                target = self._target
                if isinstance(target, list):
                    words = [*STORM, "mcp", "--minimum-isolation", "limits", *target]
                    target = StdioServerParameters(command=words[0], args=words[1:])
                elif self._key is not None:
                    headers = {"Authorization": f"Bearer {self._key}"}
                    http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60))
                    target = streamable_http_client(target, http_client=http)
                self.client = await stack.enter_async_context(Client(target, mode=self._mode))
                self._ready.set()
                await self._stop.wait()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ready.set()
