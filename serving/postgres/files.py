"""Files of clients in PostgreSQL, so that every server has them."""

import builtins
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from storm_calm.serving.api.auth import Caller
from storm_calm.serving.api.stored_files import (
    StoredFile,
    StoreLimits,
    check_file_size,
    new_file,
    no_file,
    storage_full,
)
from storm_calm.serving.postgres.database import Database

LOCK_CLASS = 2
"""The first number of the advisory locks of callers."""
FIELDS = (
    "id, name, bytes, extract(epoch FROM created)::float8 AS created, extract(epoch FROM expires)::float8 AS expires, "
    "purpose, container AS group"
)
"""A `StoredFile`."""
OF_CALLER = "caller = %(caller)s AND prefix = %(prefix)s AND expires > clock_timestamp()"
ONE = f"{OF_CALLER} AND container = %(group)s AND id = %(id)s"
SIZES = f"SELECT id, bytes FROM storm.files WHERE {OF_CALLER} ORDER BY created, id"
ADD = """
INSERT INTO storm.files (id, caller, prefix, name, bytes, created, expires, purpose, container, content)
VALUES (%(id)s, %(caller)s, %(prefix)s, %(name)s, %(bytes)s, clock_timestamp(),
    clock_timestamp() + make_interval(secs => %(seconds)s), %(purpose)s, %(group)s, %(content)s)
ON CONFLICT DO NOTHING
"""


class PostgresFiles:
    """The files of all servers with one database."""

    def __init__(self, limits: StoreLimits, database: Database) -> None:
        self.limits, self._database = limits, database

    async def add(
        self,
        caller: Caller,
        name: str,
        content: bytes,
        *,
        purpose: str = "",
        group: str = "",
        seconds: float | None = None,
    ) -> StoredFile:
        file = new_file(self.limits, name, len(content), now=0, purpose=purpose, group=group, seconds=seconds)
        check_file_size(self.limits, file)
        given = self._given(caller, file.id, group)
        added = {**given, "name": name, "bytes": file.bytes, "seconds": file.expires, "purpose": purpose}

        async def work(connection: AsyncConnection[Any]) -> StoredFile:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK_CLASS, f"{self.limits.prefix}{caller.id}")
            )
            await self._make_room(connection, file, given)
            await connection.execute(ADD, {**added, "content": content})
            return await _one(connection, given)

        return await self._database.run(work)

    async def list(self, caller: Caller, group: str = "") -> list[StoredFile]:
        async def work(connection: AsyncConnection[Any]) -> builtins.list[StoredFile]:
            cursor = connection.cursor(row_factory=class_row(StoredFile))
            await cursor.execute(
                f"SELECT {FIELDS} FROM storm.files WHERE {OF_CALLER} AND container = %(group)s "
                "ORDER BY storm.files.created, id",
                self._given(caller, "", group),
            )
            return await cursor.fetchall()

        return await self._database.run(work)

    async def get(self, caller: Caller, id: str, group: str = "", *, param: str | None = None) -> StoredFile:
        return await self._database.run(lambda connection: _one(connection, self._given(caller, id, group), param))

    async def read(self, caller: Caller, id: str, group: str = "", *, param: str | None = None) -> bytes:
        async def work(connection: AsyncConnection[Any]) -> bytes:
            cursor = await connection.execute(
                f"SELECT content FROM storm.files WHERE {ONE}", self._given(caller, id, group), binary=True
            )
            row = await cursor.fetchone()
            if row is None:
                raise no_file(id, param)
            return bytes(row[0])

        return await self._database.run(work)

    async def delete(self, caller: Caller, id: str, group: str = "") -> None:
        given = self._given(caller, id, group)

        async def work(connection: AsyncConnection[Any]) -> None:
            await _one(connection, given)
            await connection.execute(f"DELETE FROM storm.files WHERE {ONE}", given)

        await self._database.run(work)

    async def expire(self) -> None:
        async def work(connection: AsyncConnection[Any]) -> None:
            await connection.execute("DELETE FROM storm.files WHERE expires <= clock_timestamp()")

        await self._database.run(work)

    def _given(self, caller: Caller, id: str, group: str) -> dict[str, Any]:
        # PostgreSQL has no NUL in texts, so no file has such an ID.
        texts = {"id": id, "group": group}
        return {"caller": caller.id, "prefix": self.limits.prefix} | {
            name: text.replace("\0", "?") for name, text in texts.items()
        }

    async def _make_room(self, connection: AsyncConnection[Any], file: StoredFile, given: dict[str, Any]) -> None:
        cursor = await connection.execute(SIZES, given)
        kept = [(id, size) for id, size in await cursor.fetchall() if id != file.id]
        count, total = len(kept), sum(size for _, size in kept)
        old = []
        for id, size in kept:  # The oldest first.
            if count < self.limits.count and total + file.bytes <= self.limits.total_bytes:
                break
            if not self.limits.evict:
                raise storage_full(self.limits)
            old.append(id)
            count, total = count - 1, total - size
        await connection.execute("DELETE FROM storm.files WHERE id = ANY(%s)", (old,))


async def _one(connection: AsyncConnection[Any], given: dict[str, Any], param: str | None = None) -> StoredFile:
    cursor = connection.cursor(row_factory=class_row(StoredFile))
    await cursor.execute(f"SELECT {FIELDS} FROM storm.files WHERE {ONE}", given)
    file = await cursor.fetchone()
    if file is None:
        raise no_file(given["id"], param)
    return file
