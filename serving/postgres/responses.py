"""Responses and conversations in PostgreSQL, so that every server can continue them.

A finished response is stored before its client sees the end. An answer in the background is written by one server, its
row has the server's ID. Other servers read its events from the database; to cancel or delete it they change its row, at
which its server stops writing.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.rows import class_row

from storm_calm.serving.api import stored_responses
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Caller
from storm_calm.serving.api.stored_responses import (
    BackgroundAnswer,
    Conversation,
    no_answer,
    no_events,
    no_previous_response,
    no_response,
    not_in_background,
    too_long_event,
)
from storm_calm.serving.postgres.conversation_bytes import pack, unpack
from storm_calm.serving.postgres.database import Database
from storm_calm.serving.postgres.server_record import ALIVE, ServerRecord

POLL_SECONDS = 0.2
"""Seconds between two looks at an answer that another server writes, and between two writes of events."""
OF_CALLER = "id = %(id)s AND caller = %(caller)s AND expires > clock_timestamp()"
EVICT = """
DELETE FROM storm.responses WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER kept AS count, sum(size) OVER kept AS total
        FROM storm.responses WHERE caller = %(caller)s AND body IS NOT NULL
        WINDOW kept AS (ORDER BY expires DESC, id)
    ) AS ranked WHERE count > %(most)s OR total > %(most_bytes)s
)
"""
LOST = {"code": "server_error", "message": "the server that wrote this answer has stopped; send the request again"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ResponseRow:
    """A response without its conversation."""

    begun: bytes
    body: bytes | None
    server: str | None
    keep_events: bool
    events: int


class PostgresResponses:
    """The responses of all servers with one database."""

    def __init__(self, database: Database, server: ServerRecord) -> None:
        self._database, self._server = database, server
        self._written: dict[str, BackgroundAnswer] = {}
        """The answers in the background that this server writes."""
        self._stored_events: dict[str, int] = {}

    async def start(self, caller: Caller, id: str, background: BackgroundAnswer) -> None:
        given = {
            "id": id,
            "caller": caller.id,
            "begun": background.snapshot(),
            "server": self._server.id,
            "keep": background.keep_events,
        }

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute(
                "INSERT INTO storm.responses (id, caller, begun, server, keep_events) "
                "VALUES (%(id)s, %(caller)s, %(begun)s, %(server)s, %(keep)s) ON CONFLICT DO NOTHING",
                given,
            )

        await self._database.run(work)
        self._written[id], self._stored_events[id] = background, 0

    async def add(self, caller: Caller, id: str, body: bytes, conversation: Conversation | None) -> None:
        given = {"id": id, "caller": caller.id, **_finished(body, conversation)}

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute(
                "INSERT INTO storm.responses (id, caller, begun, body, conversation, size, expires) VALUES (%(id)s, "
                "%(caller)s, '', %(body)s, %(conversation)s, %(size)s, clock_timestamp() + %(lifetime)s::interval) "
                "ON CONFLICT DO NOTHING",
                given,
            )
            await connection.execute(EVICT, given)

        await self._database.run(work)

    async def end(self, caller: Caller, id: str, body: bytes, conversation: Conversation | None) -> None:
        background = self._written.get(id)
        given = {"id": id, "caller": caller.id, **_finished(body, conversation)}

        async def work(connection: AsyncConnection[Any]) -> None:
            events = await self._write_events(connection, id, background) if background else 0
            await connection.execute(
                "UPDATE storm.responses SET body = %(body)s, conversation = %(conversation)s, events = %(events)s, "
                "size = %(size)s + coalesce((SELECT sum(length(event)) FROM storm.events WHERE response = %(id)s), 0), "
                "expires = clock_timestamp() + %(lifetime)s::interval WHERE id = %(id)s AND body IS NULL",
                {**given, "events": events},
            )
            await connection.execute(EVICT, given)

        await self._database.run(work)
        self._forget(id)

    async def fetch(self, caller: Caller, id: str) -> bytes:
        row = await self._row(caller, id)
        return row.body or row.begun

    async def follow(self, caller: Caller, id: str, number: int) -> AsyncIterator[bytes]:
        row = await self._row(caller, id)
        if not row.keep_events:
            raise no_events()
        background = self._written.get(id)
        return background.follow(number) if background else self._follow(caller, id, number)

    async def conversation(self, caller: Caller, id: str) -> Conversation:
        async def work(connection: AsyncConnection[Any]) -> Any:
            cursor = await connection.execute(
                f"SELECT conversation FROM storm.responses WHERE {OF_CALLER}", _key(caller, id), binary=True
            )
            return await cursor.fetchone()

        row = await self._database.run(work)
        if row is None:
            raise no_previous_response(no_response(id).message)
        if row[0] is None:
            raise no_answer(id)
        return unpack(row[0])

    async def cancel(self, caller: Caller, id: str) -> bytes:
        row = await self._row(caller, id)
        if row.server is None:
            raise not_in_background()
        if row.body is None:
            await self._stop(caller, id, row)
        return await self.fetch(caller, id)

    async def delete(self, caller: Caller, id: str) -> None:
        await self._row(caller, id)

        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute(f"DELETE FROM storm.responses WHERE {OF_CALLER}", _key(caller, id))

        await self._database.run(work)
        self._stop_writing(id)

    async def expire(self) -> None:
        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute("DELETE FROM storm.responses WHERE expires <= clock_timestamp()")

        await self._database.run(work)

    async def end_lost(self) -> None:
        """Finish the answers in the background of servers that are dead, as failed ones."""

        async def work(connection: AsyncConnection[Any]) -> None:
            cursor = await connection.execute(
                "SELECT id, begun FROM storm.responses WHERE body IS NULL AND NOT EXISTS "
                f"(SELECT FROM storm.servers WHERE servers.id = responses.server AND {ALIVE}) FOR UPDATE SKIP LOCKED"
            )
            for id, begun in await cursor.fetchall():
                failed = orjson.dumps({**orjson.loads(begun), "status": "failed", "error": LOST})
                await connection.execute(
                    "UPDATE storm.responses SET body = %(body)s, size = %(size)s, "
                    "expires = clock_timestamp() + %(lifetime)s::interval, "
                    "events = (SELECT count(*) FROM storm.events WHERE response = %(id)s) WHERE id = %(id)s",
                    {"id": id, **_finished(failed, None)},
                )

        await self._database.run(work)

    async def write_events(self) -> None:
        """Write the new events of all answers that this server writes."""
        changed = [
            (id, background)
            for id, background in self._written.items()
            if background.keep_events and background.logged(self._stored_events[id])
        ]
        for id, background in changed:

            async def work(
                connection: AsyncConnection[Any], id: str = id, background: BackgroundAnswer = background
            ) -> int:
                return await self._write_events(connection, id, background)

            stored = await self._database.run(work)
            if id in self._stored_events:
                self._stored_events[id] = stored

    async def stop_ended(self) -> None:
        """Stop writing the answers that were cancelled or deleted at another server."""
        ids = list(self._written)
        if not ids:
            return

        async def work(connection: AsyncConnection[Any]) -> set[str]:
            cursor = await connection.execute(
                "SELECT id FROM storm.responses WHERE id = ANY(%s) AND body IS NULL", (ids,)
            )
            return {id for (id,) in await cursor.fetchall()}

        for id in set(ids) - await self._database.run(work):
            self._stop_writing(id)

    async def _row(self, caller: Caller, id: str) -> ResponseRow:
        async def work(connection: AsyncConnection[Any]) -> ResponseRow | None:
            cursor = connection.cursor(row_factory=class_row(ResponseRow))
            await cursor.execute(
                f"SELECT begun, body, server, keep_events, events FROM storm.responses WHERE {OF_CALLER}",
                _key(caller, id),
                binary=True,
            )
            return await cursor.fetchone()

        row = await self._database.run(work)
        if row is None:
            raise no_response(id)
        return row

    async def _follow(self, caller: Caller, id: str, number: int) -> AsyncIterator[bytes]:
        """Yield the events of an answer that another server writes or has written."""

        async def work(connection: AsyncConnection[Any]) -> list[bytes]:
            cursor = await connection.execute(
                "SELECT event FROM storm.events WHERE response = %s AND number >= %s ORDER BY number",
                (id, number),
                binary=True,
            )
            return [bytes(event) for (event,) in await cursor.fetchall()]

        while True:
            try:
                # The row first: after its end no more events are added.
                row = await self._row(caller, id)
                events = await self._database.run(work)
            except ApiError as error:
                yield _error_event(error, number)
                return
            if row.events < 0:
                yield too_long_event(number)
                return
            for event in events:
                yield event
            number += len(events)
            if row.body is not None:
                if number == row.events:
                    yield _last_event(row.body, number)
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _write_events(self, connection: AsyncConnection[Any], id: str, background: BackgroundAnswer) -> int:
        """Write new events. Return the number of all that are stored, or -1 if there are too many."""
        if background.too_long:
            await connection.execute("DELETE FROM storm.events WHERE response = %s", (id,))
            await connection.execute("UPDATE storm.responses SET events = -1 WHERE id = %s", (id,))
            return -1
        if not background.keep_events:
            return 0
        first = self._stored_events.get(id, 0)
        events = background.logged(first)
        # Only while the row exists: the response may have been deleted, and takes its events along.
        cursor = await connection.execute("SELECT FROM storm.responses WHERE id = %s FOR SHARE", (id,))
        if events and await cursor.fetchone() is not None:
            await connection.cursor().executemany(
                "INSERT INTO storm.events VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [(id, number, event) for number, event in enumerate(events, first)],
            )
        return first + len(events)

    async def _stop(self, caller: Caller, id: str, row: ResponseRow) -> None:
        background = self._written.get(id)
        cancelled = orjson.dumps({**orjson.loads(row.begun), "status": "cancelled"})
        await self.end(caller, id, background.cancelled() if background else cancelled, None)
        if background is not None:
            background.stop()

    def _stop_writing(self, id: str) -> None:
        background = self._written.get(id)
        self._forget(id)
        if background is not None:
            background.stop()

    def _forget(self, id: str) -> None:
        self._written.pop(id, None)
        self._stored_events.pop(id, None)


def _key(caller: Caller, id: str) -> dict[str, Any]:
    # PostgreSQL has no NUL in texts, so no response has such an ID.
    return {"caller": caller.id, "id": id.replace("\0", "?")}


def _finished(body: bytes, conversation: Conversation | None) -> dict[str, Any]:
    packed = None if conversation is None else pack(conversation)
    return {
        "body": body,
        "conversation": packed,
        "size": len(body) + len(packed or b""),
        "lifetime": f"{stored_responses.SECONDS} seconds",
        "most": stored_responses.COUNT,
        "most_bytes": stored_responses.TOTAL_BYTES,
    }


def _last_event(body: bytes, number: int) -> bytes:
    """Return the event that ends a stream; its server may have stopped before it could store it."""
    response = orjson.loads(body)
    if response["status"] == "cancelled":
        return b""
    kind = f"response.{response['status']}"
    event = {"type": kind, "response": response, "sequence_number": number}
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"


def _error_event(error: ApiError, number: int) -> bytes:
    event = {
        "type": "error",
        "code": error.code,
        "message": error.message,
        "param": None,
        "sequence_number": number,
    }
    return b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"
