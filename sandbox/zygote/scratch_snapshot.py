"""Snapshots of the working folder of a session, taken after a block and restored after a later block fails.

Only changed files are read or written. No process of the session runs meanwhile, and no link is followed.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from storm_calm.sandbox.zygote import remove_folder

_MAX_DEPTH, _MAX_ENTRIES = 32, 4096  # limits on the depth of folders and on the number of entries in a snapshot
_RACY_NANOSECONDS = 50_000_000  # a file can change twice within this time without a new time stamp
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_Kind = Literal["file", "folder", "link", "other"]
_KINDS: dict[int, _Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


class TooMuchError(Exception):
    """The folder is too large, too deep or not readable."""


@dataclass(slots=True)
class _Entry:
    """A file, folder or link in a snapshot."""

    kind: _Kind
    signature: tuple[int, ...]  # values that change whenever the entry does
    mode: int
    modified: int
    content: bytes | str = b""  # the bytes of a file, or the target of a link


@dataclass(slots=True)
class ScratchSnapshot:
    """The content of a folder."""

    entries: dict[str, _Entry]  # by path, each folder before its content
    taken: int  # the time in nanoseconds, by the clock of file time stamps

    def proves_unchanged(self, entry: _Entry) -> bool:
        """Return whether an unchanged signature proves that `entry` is unchanged."""
        return entry.signature[-1] < self.taken - _RACY_NANOSECONDS


def take_snapshot(top: int, before: ScratchSnapshot | None, max_bytes: int) -> ScratchSnapshot:
    """Return a snapshot of the open folder `top`.

    before: an earlier snapshot, whose unchanged files are not read again.
    Raises TooMuchError if the files have more than `max_bytes` together, or the folder can't be read.
    """
    taken = time.time_ns()
    entries: dict[str, _Entry] = {}
    total = 0
    try:
        for path, status in _walk(top, "", 0):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "other")
            signature = _signature(status)
            content: bytes | str = os.readlink(path, dir_fd=top) if kind == "link" else b""
            if kind == "file":
                total += status.st_size
                if total > max_bytes:
                    raise TooMuchError(f"its files have more than {max_bytes} bytes")
                known = before.entries.get(path) if before else None
                unchanged = before and known and known.signature == signature and before.proves_unchanged(known)
                content = known.content if known and unchanged else _read(top, path)
            entries[path] = _Entry(kind, signature, stat.S_IMODE(status.st_mode), status.st_mtime_ns, content)
            if len(entries) > _MAX_ENTRIES:
                raise TooMuchError(f"it holds more than {_MAX_ENTRIES} files")
    except OSError as error:
        raise TooMuchError(f"it can't be read ({error})") from None
    return ScratchSnapshot(entries, taken)


def restore(top: int, snapshot: ScratchSnapshot) -> None:
    """Restore the open folder `top` from a snapshot. Raises OSError if that fails."""
    _remove_others(top, "", snapshot)
    for path, entry in snapshot.entries.items():
        if not _is_unchanged(top, path, entry, snapshot):
            _restore_entry(top, path, entry)
    # Folders last: a read-only folder could not have been filled, and filling changes its times.
    for path, entry in reversed(snapshot.entries.items()):
        if entry.kind == "folder":
            os.chmod(path, entry.mode, dir_fd=top)
        with contextlib.suppress(OSError):
            entry.signature = _signature(os.stat(path, dir_fd=top, follow_symlinks=False))
    snapshot.taken = time.time_ns()


def held_bytes(snapshots: Iterable[ScratchSnapshot]) -> int:
    """Return the bytes of all files in `snapshots`. Content that they share counts once."""
    entries = (entry for snapshot in snapshots for entry in snapshot.entries.values())
    return sum({id(entry.content): len(entry.content) for entry in entries}.values())


def _walk(top: int, path: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
    """Yield everything under `path`, sorted, with each folder before its content."""
    if depth > _MAX_DEPTH:
        raise TooMuchError(f"its folders go deeper than {_MAX_DEPTH}")
    for inner in _list(top, path):
        status = os.stat(inner, dir_fd=top, follow_symlinks=False)
        yield inner, status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(top, inner, depth + 1)


def _list(top: int, path: str) -> list[str]:
    """Return the sorted paths, from `top`, of the entries of the folder `path`."""
    fd = os.open(path or ".", _OPEN_FLAGS | os.O_DIRECTORY, dir_fd=top)
    try:
        return [os.path.join(path, name) for name in sorted(os.listdir(fd))]
    finally:
        os.close(fd)


def _signature(status: os.stat_result) -> tuple[int, ...]:
    # The ctime is last; no program can set it. The size and times of a folder depend only on its entries.
    if stat.S_ISDIR(status.st_mode):
        return (status.st_mode, status.st_ino, 0)
    return (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _read(top: int, path: str) -> bytes:
    with open(os.open(path, _OPEN_FLAGS, dir_fd=top), "rb") as file:
        return file.read()


def _remove_others(top: int, path: str, snapshot: ScratchSnapshot) -> None:
    """Remove, from the folder `path` down, entries that are not in the snapshot or have another kind there."""
    if path:
        os.chmod(path, 0o700, dir_fd=top)
    for inner in _list(top, path):
        known = snapshot.entries.get(inner)
        status = os.stat(inner, dir_fd=top, follow_symlinks=False)
        if known is None or stat.S_IFMT(status.st_mode) != stat.S_IFMT(known.signature[0]):
            _remove(top, inner, status)
        elif known.kind == "folder":
            _remove_others(top, inner, snapshot)


def _remove(top: int, path: str, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(path, dir_fd=top)
        return
    os.chmod(path, 0o700, dir_fd=top)
    remove_folder.empty(path, dir_fd=top)
    os.rmdir(path, dir_fd=top)


def _is_unchanged(top: int, path: str, entry: _Entry, snapshot: ScratchSnapshot) -> bool:
    try:
        status = os.stat(path, dir_fd=top, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if entry.kind == "folder":
        return True
    if _signature(status) != entry.signature:
        return False
    if entry.kind == "file" and not snapshot.proves_unchanged(entry):
        return _read(top, path) == entry.content
    return True


def _restore_entry(top: int, path: str, entry: _Entry) -> None:
    """Restore an entry. Pipes and sockets are left out: they are useless without the process that made them."""
    if entry.kind == "folder":
        os.mkdir(path, 0o700, dir_fd=top)
    elif entry.kind == "link":
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path, dir_fd=top)
        os.symlink(entry.content, path, dir_fd=top)
    elif entry.kind == "file":
        # If the file still exists it is overwritten, not replaced: the program may have it open.
        with contextlib.suppress(FileNotFoundError):
            os.chmod(path, 0o600, dir_fd=top)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags, 0o600, dir_fd=top), "wb") as file:
            assert isinstance(entry.content, bytes)
            file.write(entry.content)
        os.chmod(path, entry.mode, dir_fd=top)
        os.utime(path, ns=(entry.modified, entry.modified), dir_fd=top)
