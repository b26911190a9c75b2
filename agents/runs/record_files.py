"""The two forms of stored records: a plain file of JSON lines, and compressed parts.

Both are read at any place with `pread`, so threads can share them. A line is on disk when `append` returns.
"""

import os
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from storm_calm.agents.runs.record_kind import part_files, part_number, part_path
from storm_calm.env.atomic_write import atomic_write, is_draft
from storm_calm.env.jsonl import raw_lines, repair

PART_RECORDS = 10_000
"""The most records of a part."""
CHUNK = 1 << 16
"""Bytes that are read at once."""
OPEN_PARTS = 64
"""The most parts that are open at once."""
GZIP = 16 + zlib.MAX_WBITS
"""The format of zlib that is a gzip member."""
MAGIC = b"\x1f\x8b\x08"
"""The first bytes of a member."""


class Place(NamedTuple):
    """Where a record is stored."""

    part: int
    """The number of the part; 0 in a plain file."""
    start: int
    """Offset of its first byte in the file."""
    size: int
    """Stored bytes."""

    @property
    def end(self) -> int:
        return self.start + self.size


class StoredLine(NamedTuple):
    """A record as it was found in a file."""

    place: Place
    path: Path
    number: int
    """The number of the line in the (uncompressed) file, from 1."""
    raw: bytes
    """The line."""


class RecordFiles(Protocol):
    """The files of a store."""

    def sizes(self) -> dict[int, int]:
        """Return the bytes of each part."""

    def append(self, line: bytes, *, sync: bool) -> Place:
        """Store a line at the end. sync: it is on disk when this returns; otherwise after `sync`."""

    def sync(self) -> None:
        """Wait until all lines are on disk."""

    def read(self, place: Place) -> bytes:
        """Return the line at a place. Raises FileNotFoundError if its part is gone, ValueError if it is damaged."""

    def scan(self, part: int, start: int, number: int) -> Iterator[StoredLine]:
        """Yield the lines of a part from byte `start`, where line `number` begins. A torn last one is left out."""

    def cut(self) -> None:
        """Remove a torn last line, which a crash may have left."""

    def close(self) -> None: ...


class PlainFile:
    """A file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def sizes(self) -> dict[int, int]:
        return {0: self.path.stat().st_size} if self.path.exists() else {}

    @property
    def replaced(self) -> bool:
        """Whether another file now has the name of the one that was read."""
        if self._file is None:
            return False
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return True
        read = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (read.st_dev, read.st_ino)

    def append(self, line: bytes, *, sync: bool) -> Place:
        return _append(self.path, 0, line, sync=sync)

    def sync(self) -> None:
        _sync(self.path)

    def read(self, place: Place) -> bytes:
        return os.pread(self._opened().fileno(), place.size, place.start)

    def scan(self, part: int, start: int, number: int) -> Iterator[StoredLine]:
        for line in raw_lines(self._opened(), start=start, number=number):
            yield StoredLine(Place(part, line.start, len(line.raw)), self.path, line.number, line.raw)

    def _opened(self) -> BinaryIO:
        # It stays open, so that lines are read from the file that was scanned, even if another one replaces it.
        if self._file is None:
            self._file = self.path.open("rb")
        return self._file

    def cut(self) -> None:
        repair(self.path)

    def rewrite(self, places: Iterable[Place]) -> Iterator[Place]:
        """Write the lines at these places in a new file, and yield the new place of each. It then replaces the old."""
        end = 0
        with atomic_write(self.path) as draft, draft.open("wb") as file:
            for place in places:
                line = self.read(place)
                file.write(line if line.endswith(b"\n") else line + b"\n")
                yield Place(0, end, file.tell() - end)
                end = file.tell()
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Parts:
    """A folder of parts, in each of which every line is one gzip member.

    Members may follow each other (RFC 1952), so all programs for gzip read a part. One line is read by offset alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[int, BinaryIO] = {}
        self._lock = threading.Lock()
        self._last: tuple[int, int] | None = None

    def sizes(self) -> dict[int, int]:
        return {part_number(file): file.stat().st_size for file in part_files(self.folder)}

    def begin_at(self, part: int, records: int) -> None:
        """Set the part to which lines are appended, and the number of its records."""
        self._last = part, records

    def append(self, line: bytes, *, sync: bool) -> Place:
        assert self._last is not None, "begin_at first"
        part, records = self._last
        if records >= PART_RECORDS:
            if not sync:
                self.sync()
            part, records = part + 1, 0
        place = _append(part_path(self.folder, part), part, _member(line), sync=sync)
        self._last = part, records + 1
        return place

    def sync(self) -> None:
        if self._last is not None:
            _sync(part_path(self.folder, self._last[0]))

    def read(self, place: Place) -> bytes:
        stored = self.read_stored(place)
        try:
            return zlib.decompress(stored, GZIP)
        except zlib.error as error:
            raise ValueError(
                f"{part_path(self.folder, place.part)}: no record at byte {place.start} ({error}); if the file was "
                f"copied or restored, delete {self.folder / 'index.sqlite'}, which is then written anew"
            ) from error

    def read_stored(self, place: Place) -> bytes:
        """Return the compressed line at a place."""
        with self._lock:
            file = self._open.pop(place.part, None)
            if file is None:
                while len(self._open) >= OPEN_PARTS:
                    self._open.pop(next(iter(self._open))).close()
                file = part_path(self.folder, place.part).open("rb")
            self._open[place.part] = file  # The last one is the most recently used.
            return os.pread(file.fileno(), place.size, place.start)

    def scan(self, part: int, start: int, number: int) -> Iterator[StoredLine]:
        path = part_path(self.folder, part)
        with path.open("rb") as file:
            for begin, end, raw in _members(path, file, start):
                yield StoredLine(Place(part, begin, end - begin), path, number, raw)
                number += 1

    def cut(self) -> None:
        for draft in self.folder.glob("*.part"):
            if is_draft(draft):
                draft.unlink()

    def cut_at(self, part: int, end: int) -> None:
        """Remove what follows the last whole line of a part."""
        with part_path(self.folder, part).open("rb+") as file:
            file.truncate(end)
            os.fsync(file.fileno())

    def write_part(self, part: int, places: Iterable[Place]) -> list[Place]:
        """Write a new part with the lines at these places. Return the new place of each."""
        moved: list[Place] = []
        end = 0
        with atomic_write(part_path(self.folder, part)) as draft, draft.open("wb") as file:
            for place in places:
                file.write(self.read_stored(place))
                moved.append(Place(part, end, place.size))
                end += place.size
        _sync(self.folder)
        return moved

    def delete(self, part: int) -> None:
        if (file := self._open.pop(part, None)) is not None:
            file.close()
        part_path(self.folder, part).unlink(missing_ok=True)

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()


def _append(path: Path, part: int, stored: bytes, *, sync: bool) -> Place:
    new = not path.exists()
    with path.open("ab") as file:
        start = file.seek(0, os.SEEK_END)
        try:
            file.write(stored)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        except OSError:
            # A full disk may have taken a piece of the line.
            os.ftruncate(file.fileno(), start)
            raise
    if new:
        _sync(path.parent)
    return Place(part, start, len(stored))


def _sync(path: Path) -> None:
    """Make a file, or new names in a folder, durable."""
    if not path.exists():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _member(line: bytes) -> bytes:
    """Return a line as a gzip member, without a time, so that equal lines have equal bytes."""
    compress = zlib.compressobj(wbits=GZIP)
    return compress.compress(line) + compress.flush()


def _members(path: Path, file: BinaryIO, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the start, the end and the content of each whole member from byte `start`."""
    file.seek(start)
    pending = b""
    while True:
        member, content, used = zlib.decompressobj(GZIP), [], 0
        while not member.eof:
            chunk = pending or file.read(CHUNK)
            pending = b""
            if not chunk:
                return
            try:
                content.append(member.decompress(chunk))
            except zlib.error as error:
                file.seek(start)
                rest = file.read()
                if rest.endswith(bytes(8)) and MAGIC not in rest[1:]:
                    return  # A power failure can leave zeros in place of the last line.
                raise ValueError(f"{path}: not gzip at byte {start} ({error}); restore the file from a copy") from error
            used += len(chunk)
        pending = member.unused_data
        end = start + used - len(pending)
        yield start, end, b"".join(content)
        start = end
