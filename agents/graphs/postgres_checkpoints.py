"""Checkpoints of trajectories in PostgreSQL: for threads that live long, and continue in another process.

    url = read_database_url("postgresql://storm@db/storm", "STORM_DATABASE")
    with open_postgres_checkpoints(url) as checkpoints:
        graph = calm.build(supply, checkpointer=checkpoints)
        graph.invoke(question, config, context={"intervener": "person"})      # interrupts; days later, elsewhere:
        graph.invoke(Command(resume={"decision": "continue"}), config)
        checkpoints.delete_thread(thread)                                     # at the end

A thread has 10 to 20 checkpoints, so runs of many problems keep theirs in SQLite.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from storm_calm.agents.runs.database_url import DatabaseUrl

try:
    import psycopg
    from langgraph.checkpoint.postgres import PostgresSaver
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool, ConnectionPool
except ImportError as error:
    if not (error.name or "").startswith(("psycopg", "langgraph.checkpoint.postgres")):
        raise
    raise ValueError(f"checkpoints in a database need {error.name}; pip install 'storm-calm[postgres]'") from error

MOST_CONNECTIONS = 3
"""Connections of a process. Processes times connections must stay below the database's `max_connections`."""
LOCK = 7_305_812_050
"""The advisory lock of the setup."""
SETUP_SECONDS = 60.0
"""Seconds to wait for another process that sets up the tables."""
CONNECTION: dict[str, Any] = {
    "autocommit": True,
    # Prepared statements do not work behind PgBouncer.
    "prepare_threshold": None,
    "row_factory": dict_row,
    "connect_timeout": 5,
    "application_name": "storm checkpoints",
}


@contextmanager
def open_postgres_checkpoints(url: DatabaseUrl) -> Iterator[PostgresSaver]:
    """Open the checkpoints of a database, with tables made if they are missing. Thread-safe.

    Raises ValueError for a database that cannot be used.
    """
    _set_up(url)
    pool: ConnectionPool[Any] = ConnectionPool(
        url.secret,
        max_size=MOST_CONNECTIONS,
        min_size=1,
        check=ConnectionPool.check_connection,
        kwargs=CONNECTION,
        open=False,
    )
    with pool:
        yield PostgresSaver(pool, serde=_strict())


@asynccontextmanager
async def open_async_postgres_checkpoints(url: DatabaseUrl) -> AsyncIterator[AsyncPostgresSaver]:
    """Open the checkpoints for graphs that run in an event loop. Raises ValueError as above."""
    await asyncio.to_thread(_set_up, url)
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        url.secret,
        max_size=MOST_CONNECTIONS,
        min_size=1,
        check=AsyncConnectionPool.check_connection,
        kwargs=CONNECTION,
        open=False,
    )
    async with pool:
        yield AsyncPostgresSaver(pool, serde=_strict())


def _strict() -> JsonPlusSerializer:
    """Return a serializer that restores plain values and messages only, whatever is in the database."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


def _set_up(url: DatabaseUrl) -> None:
    """Make or update the tables of LangGraph, in one process at a time."""
    deadline = time.monotonic() + SETUP_SECONDS
    try:
        while not _set_up_alone(url):
            if time.monotonic() > deadline:
                raise ValueError(f"{url.shown}: another process has set up tables for {SETUP_SECONDS:g} s; retry")
            time.sleep(0.05)
    except psycopg.Error as error:
        raise ValueError(f"{url.shown} cannot be used: {url.masked(' '.join(str(error).split()))[:300]}") from None


def _set_up_alone(url: DatabaseUrl) -> bool:
    """Set up the tables, unless another process does so. Return whether they are set up."""
    # The lock has a transaction, and so a connection, of its own: behind PgBouncer others would take over a session.
    with psycopg.connect(url.secret, **CONNECTION) as lock, lock.transaction():
        # The setup builds indexes concurrently, for which it waits for all snapshots. So the lock is not in a statement
        # that waits, nor in one with parameters, whose snapshot would be kept until the next one.
        row = lock.execute(f"SELECT pg_try_advisory_xact_lock({LOCK}) AS locked").fetchone()
        if not (row and row["locked"]):
            return False
        with psycopg.connect(url.secret, **CONNECTION) as connection:
            PostgresSaver(connection).setup()
        return True
