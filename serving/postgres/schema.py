"""The tables, and how a database gets them.

Servers of two versions run at the same time during a rolling restart. So a migration may add tables, and columns with a
default, but must not change or remove what an older server uses.
"""

from typing import Any

from psycopg import AsyncConnection

LOCK = 7_305_812_049
"""The advisory lock of migrations. Servers that start at the same time take it one after another."""

MIGRATIONS = (
    """
    CREATE TABLE storm.servers (
        id text PRIMARY KEY,
        seen timestamptz NOT NULL
    );
    CREATE TABLE storm.responses (
        id text PRIMARY KEY,
        caller text NOT NULL,
        begun bytea NOT NULL,           -- the response as it was at its start, as JSON
        body bytea,                     -- the finished response, as JSON
        conversation bytea,             -- what a further request continues
        size bigint NOT NULL DEFAULT 0, -- bytes that count for the key
        server text,                    -- the server that writes an answer in the background
        keep_events boolean NOT NULL DEFAULT false,
        events integer NOT NULL DEFAULT 0, -- stored events; -1 if there were too many
        expires timestamptz NOT NULL DEFAULT 'infinity'
    );
    CREATE INDEX ON storm.responses (caller);
    CREATE INDEX ON storm.responses (expires);
    CREATE TABLE storm.events (
        response text NOT NULL REFERENCES storm.responses ON DELETE CASCADE,
        number integer NOT NULL,
        event bytea NOT NULL,
        PRIMARY KEY (response, number)
    );
    CREATE TABLE storm.files (
        id text PRIMARY KEY,
        caller text NOT NULL,
        prefix text NOT NULL,           -- uploads or files of answers
        name text NOT NULL,
        bytes bigint NOT NULL,
        created timestamptz NOT NULL,
        expires timestamptz NOT NULL,
        purpose text NOT NULL,
        container text NOT NULL,
        content bytea NOT NULL
    );
    CREATE INDEX ON storm.files (caller, prefix);
    CREATE INDEX ON storm.files (expires);
    -- Not in the write-ahead log: a crash of the database may forget the requests of the last minute.
    CREATE UNLOGGED TABLE storm.requests (
        id text PRIMARY KEY,
        caller text NOT NULL,
        server text NOT NULL,
        at timestamptz NOT NULL,
        running boolean NOT NULL
    );
    CREATE INDEX ON storm.requests (caller, at);
    CREATE INDEX ON storm.requests (server) WHERE running;
    """,
)


async def migrate(connection: AsyncConnection[Any]) -> None:
    """Create the tables, or bring those of an earlier version up to date."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    await connection.execute("CREATE SCHEMA IF NOT EXISTS storm")
    await connection.execute("CREATE TABLE IF NOT EXISTS storm.migrations (number integer PRIMARY KEY)")
    cursor = await connection.execute("SELECT coalesce(max(number), 0) FROM storm.migrations")
    row = await cursor.fetchone()
    assert row is not None
    for number, statements in enumerate(MIGRATIONS[row[0] :], row[0] + 1):
        await connection.execute(statements)
        await connection.execute("INSERT INTO storm.migrations VALUES (%s)", (number,))
