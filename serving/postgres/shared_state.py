"""All state that servers share, and the task that keeps it up to date.

async with open_shared_state(url, limits) as state:
    state.responses, state.uploads, state.results, state.rate_limit
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic

from storm_calm.agents.runs.database_url import DatabaseUrl
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.rate_limit import Limits
from storm_calm.serving.api.stored_files import RESULTS, UPLOADS
from storm_calm.serving.postgres.database import Database, open_database
from storm_calm.serving.postgres.files import PostgresFiles
from storm_calm.serving.postgres.rate_limit import PostgresRateLimit
from storm_calm.serving.postgres.responses import POLL_SECONDS, PostgresResponses
from storm_calm.serving.postgres.schema import migrate
from storm_calm.serving.postgres.server_record import BEAT_SECONDS, DEAD_SECONDS, ServerRecord

log = logging.getLogger("storm")


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedState:
    """The stores and limits of all servers with one database."""

    database: Database
    server: ServerRecord
    uploads: PostgresFiles
    results: PostgresFiles
    responses: PostgresResponses
    rate_limit: PostgresRateLimit


@contextlib.asynccontextmanager
async def open_shared_state(url: DatabaseUrl, limits: Limits) -> AsyncIterator[SharedState]:
    """Connect, and create the tables if they are missing. Raises ValueError for a database that cannot be used."""
    async with open_database(url) as database:
        await database.prepare(migrate)
        server = ServerRecord(database)
        await server.beat()
        state = SharedState(
            database=database,
            server=server,
            uploads=PostgresFiles(UPLOADS, database),
            results=PostgresFiles(RESULTS, database),
            responses=PostgresResponses(database, server),
            rate_limit=PostgresRateLimit(database, limits, server),
        )
        tasks = [asyncio.create_task(_beat(state)), asyncio.create_task(_write_events(state))]
        try:
            yield state
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await state.rate_limit.settled()
            with contextlib.suppress(ApiError):  # Without a database its row expires.
                await server.leave()


async def _beat(state: SharedState) -> None:
    """Show that this server is alive, and see what others changed for it."""
    alive_since = monotonic()
    cleaned = 0.0
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        try:
            await state.server.beat()
            await state.responses.stop_ended()
            await state.rate_limit.repair()
            # After an outage all servers look dead for a moment. Only one that has been alive for long may judge.
            if monotonic() - max(alive_since, cleaned) > DEAD_SECONDS:
                cleaned = monotonic()
                await state.responses.end_lost()
                await state.rate_limit.expire()
                await state.server.expire()
        except ApiError:
            alive_since = monotonic()
        except Exception:
            log.exception("cannot update the row of this server")


async def _write_events(state: SharedState) -> None:
    while True:
        await asyncio.sleep(POLL_SECONDS)
        with contextlib.suppress(ApiError):
            await state.responses.write_events()
