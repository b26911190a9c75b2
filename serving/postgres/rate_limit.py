"""The rate limit of all servers together.

Each request of a key is a row, for a minute and for as long as its answer is in progress. The database's clock counts,
so the clocks of the servers may differ.
"""

import asyncio
import contextlib
import secrets
from functools import partial
from typing import Any

from psycopg import AsyncConnection

from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Caller
from storm_calm.serving.api.rate_limit import Limits, Running, Slot, too_many_requests, too_many_running
from storm_calm.serving.postgres.database import Database
from storm_calm.serving.postgres.server_record import ALIVE, ServerRecord

LOCK_CLASS = 1
"""The first number of the advisory locks of callers."""

COUNT = f"""
WITH old AS (
    DELETE FROM storm.requests
    WHERE caller = %(caller)s AND NOT running AND at <= clock_timestamp() - interval '1 minute'
), recent AS (
    SELECT count(*) AS count, extract(epoch FROM min(at) + interval '1 minute' - clock_timestamp())::float8 AS wait
    FROM storm.requests
    WHERE caller = %(caller)s AND at > clock_timestamp() - interval '1 minute' AND id <> %(id)s
), progress AS (
    SELECT count(*) AS count FROM storm.requests JOIN storm.servers ON servers.id = requests.server
    WHERE caller = %(caller)s AND running AND {ALIVE} AND requests.id <> %(id)s
), admitted AS (
    INSERT INTO storm.requests (id, caller, server, at, running)
    SELECT %(id)s, %(caller)s, %(server)s, clock_timestamp(), true FROM recent, progress
    WHERE recent.count < %(rate)s AND progress.count < %(most)s
    ON CONFLICT DO NOTHING
)
SELECT recent.count, recent.wait, progress.count FROM recent, progress
"""


class PostgresRateLimit:
    """Limits on concurrent answers and on requests per minute, for all servers with one database."""

    def __init__(self, database: Database, limits: Limits, server: ServerRecord) -> None:
        self._database, self._limits, self._server = database, limits, server
        self._running = Running(limits.running)
        self._open: set[str] = set()
        self._freeing: set[asyncio.Task[None]] = set()

    async def admit(self, caller: Caller) -> Slot:
        # Protects this process, so it is not counted over all.
        self._running.take()
        id = secrets.token_hex(12)
        self._open.add(id)
        try:
            await self._count(caller, id)
        except BaseException:
            self._running.free()
            self._open.discard(id)
            raise
        return Slot(partial(self._on_release, id))

    async def settled(self) -> None:
        """Wait until all released answers are uncounted."""
        await asyncio.gather(*self._freeing, return_exceptions=True)

    async def repair(self) -> None:
        """Uncount answers of this server whose end could not be written when they ended."""
        open_now = list(self._open)

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute(
                "UPDATE storm.requests SET running = false WHERE server = %s AND running AND id <> ALL(%s)",
                (self._server.id, open_now),
            )

        await self._database.run(work)

    async def expire(self) -> None:
        """Delete old requests of callers that do not come back, and those of servers that are gone."""

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute(
                "DELETE FROM storm.requests WHERE at <= clock_timestamp() - interval '1 minute' AND NOT (running AND "
                f"EXISTS (SELECT FROM storm.servers WHERE servers.id = requests.server AND {ALIVE}))"
            )

        await self._database.run(work)

    async def _count(self, caller: Caller, id: str) -> None:
        limits = self._limits
        given = {
            "caller": caller.id,
            "id": id,
            "server": self._server.id,
            "rate": limits.key_per_minute,
            "most": limits.key_running,
        }

        async def work(connection: AsyncConnection[Any]) -> tuple[int, float | None, int]:
            # The lock is a statement of its own: the next one then sees all requests that were counted before.
            async with connection.pipeline():
                await connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK_CLASS, caller.id))
                cursor = await connection.execute(COUNT, given)
                row = await cursor.fetchone()
            assert row is not None
            return row[0], row[1], row[2]

        recent, wait, running = await self._database.run(work)
        if recent >= limits.key_per_minute:
            raise too_many_requests(limits, wait or 1)
        if running >= limits.key_running:
            raise too_many_running(running)

    async def _free(self, id: str) -> None:
        self._open.discard(id)

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute("UPDATE storm.requests SET running = false WHERE id = %s", (id,))

        with contextlib.suppress(ApiError):  # `repair` does it later.
            await self._database.run(work)

    def _on_release(self, id: str) -> asyncio.Task[None]:
        self._running.free()
        task = asyncio.create_task(self._free(id))
        self._freeing.add(task)
        task.add_done_callback(self._freeing.discard)
        return task
