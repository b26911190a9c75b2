"""A session's folder as it was after a block: remembered when the block went well, brought back when a later one fails.

Only what changed is read or written. Nothing of the program runs meanwhile, and no link is followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from storm_calm.sandbox.zygote import remove_folder

_MAX_DEPTH, _MAX_ENTRIES = 32, 4096  # folders inside each other, and names in all: beyond that it is not remembered
_RACY_NANOSECONDS = 50_000_000  # a file touched so shortly before it was looked at can change without a trace
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class TooMuchError(Exception):
    """The folder is too large, too deep or too strange to be remembered."""


@dataclass(slots=True)
class _Entry:
    """A file, a folder, a link, or something else, as it was."""

    kind: Literal["file", "folder", "link", "other"]
    signature: tuple[int, ...]
    """What the kernel changes whenever the entry does."""
    mode: int
    modified: int
    content: bytes | str = b""
    """Of a file its bytes, of a link where it leads."""


@dataclass(slots=True)
class ScratchSnapshot:
    """What lay in a folder."""

    entries: dict[str, _Entry]
    """By path; a folder stands before what is in it."""
    taken: int
    """When, in nanoseconds of the clock that files are stamped with."""

    def sure(self, entry: _Entry) -> bool:
        """Whether an unchanged signature proves that `entry` is unchanged."""
        return entry.signature[-1] < self.taken - _RACY_NANOSECONDS


def take_snapshot(top: int, before: ScratchSnapshot | None, most: int) -> ScratchSnapshot:
    """What lies in the open folder `top`.

    before: an earlier copy; what hasn't changed since is taken from it.
    most: bytes of all files together.
    Raises TooMuchError where it goes beyond that, or can't be read.
    """
    taken = time.time_ns()
    entries: dict[str, _Entry] = {}
    total = 0
    try:
        for path, status in _walk(top, "", 0):
            entry = _entry(top, path, status)
            known = before.entries.get(path) if before is not None else None
            if entry.kind == "file":
                total += status.st_size
                if total > most:
                    raise TooMuchError(f"its files have more than {most} bytes")
                if before is not None and known and known.signature == entry.signature and before.sure(known):
                    entry.content = known.content
                else:
                    entry.content = _read(top, path)
            entries[path] = entry
            if len(entries) > _MAX_ENTRIES:
                raise TooMuchError(f"it holds more than {_MAX_ENTRIES} files")
    except OSError as error:
        raise TooMuchError(f"it can't be read ({error})") from None
    return ScratchSnapshot(entries, taken)


def restore(top: int, copy: ScratchSnapshot) -> None:
    """Make the open folder `top` what `copy` says. Raises OSError where that fails."""
    _remove_others(top, "", copy)
    for path, entry in copy.entries.items():
        if not _is_as_it_was(top, path, entry, copy):
            _put_back(top, path, entry)
    # Last: a folder that can't be written to could not have been filled, and filling it changed its times.
    for path, entry in reversed(copy.entries.items()):
        if entry.kind == "folder":
            os.chmod(path, entry.mode, dir_fd=top)
        with contextlib.suppress(OSError):
            entry.signature = _signature(os.stat(path, dir_fd=top, follow_symlinks=False))
    copy.taken = time.time_ns()


def held_bytes(copies: Iterable[ScratchSnapshot]) -> int:
    """Bytes of all files in `copies`; what they have in common counts once."""
    held = {id(entry.content): len(entry.content) for copy in copies for entry in copy.entries.values()}
    return sum(held.values())


def _walk(top: int, path: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
    """All that is under `path`, each folder before what is in it, in an order that doesn't change."""
    if depth > _MAX_DEPTH:
        raise TooMuchError(f"its folders go deeper than {_MAX_DEPTH}")
    for name in _names(top, path):
        inner = f"{path}/{name}" if path else name
        status = os.stat(inner, dir_fd=top, follow_symlinks=False)
        yield inner, status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(top, inner, depth + 1)


def _names(top: int, path: str) -> list[str]:
    fd = os.open(path or ".", _OPEN_FLAGS | os.O_DIRECTORY, dir_fd=top)
    try:
        return sorted(os.listdir(fd))
    finally:
        os.close(fd)


def _signature(status: os.stat_result) -> tuple[int, ...]:
    # The time of the last change comes last; no program can set it. A folder's size and times follow from its names.
    if stat.S_ISDIR(status.st_mode):
        return (status.st_mode, status.st_ino, 0)
    return (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _entry(top: int, path: str, status: os.stat_result) -> _Entry:
    mode = status.st_mode
    content: bytes | str = b""
    kind: Literal["file", "folder", "link", "other"] = "other"
    if stat.S_ISDIR(mode):
        kind = "folder"
    elif stat.S_ISREG(mode):
        kind = "file"
    elif stat.S_ISLNK(mode):
        kind, content = "link", os.readlink(path, dir_fd=top)
    return _Entry(kind, _signature(status), stat.S_IMODE(mode), status.st_mtime_ns, content)


def _read(top: int, path: str) -> bytes:
    with open(os.open(path, _OPEN_FLAGS, dir_fd=top), "rb") as file:
        return file.read()


def _remove_others(top: int, path: str, copy: ScratchSnapshot) -> None:
    """Remove from the folder `path`, and from those in it that stay, what was not there or was of another kind."""
    if path:
        os.chmod(path, 0o700, dir_fd=top)
    for name in _names(top, path):
        inner = f"{path}/{name}" if path else name
        known = copy.entries.get(inner)
        status = os.stat(inner, dir_fd=top, follow_symlinks=False)
        if known is None or stat.S_IFMT(status.st_mode) != stat.S_IFMT(known.signature[0]):
            _remove(top, inner, status)
        elif known.kind == "folder":
            _remove_others(top, inner, copy)


def _remove(top: int, path: str, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(path, dir_fd=top)
        return
    os.chmod(path, 0o700, dir_fd=top)
    fd = os.open(path, _OPEN_FLAGS | os.O_DIRECTORY, dir_fd=top)
    try:
        remove_folder.empty_open(fd)
    finally:
        os.close(fd)
    os.rmdir(path, dir_fd=top)


def _is_as_it_was(top: int, path: str, entry: _Entry, copy: ScratchSnapshot) -> bool:
    try:
        status = os.stat(path, dir_fd=top, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if entry.kind == "folder":
        return True
    if _signature(status) != entry.signature:
        return False
    if entry.kind == "file" and not copy.sure(entry):
        return _read(top, path) == entry.content
    return True


def _put_back(top: int, path: str, entry: _Entry) -> None:
    if entry.kind == "folder":
        os.mkdir(path, 0o700, dir_fd=top)
        return
    if entry.kind == "other":
        return  # A pipe or a socket without its maker: of no use.
    if entry.kind == "link":
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path, dir_fd=top)
        os.symlink(entry.content, path, dir_fd=top)
        return
    # The same file where it is still there: the program may have it open.
    with contextlib.suppress(FileNotFoundError):
        os.chmod(path, 0o600, dir_fd=top)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600, dir_fd=top), "wb") as file:
        assert isinstance(entry.content, bytes)
        file.write(entry.content)
    os.chmod(path, entry.mode, dir_fd=top)
    os.utime(path, ns=(entry.modified, entry.modified), dir_fd=top)
