"""The index of a record store: an SQLite table with the place of each record and the columns of its kind."""

import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from storm_calm.agents.runs.record_files import Place
from storm_calm.agents.runs.record_kind import RecordKind, SqlValue

FILE = "index.sqlite"
"""The index of a folder of parts. It is derived from them, and written anew if it is missing or does not fit."""
TIMEOUT = 60.0
"""Seconds to wait for another process that changes an index."""
SEVERAL = 250
"""Rows that one query reads."""
GONE = -1
"""Stands for the indexed bytes of a part that is being deleted."""

Sizes = Callable[[], Mapping[int, int]]
"""Returns the bytes of each part, as they are now."""


class RecordIndex:
    """An index. One row is one record; a record that is stored again replaces it."""

    def __init__(self, connection: sqlite3.Connection, kind: RecordKind) -> None:
        self._connection, self._kind = connection, kind
        columns = ", ".join(f'"{name}" {type}' for name, type in kind.columns.items())
        self._schema = (
            "CREATE TABLE records (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, "
            f"part INTEGER NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL, {columns})"
        )
        names = ["key", "position", "part", "start", "size", *(f'"{name}"' for name in kind.columns)]
        changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in ("key", "position"))
        self._put = (
            f"INSERT INTO records ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT (key) DO UPDATE SET {changed}"
        )
        self._next: int | None = None

    @classmethod
    def temporary(cls, kind: RecordKind, *, large: bool) -> "RecordIndex":
        """Return an empty index of this process, in memory, or for a large one in a temporary file."""
        index = cls(sqlite3.connect("" if large else ":memory:", check_same_thread=False), kind)
        index.create()
        return index

    @classmethod
    def to_write(cls, file: Path, kind: RecordKind, sizes: Sizes) -> "RecordIndex":
        """Open the index of parts with these sizes, or make a new one if it does not fit them."""
        index = cls(_connect(file, "rwc"), kind)
        if not index.fits(sizes):
            index.close()
            for suffix in ("", "-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)
            index = cls(_connect(file, "rwc"), kind)
            index.create()
        # With a write-ahead log readers do not stop the writer, and a commit needs no sync of its own: the index is
        # completed from the parts after a power failure.
        index._connection.execute("PRAGMA journal_mode = WAL")
        index._connection.execute("PRAGMA synchronous = NORMAL")
        return index

    @classmethod
    def to_read(cls, file: Path, kind: RecordKind, sizes: Sizes) -> "RecordIndex | None":
        """Open the index of parts with these sizes, or return None if there is none that fits them."""
        try:
            index = cls(_connect(file, "ro"), kind)
        except sqlite3.Error:
            return None
        if index.fits(sizes):
            return index
        index.close()
        return None

    def create(self) -> None:
        """Make the empty tables."""
        with self._connection as connection:
            connection.execute(self._schema)
            connection.execute("CREATE INDEX by_position ON records (position)")
            if self._kind.listed:
                listed = ", ".join(f'"{name}"' for name in self._kind.listed)
                connection.execute(f"CREATE INDEX listed ON records ({listed}, position)")
            connection.execute("CREATE TABLE parts (part INTEGER PRIMARY KEY, indexed INTEGER, records INTEGER)")

    def fits(self, sizes: Sizes) -> bool:
        """Return whether this is an index of this kind whose parts exist and have not become shorter."""
        try:
            found = self._connection.execute("SELECT sql FROM sqlite_master WHERE name = 'records'").fetchone()
            if found is None or found[0] != self._schema:
                return False
            parts = self.parts()
        except sqlite3.DatabaseError:
            return False
        now = sizes()  # After the index, which another process may be completing.
        return all(now.get(part, GONE) >= indexed for part, (indexed, _) in parts.items())

    def complete(self, sizes: Sizes) -> bool:
        """Return whether all bytes of the parts are indexed."""
        parts = self.parts()
        return all(parts.get(part, (0, 0))[0] in (size, GONE) for part, size in sizes().items())

    def parts(self) -> dict[int, tuple[int, int]]:
        """Return for each part the bytes that are indexed, and the lines in them."""
        found = self._connection.execute("SELECT part, indexed, records FROM parts ORDER BY part")
        return {part: (indexed, records) for part, indexed, records in found}

    def put(self, key: str, place: Place, values: Mapping[str, SqlValue]) -> None:
        """Add a record, or replace the one of this key at its position. `commit` makes it visible to readers."""
        if self._next is None:
            self._next = self._connection.execute("SELECT coalesce(max(position) + 1, 0) FROM records").fetchone()[0]
        row = [_stored(key), self._next, *place, *(_stored(values[name]) for name in self._kind.columns)]
        self._connection.execute(self._put, row)
        self._next += 1
        self._connection.execute(
            "INSERT INTO parts VALUES (?, ?, 1) ON CONFLICT (part) DO UPDATE SET indexed = excluded.indexed, "
            "records = records + 1",
            (place.part, place.end),
        )

    def move(self, moved: Iterable[tuple[int, Place]]) -> None:
        """Set the places of records, given by their numbers, in a new part."""
        pairs = list(moved)
        self._connection.executemany(
            "UPDATE records SET part = ?, start = ?, size = ? WHERE number = ?",
            [(*place, number) for number, place in pairs],
        )
        last = pairs[-1][1]
        self._connection.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (last.part, last.end, len(pairs)))

    def retire_part(self, part: int) -> None:
        """Note that a part, which has no records any more, is about to be deleted."""
        self._connection.execute("UPDATE parts SET indexed = ? WHERE part = ?", (GONE, part))

    def drop_part(self, part: int) -> None:
        """Forget a part that was deleted."""
        self._connection.execute("DELETE FROM parts WHERE part = ?", (part,))

    def set_order(self, keys: Iterable[str]) -> None:
        """Set the positions to the order of these keys, and forget records of other keys."""
        connection = self._connection
        with connection:
            connection.execute("CREATE TEMP TABLE wanted (key TEXT PRIMARY KEY, position INTEGER) WITHOUT ROWID")
            try:
                pairs = ((key, position) for position, key in enumerate(keys))
                connection.executemany("INSERT INTO wanted VALUES (?, ?)", pairs)
                connection.execute(
                    "UPDATE records SET position = wanted.position FROM wanted "
                    "WHERE wanted.key = records.key AND wanted.position != records.position"
                )
                connection.execute("DELETE FROM records WHERE key NOT IN (SELECT key FROM wanted)")
            finally:
                connection.execute("DROP TABLE wanted")
        self._next = None

    def select(self, columns: str, rest: str = "", parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Return the rows of a query, such as ("key, size", "WHERE failed ORDER BY position")."""
        return self._connection.execute(f"SELECT {columns} FROM records {rest}", parameters)

    def numbers(self, rest: str, parameters: Sequence[Any]) -> "array[int]":
        """Return the numbers of records, 8 bytes each."""
        return array("q", (number for (number,) in self.select("number", rest, parameters)))

    def places(self, numbers: "array[int]") -> Iterator[tuple[int, Place]]:
        """Yield the number and the place of each of these records, read a few at a time."""
        for first in range(0, len(numbers), SEVERAL):
            some = numbers[first : first + SEVERAL]
            found = {
                number: Place(*place)
                for number, *place in self.select(
                    "number, part, start, size", f"WHERE number IN ({', '.join('?' * len(some))})", some
                )
            }
            # A record that was forgotten in the meantime is left out.
            yield from ((number, found[number]) for number in some if number in found)

    def place(self, number: int) -> Place | None:
        """Return the place of a record as it is now."""
        found = next(self.select("part, start, size", "WHERE number = ?", (number,)), None)
        return None if found is None else Place(*found)

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        """Close the index. It then is one file, which can also be read without permission to write."""
        try:
            self._connection.execute("PRAGMA busy_timeout = 0")
            if self._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                self._connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error:
            pass  # A reader has it open, or it is opened to be read.
        self._connection.close()


def _stored(value: SqlValue) -> SqlValue:
    # SQLite has no half surrogate pairs, which JSON can contain.
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=TIMEOUT, check_same_thread=False)
