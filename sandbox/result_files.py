"""Safe reading of the files that an untrusted program left in its folder."""

import os
import stat
from collections.abc import Iterable
from pathlib import PurePosixPath

_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def read_results(folder: int, names: Iterable[str], most: int) -> dict[str, bytes]:
    """Return the contents of the regular files `names` in the open folder `folder`, by name.

    Symbolic links (to files or folders) and hard links are skipped, so that nothing outside of the folder can be read.
    All processes of the program must have ended.
    most: maximum bytes of all files together. Files that exceed it are left out, like missing ones.
    """
    found: dict[str, bytes] = {}
    for name in names:
        try:
            content = _read(folder, PurePosixPath(name).parts, most)
        except OSError:
            continue
        if content is not None:
            found[name] = content
            most -= len(content)
    return found


def _read(folder: int, parts: tuple[str, ...], most: int) -> bytes | None:
    fd = os.open(parts[0], _OPEN_FLAGS | (os.O_DIRECTORY if len(parts) > 1 else 0), dir_fd=folder)
    try:
        if len(parts) > 1:
            return _read(fd, parts[1:], most)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_size > most:
            return None
        with open(fd, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(fd)
