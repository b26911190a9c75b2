"""Files that the server keeps for its clients, in a folder of its own on disk.

    files = DiskFiles(UPLOADS, folder)
    file = await files.add(caller, "costs.csv", b"a,b")
    await files.get(caller, file.id), await files.read(caller, file.id)

A key sees its own files only. Their number, size and age are limited for each key. The store belongs to one event loop:
its tables change between two awaits only, and the disk is used in threads.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Caller

MAX_FILE_BYTES = 32 << 20
"""Bytes of one file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreLimits:
    """Limits of a store for each key."""

    prefix: str
    """The start of IDs."""
    count: int
    """Most files."""
    total_bytes: int
    """Most bytes of all files."""
    seconds: float
    """Longest time for which a file is kept."""
    evict: bool
    """Whether the oldest files make room; otherwise a file above the limits is rejected."""


UPLOADS = StoreLimits(prefix="file-", count=100, total_bytes=128 << 20, seconds=24 * 3600, evict=False)
"""Files that clients upload."""
RESULTS = StoreLimits(prefix="cfile_", count=400, total_bytes=128 << 20, seconds=3600, evict=True)
"""Files of answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """A file of a client."""

    id: str
    name: str
    bytes: int
    """Its size."""
    created: float
    """Unix time."""
    expires: float
    """Unix time."""
    purpose: str = ""
    """The client's word for an upload's use."""
    group: str = ""
    """The container of a result; "" for an upload."""


class FileStore(Protocol):
    """Files by key and ID."""

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
        """Keep a file. Raises ApiError above a limit. seconds: its lifetime, up to that of the store."""
        ...

    async def list(self, caller: Caller, group: str = "") -> list[StoredFile]:
        """Return the files of a key, the oldest first. group: a container; "" for uploads."""
        ...

    async def get(self, caller: Caller, id: str, group: str = "", *, param: str | None = None) -> StoredFile:
        """Return a file. Raises ApiError with 404 if this key has no such file. param: the place of the ID."""
        ...

    async def read(self, caller: Caller, id: str, group: str = "", *, param: str | None = None) -> bytes:
        """Return the content of a file. Raises ApiError as `get` does."""
        ...

    async def delete(self, caller: Caller, id: str, group: str = "") -> None:
        """Delete a file. Raises ApiError as `get` does."""
        ...

    async def expire(self) -> None:
        """Delete the files that are too old."""
        ...


class DiskFiles:
    """The files of one server alone."""

    def __init__(self, limits: StoreLimits, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        """folder: only this user may enter it. clock: returns the Unix time."""
        self.limits, self.clock = limits, clock
        self._folder = folder
        self._files: dict[Caller, dict[str, StoredFile]] = {}
        self._deletions: set[asyncio.Future[None]] = set()

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
        self._expire()
        now = self.clock()
        file = new_file(self.limits, name, len(content), now=now, purpose=purpose, group=group, seconds=seconds)
        self._make_room(caller, file)
        # Counted before it is written, so that uploads at the same time cannot exceed the limits together.
        self._files.setdefault(caller, {})[file.id] = file
        try:
            await asyncio.to_thread(self._write, file.id, content)
        except BaseException:
            self._remove(caller, file)
            raise
        if file.id not in self._files.get(caller, {}):  # Deleted meanwhile.
            self._unlink(file)
        return file

    async def list(self, caller: Caller, group: str = "") -> list[StoredFile]:
        self._expire()
        return [file for file in self._files.get(caller, {}).values() if file.group == group]

    async def get(self, caller: Caller, id: str, group: str = "", *, param: str | None = None) -> StoredFile:
        self._expire()
        file = self._files.get(caller, {}).get(id)
        if file is None or file.group != group:
            raise no_file(id, param)
        return file

    async def read(self, caller: Caller, id: str, group: str = "", *, param: str | None = None) -> bytes:
        file = await self.get(caller, id, group, param=param)
        try:
            return await asyncio.to_thread((self._folder / file.id).read_bytes)
        except FileNotFoundError:  # Deleted since, or still being written.
            raise no_file(id, param) from None

    async def delete(self, caller: Caller, id: str, group: str = "") -> None:
        self._remove(caller, await self.get(caller, id, group))

    async def expire(self) -> None:
        self._expire()

    def _expire(self) -> None:
        now = self.clock()
        for caller, files in list(self._files.items()):
            for file in [file for file in files.values() if file.expires <= now]:
                self._remove(caller, file)

    async def settled(self) -> None:
        """Wait until deleted files have left the disk."""
        await asyncio.gather(*self._deletions)

    def _make_room(self, caller: Caller, file: StoredFile) -> None:
        limits = self.limits
        check_file_size(limits, file)
        files = self._files.get(caller, {})
        while len(files) >= limits.count or sum(one.bytes for one in files.values()) + file.bytes > limits.total_bytes:
            if not limits.evict:
                raise storage_full(limits)
            self._remove(caller, next(iter(files.values())))

    def _remove(self, caller: Caller, file: StoredFile) -> None:
        files = self._files.get(caller, {})
        if files.pop(file.id, None) is not None:
            self._unlink(file)
        if not files:
            self._files.pop(caller, None)

    def _unlink(self, file: StoredFile) -> None:
        unlink = partial((self._folder / file.id).unlink, missing_ok=True)
        deletion = asyncio.get_running_loop().run_in_executor(None, unlink)
        self._deletions.add(deletion)
        deletion.add_done_callback(self._deletions.discard)

    def _write(self, id: str, content: bytes) -> None:
        # IDs are made here, so none leads out of the folder. A file is read only when it is complete.
        part = self._folder / f"{id}.part"
        part.write_bytes(content)
        part.rename(self._folder / id)


def new_file(
    limits: StoreLimits, name: str, size: int, *, now: float, purpose: str, group: str, seconds: float | None
) -> StoredFile:
    """Return the description of a new file. now: Unix time. seconds: its lifetime; None for that of the store."""
    return StoredFile(
        id=f"{limits.prefix}{secrets.token_hex(16)}",
        name=name,
        bytes=size,
        created=now,
        expires=now + min(seconds or limits.seconds, limits.seconds),
        purpose=purpose,
        group=group,
    )


def check_file_size(limits: StoreLimits, file: StoredFile) -> None:
    """Raise ApiError for a file that the store would not take even if it was empty."""
    if file.bytes > min(MAX_FILE_BYTES, limits.total_bytes):
        raise ApiError(413, f"the file has {file.bytes} bytes; give at most {MAX_FILE_BYTES}", param="file")


def storage_full(limits: StoreLimits) -> ApiError:
    most = f"{limits.count} files and {limits.total_bytes >> 20} MiB"
    return ApiError(400, f"this key may keep {most}; delete files first", param="file", code="storage_full")


def no_file(id: str, param: str | None) -> ApiError:
    return ApiError(404, f"no file {id[:100]!r}; it may have expired", param=param, code="file_not_found")
