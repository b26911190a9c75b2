"""Check the names of files that callers give to programs, and normalize them.

Any name that a person gives a file is valid, in any script: `data (1).csv`, `Größe.csv`, `数据.csv`. Names that leave
the folder, or that no terminal or prompt can show, are not.
"""

import re
import unicodedata
from collections.abc import Iterable

_NAME_BYTES = 255
"""The limit of Linux for one part of a path, in bytes of UTF-8."""
_PATH_BYTES = 1024

# Control characters, line separators, and marks that reverse the direction of the text after them.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def normalized_path(path: str) -> str:
    """Return a relative path in Unicode's composed form (NFC), the one in which people and models type it.

    macOS stores names in decomposed form. Raises ValueError for a path that is not inside the program's folder, is too
    long, or has unprintable characters.
    """
    if not isinstance(path, str):
        raise ValueError(f"path {path!r} is {type(path).__name__}; give text")
    shown = repr(path if len(path) <= 100 else f"{path[:100]}...")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ValueError(f"path {shown} is not valid Unicode; rename the file in UTF-8") from None
    if _UNPRINTABLE.search(path):
        raise ValueError(f"path {shown} has a control character or line break; rename the file")
    if path.startswith("/") or _DRIVE.match(path):
        raise ValueError(f"path {shown} is not inside the program's folder; give a relative one")
    if "\\" in path:
        raise ValueError(f"path {shown} has a backslash; separate folders with /")
    parts = [part for part in unicodedata.normalize("NFC", path).split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"path {shown} is not inside the program's folder; give a relative one without '..'")
    if not parts or path.endswith("/") or not all(part.strip() for part in parts):
        raise ValueError(f"path {shown} must name a file; give a name")
    longest = max(len(part.encode()) for part in parts)
    if longest > _NAME_BYTES:
        raise ValueError(f"path {shown} has a name of {longest} bytes in UTF-8; give at most {_NAME_BYTES}")
    normalized = "/".join(parts)
    if len(normalized.encode()) > _PATH_BYTES:
        raise ValueError(f"path {shown} has {len(normalized.encode())} bytes in UTF-8; give at most {_PATH_BYTES}")
    return normalized


def check_distinct(paths: Iterable[str]) -> None:
    """Raise ValueError if two normalized paths are the same, or if one is a folder of another.

    Names that differ in case are different files, as they are to programs.
    """
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise ValueError(f"path {path!r} is given twice; rename one of the files")
        seen.add(path)
    for path in seen:
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in seen:
                raise ValueError(f"path {folder!r} is a file and the folder of {path!r}; rename one of them")
