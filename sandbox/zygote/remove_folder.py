"""Remove what a program left in its folder, however deep the folders in it are nested."""

import contextlib
import os

_OPEN_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(folder: str) -> None:
    """Remove `folder` and its content, as far as this user may. Links are not followed.

    Every folder found inside is first moved to the top. So no path is long, and depth needs no stack or open files.
    """
    with contextlib.suppress(OSError):
        empty(folder)
        os.rmdir(folder)


def empty(folder: str, *, dir_fd: int | None = None) -> None:
    """Remove the content of `folder`, as `remove` does. Raises OSError if it can't be opened."""
    top = os.open(folder, _OPEN_FLAGS, dir_fd=dir_fd)
    try:
        _empty_open(top)
    finally:
        os.close(top)


def _empty_open(top: int) -> None:
    moved = 0
    waiting = _clear(top)
    while waiting:
        name = waiting.pop()
        with contextlib.suppress(OSError):
            os.chmod(name, 0o700, dir_fd=top)
            inner = os.open(name, _OPEN_FLAGS, dir_fd=top)
            try:
                for deeper in _clear(inner):
                    moved += 1
                    os.rename(deeper, f".moved-{moved}", src_dir_fd=inner, dst_dir_fd=top)
                    waiting.append(f".moved-{moved}")
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)


def _clear(fd: int) -> list[str]:
    """Remove all files from the open folder `fd`, and return the names of the folders in it."""
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=fd)
    return [name for name, is_folder in found if is_folder]
