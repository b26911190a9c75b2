"""All that a server keeps for its clients between requests, for a limited time, and what it counts for each key.

async with open_stored(limits) as stored:
    stored.uploads, stored.results, stored.responses, stored.rate_limit

One server alone keeps it in memory and in a folder. Servers that share a database keep it there.
"""

import asyncio
import contextlib
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from storm_calm.agents.runs.database_url import DatabaseUrl
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.rate_limit import Limits, MemoryRateLimit, RateLimit
from storm_calm.serving.api.stored_files import RESULTS, UPLOADS, DiskFiles, FileStore
from storm_calm.serving.api.stored_responses import MemoryResponses, ResponseStore

log = logging.getLogger("storm")

SWEEP_SECONDS = 60.0
"""Seconds between two searches for what has expired."""


async def _always() -> bool:
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """The stores of a server."""

    uploads: FileStore
    """Files that clients uploaded."""
    results: FileStore
    """Files of answers, by container."""
    responses: ResponseStore
    rate_limit: RateLimit
    shared: bool = False
    """Whether other servers have it, too."""
    ready: Callable[[], Awaitable[bool]] = _always
    """Returns whether the database answers."""

    async def expire(self) -> None:
        """Delete what is too old."""
        await self.uploads.expire()
        await self.results.expire()
        await self.responses.expire()


@contextlib.asynccontextmanager
async def open_stored(limits: Limits, database: DatabaseUrl | None = None) -> AsyncIterator[Stored]:
    """Open the stores. Those of one server alone are deleted at the end. Raises ValueError if the database fails."""
    async with _in_database(limits, database) if database else _alone(limits) as stored:
        sweep = asyncio.create_task(_sweep(stored))
        try:
            yield stored
        finally:
            sweep.cancel()


@contextlib.asynccontextmanager
async def _alone(limits: Limits) -> AsyncIterator[Stored]:
    # In threads: `langgraph dev` reports blocking calls in the event loop.
    folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="storm-files-")
    try:
        yield Stored(
            uploads=DiskFiles(UPLOADS, Path(folder)),
            results=DiskFiles(RESULTS, Path(folder)),
            responses=MemoryResponses(),
            rate_limit=MemoryRateLimit(limits),
        )
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _in_database(limits: Limits, url: DatabaseUrl) -> AsyncIterator[Stored]:
    from storm_calm.serving.postgres.shared_state import open_shared_state

    async with open_shared_state(url, limits) as state:
        yield Stored(
            uploads=state.uploads,
            results=state.results,
            responses=state.responses,
            rate_limit=state.rate_limit,
            shared=True,
            ready=state.database.ready,
        )


async def _sweep(stored: Stored) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        with contextlib.suppress(ApiError):  # The database is restarting; the reason is in the log.
            await stored.expire()
