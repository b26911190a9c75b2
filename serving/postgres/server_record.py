"""The row of a server, by which the others know that it is alive."""

import secrets
from typing import Any

from psycopg import AsyncConnection

from storm_calm.serving.postgres.database import Database

BEAT_SECONDS = 1.0
"""Seconds between two signs of life."""
DEAD_SECONDS = 30
"""Seconds without a sign of life after which a server counts as dead."""
ALIVE = f"servers.seen > clock_timestamp() - interval '{DEAD_SECONDS} seconds'"
"""The condition for a row of `storm.servers`."""


class ServerRecord:
    """One server process. `id` is new with each start."""

    def __init__(self, database: Database) -> None:
        self.id = secrets.token_hex(8)
        self._database = database

    async def beat(self) -> None:
        """Give a sign of life."""

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute(
                "INSERT INTO storm.servers VALUES (%s, clock_timestamp()) "
                "ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
                (self.id,),
            )

        await self._database.run(work)

    async def leave(self) -> None:
        """Delete the row, and what counts for this server."""

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute("UPDATE storm.requests SET running = false WHERE server = %s", (self.id,))
            await connection.execute("DELETE FROM storm.servers WHERE id = %s", (self.id,))

        await self._database.run(work)

    async def expire(self) -> None:
        """Delete the rows of servers that have been dead for long."""

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute("DELETE FROM storm.servers WHERE seen < clock_timestamp() - interval '1 hour'")

        await self._database.run(work)
