"""What each client keeps on the server, and its end: when the client leaves, or is not heard of for a time.

A client is the process at the other end of standard input; over HTTP, a session of the protocol; and for versions of
the protocol without sessions, an API key, or an address without keys.
"""

import asyncio
import contextlib
import time
from collections.abc import Hashable, Iterator
from concurrent.futures import Executor

from storm_calm.sandbox import Limits, Sandbox
from storm_calm.serving.mcp.jobs import Jobs
from storm_calm.serving.mcp.notebooks import Notebooks
from storm_calm.serving.mcp.quota import Quota
from storm_calm.serving.mcp.runs import Runs
from storm_calm.serving.mcp.tool_errors import ToolError

TOTAL_BYTES = 1 << 30
"""Bytes that the runs of all clients may take."""
TIDY_SECONDS = 1.0
"""Seconds between two looks for clients that left."""


class Workspace:
    """The runs, jobs and sessions of one client."""

    def __init__(self, sandbox: Sandbox, limits: Limits, threads: Executor, *, quota: Quota, private: bool) -> None:
        """private: whether no other client has it, so that its resources may be listed."""
        self.runs = Runs(quota)
        self.jobs = Jobs(quota)
        self.notebooks = Notebooks(sandbox, limits, threads, quota)
        self.private = private
        self._used = time.monotonic()
        self._calls = 0

    @property
    def idle_seconds(self) -> float:
        """Seconds since the end of the last call; 0 during one."""
        return 0.0 if self._calls else time.monotonic() - self._used

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Count a call while it is in progress."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._used = time.monotonic()

    async def close(self) -> None:
        """Cancel the jobs, and end the processes of the sessions."""
        await self.jobs.cancel_all()
        closing = [asyncio.wrap_future(future) for future in self.notebooks.close()]
        if closing:
            await asyncio.wait(closing, timeout=10)


class Workspaces:
    """The workspaces of all clients."""

    def __init__(
        self,
        sandbox: Sandbox,
        limits: Limits,
        threads: Executor,
        *,
        most: int = 1,
        lost_seconds: float | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        """most: clients at a time. lost_seconds, idle_seconds: see `McpConfig`; None for no end."""
        self._parts = (sandbox, limits, threads)
        self._most, self._lost, self._idle = most, lost_seconds, idle_seconds
        self._workspaces: dict[Hashable, Workspace] = {}

    def __len__(self) -> int:
        return len(self._workspaces)

    def get(self, client: Hashable, *, quota: Quota, private: bool) -> Workspace:
        """Return the workspace of a client, a new one for a new client. Raises ToolError if there are too many."""
        found = self._workspaces.get(client)
        if found is None:
            if len(self._workspaces) >= self._most:
                raise ToolError("busy", f"as many clients use this server as may ({self._most}); repeat the call later")
            found = self._workspaces[client] = Workspace(*self._parts, quota=quota, private=private)
        return found

    async def close(self, client: Hashable) -> None:
        """Delete the workspace of a client that left."""
        workspace = self._workspaces.pop(client, None)
        if workspace is not None:
            await workspace.close()

    async def close_all(self) -> None:
        await asyncio.gather(*map(self.close, list(self._workspaces)))

    async def tidy(self) -> None:
        """Cancel the jobs of clients that are not heard of, delete idle workspaces, and drop runs above the limit."""
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            for client, workspace in list(self._workspaces.items()):
                if self._lost is not None and workspace.idle_seconds > self._lost:
                    await workspace.jobs.cancel_all()
                if self._idle is not None and workspace.idle_seconds > self._idle:
                    await self.close(client)
            self._trim()

    def _trim(self) -> None:
        """Drop the oldest runs of the largest workspaces until the limit on all is kept."""
        sizes = {client: workspace.runs.size for client, workspace in self._workspaces.items()}
        while sizes and sum(sizes.values()) > TOTAL_BYTES:
            largest = max(sizes, key=lambda client: sizes[client])
            if not self._workspaces[largest].runs.drop_oldest():
                return
            sizes[largest] = self._workspaces[largest].runs.size
