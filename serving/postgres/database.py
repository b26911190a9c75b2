"""A small pool of connections to PostgreSQL, which survives a restart of the database.

async with open_database(url) as database:
    rows = await database.run(lambda connection: fetch(connection))
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar

from storm_calm.agents.runs.database_url import DatabaseUrl
from storm_calm.serving.api.api_errors import ApiError

try:
    import psycopg
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool, PoolTimeout
except ImportError as error:
    if (error.name or "").split(".")[0] not in ("psycopg", "psycopg_pool"):
        raise
    raise ValueError(f"--database needs {error.name}; pip install 'storm-calm[postgres]'") from error

log = logging.getLogger("storm")
T = TypeVar("T")

MOST_CONNECTIONS = 3
"""Connections of a server. Statements take about a millisecond, and all servers share the database's connections."""
ATTEMPTS = 3
"""Attempts of a transaction whose connection breaks."""
WAIT_SECONDS = 5.0
"""Seconds that a request waits for a connection, for example while the database restarts."""
WORK_SECONDS = 30.0
"""Seconds that a request waits for its transaction."""
CONNECT_SECONDS = 5
"""Seconds until an attempt to connect has failed."""
READY_SECONDS = 2.0
"""Seconds in which a ready database answers."""
UNREACHABLE = "the database of this server does not answer; retry"


class Database:
    """Runs transactions. Statements must be repeatable: a connection may break after its commit."""

    def __init__(self, url: DatabaseUrl, pool: "AsyncConnectionPool[Any]") -> None:
        self.url, self._pool = url, pool
        self._failing_since: float | None = None

    async def run(self, work: Callable[["AsyncConnection[Any]"], Awaitable[T]]) -> T:
        """Return the result of `work` in a transaction. Raises ApiError with 503 if the database does not answer."""
        try:
            async with asyncio.timeout(WORK_SECONDS):
                found = await self._with_retries(work)
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TimeoutError) as error:
            self._failed(error)
            raise ApiError(503, UNREACHABLE, code="database_error", retry_after=5) from None
        if self._failing_since is not None:
            log.warning("the database answers again after %.0f seconds", monotonic() - self._failing_since)
            self._failing_since = None
        return found

    async def prepare(self, work: Callable[["AsyncConnection[Any]"], Awaitable[None]]) -> None:
        """Run the first transaction. Raises ValueError if the database rejects it."""
        try:
            async with self._pool.connection() as connection, connection.transaction():
                await work(connection)
        except (psycopg.Error, PoolTimeout) as error:
            raise ValueError(f"--database: {self.url.shown} cannot be used: {self._reason(error)}") from None

    async def ready(self) -> bool:
        """Return whether the database answers soon."""
        try:
            async with asyncio.timeout(READY_SECONDS), self._pool.connection() as connection:
                await connection.execute("SELECT 1")
        except (psycopg.Error, PoolTimeout, TimeoutError):
            return False
        return True

    async def _with_retries(self, work: Callable[["AsyncConnection[Any]"], Awaitable[T]]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._pool.connection() as connection, connection.transaction():
                    return await work(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                # A timeout of the pool is one of them, and has waited long enough.
                if attempt == ATTEMPTS or isinstance(error, PoolTimeout):
                    raise
        raise AssertionError

    def _failed(self, error: BaseException) -> None:
        # Once for each outage, and not for each request.
        if self._failing_since is None:
            self._failing_since = monotonic()
            log.warning("the database %s does not answer: %s", self.url.shown, self._reason(error))

    def _reason(self, error: BaseException) -> str:
        return self.url.masked(" ".join(str(error).split()))[:300] or "timeout"


@contextlib.asynccontextmanager
async def open_database(url: DatabaseUrl) -> AsyncIterator[Database]:
    """Connect. Raises ValueError with the reason if that fails."""
    # The pool's own messages would repeat for each attempt.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    await _try_once(url)
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        url.secret,
        min_size=1,
        max_size=MOST_CONNECTIONS,
        open=False,
        timeout=WAIT_SECONDS,
        # Its waits double with each attempt. A new request makes a new attempt.
        reconnect_timeout=2.0,
        check=AsyncConnectionPool.check_connection,
        # Prepared statements do not work behind PgBouncer.
        kwargs={"prepare_threshold": None, "connect_timeout": CONNECT_SECONDS, "application_name": "storm serve"},
    )
    await pool.open()
    try:
        yield Database(url, pool)
    finally:
        await pool.close()


async def _try_once(url: DatabaseUrl) -> None:
    """Connect and disconnect. The pool would only report that it timed out, not why."""
    try:
        connection = await AsyncConnection.connect(url.secret, connect_timeout=CONNECT_SECONDS)
        await connection.close()
    except psycopg.Error as error:
        reason = url.masked(" ".join(str(error).split()))
        raise ValueError(f"--database: {url.shown} cannot be used: {reason[:300]}") from None
