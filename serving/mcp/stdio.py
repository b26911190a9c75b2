"""The server at standard input and output, for one client that started this process.

Everything ends with the input: jobs are cancelled, and programs and sessions are killed.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
from mcp.server.stdio import stdio_server

from storm_calm.serving.mcp.config import McpConfig
from storm_calm.serving.mcp.mcp_server import create_server, open_parts
from storm_calm.serving.mcp.workspaces import Workspaces

log = logging.getLogger("storm")

LINE_BYTES = 64 << 20
"""Bytes of a message."""


async def serve(config: McpConfig) -> None:
    """Serve until the end of standard input, or a signal.

    Raises SandboxUnavailableError, and ValueError for a wrong --root.
    """
    with _taken(0, os.open(os.devnull, os.O_RDONLY)) as source, _taken(1, os.dup(2)) as sink:
        async with open_parts(config) as parts:
            workspaces = Workspaces(parts.sandbox, parts.limits(config.default_seconds), parts.threads)
            server = create_server(parts, workspaces)
            task = asyncio.current_task()
            assert task is not None
            # The SDK's own reader waits in a thread, which nothing can end before the input does.
            lines: Any = _lines(source)
            with (
                open(sink, "w", encoding="utf-8", closefd=False) as output,
                _cancelled_by(signal.SIGTERM, task),
                contextlib.suppress(asyncio.CancelledError),
            ):
                try:
                    async with stdio_server(lines, anyio.wrap_file(output)) as (reader, writer):
                        await server.run(reader, writer, server.create_initialization_options())
                finally:
                    await asyncio.shield(workspaces.close_all())


@contextlib.contextmanager
def _taken(fd: int, instead: int) -> Iterator[int]:
    """Yield a duplicate of a standard stream that only the protocol has; others, and programs, use `instead`."""
    own = os.dup(fd)
    os.dup2(instead, fd)
    os.close(instead)
    try:
        yield own
    finally:
        os.dup2(own, fd)
        os.close(own)


async def _lines(fd: int) -> AsyncIterator[str]:
    """Yield the lines of a pipe."""
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(fd), "rb")
    )
    try:
        while line := await reader.readline():
            yield line.decode("utf-8", errors="replace")
    except ValueError:
        log.error("a message has more than %d bytes; the server stops", LINE_BYTES)
    finally:
        transport.close()


@contextlib.contextmanager
def _cancelled_by(kind: signal.Signals, task: "asyncio.Task[object]") -> Iterator[None]:
    """Cancel a task at a signal."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(kind, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(kind)
