"""Writing files into a new folder, without a change to anything that exists."""

import contextlib
from collections.abc import Mapping
from pathlib import Path


def check_new_folder(folder: Path | None) -> None:
    """Raise ValueError if something that is not an empty folder has this name."""
    if folder is None:
        return
    with contextlib.suppress(FileNotFoundError):
        if not folder.is_dir():
            if folder.exists():
                raise ValueError(f"{folder} is a file; give a new folder")
        elif any(folder.iterdir()):
            raise ValueError(f"{folder} is not empty; give a new folder")


def write_new_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into the folder. Raises FileExistsError rather than replace one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with (folder / name).open("xb") as file:
            file.write(content)
