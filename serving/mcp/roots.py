"""Files of this machine that programs may read: those under the declared folders, and nothing else.

    roots = Roots(["data"])
    name, content = roots.read("orders.csv")

Symbolic links are followed as long as they stay inside a folder. The check is made on the opened file, so that a link
that changes in between does not help.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from storm_calm.serving.mcp.tool_errors import ToolError

FILE_BYTES = 32 << 20
"""Bytes of one file."""


class Roots:
    """The declared folders."""

    def __init__(self, folders: Iterable[str]) -> None:
        """Raises ValueError for a folder that does not exist."""
        self.folders = tuple(_folder(name) for name in folders)

    def read(self, path: str) -> tuple[str, bytes]:
        """Return the name and the content of a file. Raises ToolError for a path that may not or cannot be read."""
        shown = repr(path[:200])
        if not self.folders:
            raise ToolError(
                "invalid_input",
                f"paths: {shown}: this server reads no files of its machine. Give the text in `files`, or start the "
                "server with --root FOLDER",
            )
        if "\0" in path or not path.strip():
            raise ToolError("invalid_input", f"paths: {shown} is not a path")
        for folder in self.folders:
            # An absolute path replaces the folder.
            candidate = Path(os.path.realpath(folder / path))
            if candidate.is_relative_to(folder):
                try:
                    content = _read(candidate, self.folders)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise ToolError("invalid_input", f"paths: {shown}: {error.strerror or 'not readable'}") from None
                except ValueError as error:
                    raise ToolError("invalid_input", f"paths: {shown} {error}") from None
                return Path(path).name, content
        # Whether a file exists outside of the folders stays unknown.
        names = ", ".join(map(str, self.folders))
        raise ToolError("not_found", f"paths: {shown} is not a file under {names}")


def _folder(name: str) -> Path:
    folder = Path(os.path.realpath(os.path.expanduser(name)))
    if not folder.is_dir():
        raise ValueError(f"--root: {name!r} is not a folder")
    return folder


def _read(path: Path, folders: tuple[Path, ...]) -> bytes:
    """Return the content of a file. Raises OSError, and ValueError for one that programs do not get."""
    # Without O_NONBLOCK, opening a named pipe would wait for its writer.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        opened = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if not any(opened.is_relative_to(folder) for folder in folders):
            raise FileNotFoundError
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a file")
        # Files of /proc and growing files have another size than they say.
        content = b"" if status.st_size > FILE_BYTES else file.read(FILE_BYTES + 1)
    if status.st_size > FILE_BYTES or len(content) > FILE_BYTES:
        raise ValueError(f"has {max(status.st_size, len(content))} bytes, more than {FILE_BYTES >> 20} MiB")
    return content
