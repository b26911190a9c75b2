"""Files of JSON lines that grow by a line at a time: what is there stays, whatever is killed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from storm_calm.env import repair_episodes

T = TypeVar("T")


def read_lines(path: Path, read: Callable[[Any], T], *, key: Callable[[T], Hashable], what: str) -> tuple[T, ...]:
    """What `read` makes of each line, in order of first appearance, the last one of each key. A missing file has none.

    Nothing is written, and a last line that a kill cut short is left out, so this may look at a run that goes on.
    what: what a line is, for messages. Raises ValueError, naming file and line, for any other line that is none.
    """
    if not path.exists():
        return ()
    found: dict[Hashable, T] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                one = read(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if not line.endswith("\n"):
                    break
                raise ValueError(f"{path}:{number}: not {what}: {error}") from error
            found[key(one)] = one
    return tuple(found.values())


def append_line(path: Path, data: Mapping[str, Any]) -> None:
    """Add a line of JSON and wait until it is on disk. A last line that was cut short goes first."""
    repair_episodes(path)
    with path.open("ab") as file:
        file.write(_line(data).encode())
        file.flush()
        os.fsync(file.fileno())


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a file of JSON lines, in place of what was there, all or nothing."""
    write_text(path, "".join(_line(data) for data in lines))


def write_text(path: Path, text: str) -> None:
    """Write a file, in place of what was there, all or nothing."""
    draft = path.with_name(f"{path.name}.part")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _line(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"
