"""Checkpoints of `langgraph dev` in PostgreSQL, for threads that outlive its folder. In `langgraph.json`:

"checkpointer": {"path": "./serving/studio_checkpoints.py:checkpoints"}

The database is that of STORM_DATABASE. Without this setting Studio keeps its threads in its own folder.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from storm_calm.agents.graphs.postgres_checkpoints import open_async_postgres_checkpoints
from storm_calm.agents.runs.database_url import ENVIRONMENT, EXAMPLE, database_url_of


@asynccontextmanager
async def checkpoints() -> AsyncIterator[Any]:
    """Open the checkpoints. Raises ValueError without a database."""
    url = database_url_of(None)
    if url is None:
        raise ValueError(f"{ENVIRONMENT} is not set; give the database of Studio's threads, such as {EXAMPLE}")
    async with open_async_postgres_checkpoints(url) as saver:
        yield saver
