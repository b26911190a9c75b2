"""A new run folder that appears at once, when all of its files are complete."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_run_folder(out: Path) -> Iterator[Path]:
    """Yield a draft folder beside `out`. It becomes `out`, unless the block raises.

    Raises ValueError if `out` exists, except as an empty folder.
    """
    check_absent(out)
    draft = out.with_name(f"{out.name}.{os.getpid()}.part")
    draft.mkdir(parents=True)
    try:
        yield draft
        # Another process may have made it in the meantime. Unlike a file, a folder with content is never replaced.
        check_absent(out)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_absent(out: Path) -> None:
    """Raise ValueError if something that is not an empty folder has this name."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out}: exists already; choose another --out")


@contextmanager
def new_file(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Yield a function that appends to a new file, which is on disk at the end of the block."""
    with path.open("xb") as file:
        yield file.write
        file.flush()
        os.fsync(file.fileno())
