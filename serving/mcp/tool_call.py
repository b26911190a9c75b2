"""One call of a tool: the client's workspace, the parts of the server, and the way back to the client."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from storm_calm.sandbox import Limits, Sandbox
from storm_calm.serving.mcp.asking import AgentService
from storm_calm.serving.mcp.config import McpConfig
from storm_calm.serving.mcp.jobs import Job
from storm_calm.serving.mcp.roots import Roots
from storm_calm.serving.mcp.workspaces import Workspace

T = TypeVar("T")

PROGRESS_SECONDS = 1.0
"""Seconds between two progress notifications of a call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerParts:
    """What all calls share."""

    config: McpConfig
    sandbox: Sandbox
    threads: Executor
    """Threads that wait for programs."""
    roots: Roots
    agent: AgentService

    def limits(self, seconds: float) -> Limits:
        return Limits(seconds=seconds, memory_mb=self.config.memory_mb)

    async def in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """A call in progress."""

    parts: ServerParts
    workspace: Workspace
    progress: Callable[[float, float | None, str], Awaitable[Any]]
    """Sends a progress notification, if the client asked for them: progress, total, message."""
    gone: asyncio.Event | None = None
    """Set when the connection that waits for the result breaks; None if the transport cancels the call by itself."""

    async def follow(self, job: Job, seconds: float) -> bool:
        """Wait for a job that this call started, and report its progress. Return whether it has ended.

        The job is cancelled if the client cancels the call or its connection breaks.
        """
        gone = asyncio.ensure_future(self.gone.wait()) if self.gone is not None else None
        waiting = [job.task] if gone is None else [job.task, gone]
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            while (left := deadline - asyncio.get_running_loop().time()) > 0:
                await asyncio.wait(waiting, timeout=min(left, PROGRESS_SECONDS), return_when=asyncio.FIRST_COMPLETED)
                if job.task.done():
                    return True
                if gone is not None and gone.done():
                    job.cancel()
                await self.progress(job.seconds, job.limit_seconds, job.message)
        except asyncio.CancelledError:
            job.cancel()
            raise
        finally:
            if gone is not None:
                gone.cancel()
        return job.task.done()
