"""The records of a run, in one of two forms that are read and written in the same way.

    with RecordStore.open(run, CURATION_RECORDS, write=True, expected=len(problems)) as store:
        store.append(record_to_json(record))
    with RecordStore.open(run, CURATION_RECORDS) as store:
        golden = store.count("outcome = 'golden'")
        for data in store.records(where="family = ?", parameters=("knapsack",), limit=50):
            ...

A small run has a plain file, `episodes.jsonl`, whose index is built in memory when it is opened. A run with more than
`PARTS_FROM` records to come has a folder, `episodes/`, with compressed parts and an index on disk. Memory does not
depend on the number of records in a folder, apart from 8 bytes for each that `records` yields.
"""

import fcntl
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from storm_calm.agents.runs import record_files
from storm_calm.agents.runs.record_files import Parts, Place, PlainFile, RecordFiles
from storm_calm.agents.runs.record_index import FILE, GONE, RecordIndex
from storm_calm.agents.runs.record_kind import RecordKind
from storm_calm.env.atomic_write import write_text
from storm_calm.env.jsonl import parse_line

PARTS_FROM = 10_000
"""The most records of a run that are in a plain file."""
COMMIT_EVERY = 1000
"""Lines that are indexed between two commits, when an index is completed."""


class RecordStore:
    """The records of one kind in a run folder. One process writes, which holds the lock of the folder; any number read.

    Several threads may read. Records are in the order in which their keys were first stored, until `set_order`.
    """

    def __init__(self, folder: Path, kind: RecordKind, files: RecordFiles, index: RecordIndex, *, own: bool) -> None:
        """own: whether only this process has the index."""
        self.folder, self.kind = folder, kind
        self._files, self._index, self._own = files, index, own

    @classmethod
    def open(cls, folder: Path, kind: RecordKind, *, write: bool = False, expected: int = 0) -> Self:
        """Open the records in a run folder, in the form that they have.

        expected: the number of records to come, which decides the form of a new run. Records that do not exist yet are
        an empty plain file to a reader, which opens the store again once `kind.exists(folder)`.
        Raises ValueError, with file and line, for a line that is not a record.
        """
        plain, parts = kind.plain_file(folder), kind.parts_folder(folder)
        if plain.exists() and parts.exists():
            raise ValueError(f"{plain} and {parts}: both have records of one run; move one of them away")
        if parts.exists() or (write and not plain.exists() and expected > PARTS_FROM):
            return cls._open_parts(folder, kind, parts, write=write)
        files = PlainFile(plain)
        if write:
            files.cut()
        store = cls(folder, kind, files, RecordIndex.temporary(kind, large=False), own=True)
        store._complete()
        return store

    @classmethod
    def _open_parts(cls, folder: Path, kind: RecordKind, parts: Path, *, write: bool) -> Self:
        files, file = Parts(parts), parts / FILE
        if write:
            parts.mkdir(exist_ok=True)
            files.cut()
            store = cls(folder, kind, files, RecordIndex.to_write(file, kind, files.sizes), own=False)
            store._delete_parts(files, [part for part, (end, _) in store._index.parts().items() if end == GONE])
            store._complete(cut=True)
            found = store._index.parts()
            last = max(found, default=0)
            files.begin_at(last, found.get(last, (0, 0))[1])
            return store
        index = RecordIndex.to_read(file, kind, files.sizes)
        if index is not None and index.complete(files.sizes):
            return cls(folder, kind, files, index, own=False)
        with _try_lock(folder) as locked:
            if locked:
                # The process that wrote the run was killed, or the index was deleted.
                if index is not None:
                    index.close()
                index = RecordIndex.to_write(file, kind, files.sizes)
                store = cls(folder, kind, files, index, own=False)
                store._complete()
                return store
        if index is not None and os.access(parts, os.W_OK):
            return cls(folder, kind, files, index, own=False)  # The process that writes completes it.
        store = cls(folder, kind, files, RecordIndex.temporary(kind, large=True), own=True)
        store._complete()
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._index.commit()
        self._index.close()
        self._files.close()

    @property
    def in_parts(self) -> bool:
        """Whether the run is large."""
        return isinstance(self._files, Parts)

    def append(self, data: Mapping[str, Any], *, sync: bool = True) -> None:
        """Store a record. It replaces an earlier one with the same key.

        sync: it is on disk when this returns. Otherwise it is after `finish`, which is faster for many records.
        """
        line = dict(data)
        key, values = self.kind.row(line)
        place = self._files.append(json.dumps(line, ensure_ascii=False).encode() + b"\n", sync=sync)
        self._index.put(key, place, values)
        if sync:
            self._index.commit()

    def __len__(self) -> int:
        return self.count()

    def __contains__(self, key: object) -> bool:
        return bool(self.count("key = ?", (key,)))

    def keys(self) -> Iterator[str]:
        """Yield the keys in the order of the run."""
        for (key,) in self.rows(("key",)):
            yield key

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the JSON data of a record, or None if there is none with this key."""
        raw = self.raw(key)
        return None if raw is None else cast(dict[str, Any], json.loads(raw))

    def raw(self, key: str) -> bytes | None:
        """Return the line of a record, or None if there is none with this key."""
        found = next(self._index.select("number, part, start, size", "WHERE key = ?", (key,)), None)
        return None if found is None else self._read(found[0], Place(*found[1:]))

    def records(
        self,
        *,
        where: str = "",
        parameters: Sequence[Any] = (),
        order: str = "position",
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[dict[str, Any]]:
        """Yield the JSON data of records one at a time. For the arguments see `rows`."""
        for raw in self.lines(where=where, parameters=parameters, order=order, limit=limit, offset=offset):
            yield json.loads(raw)

    def lines(
        self,
        *,
        where: str = "",
        parameters: Sequence[Any] = (),
        order: str = "position",
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[bytes]:
        """Yield the lines of records one at a time, each with its line break. For the arguments see `rows`."""
        numbers = self._index.numbers(_rest(where, order, limit, offset), parameters)
        for number, place in self._index.places(numbers):
            yield self._read(number, place)

    def rows(
        self,
        columns: Sequence[str],
        *,
        where: str = "",
        parameters: Sequence[Any] = (),
        group: str = "",
        order: str = "position",
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield values from the index, without reading a record.

        columns: of the kind, "key", "position", or other SQL expressions. where, group, order: SQL, with `parameters`
        for each "?" in `where`, and never with text of a user.
        """
        rest = _rest(where, order, limit, offset, group=group)
        return self._index.select(", ".join(columns), rest, parameters)

    def count(self, where: str = "", parameters: Sequence[Any] = ()) -> int:
        """Return the number of records that a condition selects."""
        return int(next(self._index.select("count(*)", _rest(where, "", None, 0), parameters))[0])

    def set_order(self, keys: Iterable[str]) -> None:
        """Set the order of the run to that of these keys. Records of other keys are left out from now on."""
        self._index.set_order(keys)

    def refresh(self) -> None:
        """Read what another process has written since, and a file that replaced the one that was read."""
        files = self._files
        if isinstance(files, PlainFile) and (files.replaced or not self._index.fits(files.sizes)):
            files.close()
            self._index.close()
            self._index = RecordIndex.temporary(self.kind, large=False)
        if self._own:
            self._complete()

    @property
    def is_finished(self) -> bool:
        """Whether the files are as `finish` leaves them: in the order of the run, without replaced records."""
        numbers, sizes = self._index.numbers("ORDER BY position", ()), self._files.sizes()
        used = {part for (part,) in self.rows(("DISTINCT part",), order="")}
        return self._in_order(numbers, sizes) == len(numbers) and all(
            part in used for part, size in sizes.items() if size
        )

    def finish(self) -> None:
        """Put the files in the order of the run, without records that were replaced. Nothing is written if they are."""
        self._files.sync()
        self._index.commit()
        if isinstance(self._files, PlainFile):
            self._rewrite_plain(self._files)
        elif isinstance(self._files, Parts):
            self._rewrite_parts(self._files)

    def _complete(self, *, cut: bool = False) -> None:
        """Index what is not indexed yet. cut: also remove a torn last line of the parts."""
        known, sizes = self._index.parts(), self._files.sizes()
        indexed = 0
        for part, size in sorted(sizes.items()):
            end, records = known.get(part, (0, 0))
            if end in (size, GONE):
                continue
            for line in self._files.scan(part, end, records + 1):
                key, values = parse_line(line.path, line.number, line.raw, self.kind.row, what=self.kind.what)
                self._index.put(key, line.place, values)
                end = line.place.end
                indexed += 1
                if indexed % COMMIT_EVERY == 0:
                    self._index.commit()
            if isinstance(self._files, Parts) and end < size:
                if part != max(sizes):
                    path = record_files.part_path(self._files.folder, part)
                    raise ValueError(f"{path}: ends in the middle of a record at byte {end}; restore it from a copy")
                if cut:
                    self._files.cut_at(part, end)
        self._index.commit()

    def _read(self, number: int, place: Place) -> bytes:
        try:
            return self._files.read(place)
        except FileNotFoundError:
            # `finish` of another process moved the record.
            now = self._index.place(number)
            if now is None or now == place:
                raise
            return self._files.read(now)

    def _rewrite_plain(self, files: PlainFile) -> None:
        numbers = self._index.numbers("ORDER BY position", ())
        if not files.path.exists():
            write_text(files.path, "")  # A run without records has an empty file.
        if self.is_finished:
            return
        places = self._index.places(numbers)
        moved = files.rewrite(place for _, place in places)
        pairs = list(zip(numbers, moved, strict=True))
        self._index.drop_part(0)
        if pairs:
            self._index.move(pairs)
        self._index.commit()

    def _rewrite_parts(self, files: Parts) -> None:
        """Write the records from the first part that is not in order into new parts, and delete the old ones.

        Each new part is indexed before an old one is deleted, so a crash at any point loses nothing: at worst a record
        is there twice, and the later one counts.
        """
        numbers, sizes = self._index.numbers("ORDER BY position", ()), files.sizes()
        clean = self._in_order(numbers, sizes)
        left = dict(self.rows(("part", "count(*)"), group="part", order=""))
        self._delete_parts(files, [part for part in sizes if part not in left])
        new = max(sizes, default=-1) + 1
        places = self._index.places(numbers[clean:])
        while some := list(islice(places, record_files.PART_RECORDS)):
            moved = files.write_part(new, (place for _, place in some))
            self._index.move(zip((number for number, _ in some), moved, strict=True))
            self._index.commit()
            for _, place in some:
                left[place.part] -= 1
                if not left[place.part]:
                    self._delete_parts(files, [place.part])
            files.begin_at(new, len(some))
            new += 1

    def _delete_parts(self, files: Parts, parts: Iterable[int]) -> None:
        """Delete parts without records."""
        for part in parts:
            self._index.retire_part(part)
            self._index.commit()
            files.delete(part)
            self._index.drop_part(part)
        self._index.commit()

    def _in_order(self, numbers: "array[int]", sizes: Mapping[int, int]) -> int:
        """Return how many of the first records are alone in parts that are in order."""
        clean, part, end = 0, -1, 0
        for seen, (_, place) in enumerate(self._index.places(numbers)):
            if end == sizes.get(part, 0):
                # The next part begins. All before it is in order.
                if place.part <= part:
                    return clean
                clean, part, end = seen, place.part, 0
            if (place.part, place.start) != (part, end):
                return clean
            end = place.end
        return len(numbers) if end == sizes.get(part, 0) else clean


def _rest(where: str, order: str, limit: int | None, offset: int, *, group: str = "") -> str:
    """Return the end of a query."""
    return " ".join(
        (
            f"WHERE {where}" if where else "",
            f"GROUP BY {group}" if group else "",
            f"ORDER BY {order}" if order else "",
            f"LIMIT {-1 if limit is None else limit} OFFSET {offset}" if limit is not None or offset else "",
        )
    )


@contextmanager
def _try_lock(folder: Path) -> Iterator[bool]:
    """Lock a run folder unless another process has, and yield whether it is locked."""
    try:
        lock = (folder / ".lock").open("a")
    except OSError:
        yield False
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
