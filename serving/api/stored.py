"""All that a server keeps for its clients between requests, for a limited time.

async with open_stored() as stored:
    stored.uploads, stored.results, stored.responses
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from storm_calm.serving.api.stored_files import RESULTS, UPLOADS, FileStore
from storm_calm.serving.api.stored_responses import ResponseStore

SWEEP_SECONDS = 60.0
"""Seconds between two searches for what has expired."""


class Stored:
    """The stores of one server."""

    def __init__(self, folder: Path) -> None:
        """folder: only this user may enter it."""
        self.uploads = FileStore(UPLOADS, folder)
        """Files that clients uploaded."""
        self.results = FileStore(RESULTS, folder)
        """Files of answers, by container."""
        self.responses = ResponseStore()

    def expire(self) -> None:
        """Delete what is too old."""
        self.uploads.expire()
        self.results.expire()
        self.responses.expire()


@contextlib.asynccontextmanager
async def open_stored() -> AsyncIterator[Stored]:
    """Open the stores; delete all at the end."""
    # In threads: `langgraph dev` reports blocking calls in the event loop.
    folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="storm-files-")
    stored = Stored(Path(folder))
    sweep = asyncio.create_task(_sweep(stored))
    try:
        yield stored
    finally:
        sweep.cancel()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _sweep(stored: Stored) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        stored.expire()
