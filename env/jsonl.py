"""Read, append and write JSON Lines: one object per line, UTF-8. Errors name the file and the line.

A file that grows can be read at any time, also after a crash: the last line may be torn, and is left out then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from storm_calm.env.atomic_write import write_text

T = TypeVar("T")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as bytes, and where it is in its file."""

    number: int
    """From 1."""
    start: int
    """The offset of its first byte."""
    raw: bytes
    """Its bytes, with the line break if it has one."""

    @property
    def end(self) -> int:
        """The offset of the byte after it."""
        return self.start + len(self.raw)

    @property
    def closed(self) -> bool:
        """Whether it has its line break. Only the last line of a file may lack it, and may be about to get it."""
        return self.raw.endswith(b"\n")


def read_jsonl(
    path: Path, parse: Callable[[dict[str, Any]], T], *, growing: bool = False, what: str = ""
) -> Iterator[tuple[int, T]]:
    """Yield line numbers, from 1, and the result of `parse` for the object on each line. Blank lines are skipped.

    growing: the file is still being written, or was when a process was killed: a torn last line is left out, and a
        missing file has no lines.
    what: what each line should be, for messages, such as "a sample of this evaluation".
    Raises ValueError, naming file and line, for a line that is not an object, and for a ValueError, TypeError or
    KeyError of `parse`.
    """
    if growing and not path.exists():
        return
    with path.open("rb") as file:
        for line in raw_lines(file, torn=not growing):
            yield line.number, parse_line(path, line.number, line.raw, parse, what=what)


def read_latest(path: Path, parse: Callable[[dict[str, Any]], T], *, key: Callable[[T], object], what: str) -> list[T]:
    """Read a growing file. Of several lines with one key the last one counts, in the place of the first."""
    return list({key(value): value for _, value in read_jsonl(path, parse, growing=True, what=what)}.values())


def raw_lines(file: BinaryIO, *, start: int = 0, number: int = 1, torn: bool = False) -> Iterator[Line]:
    """Yield the lines from byte `start`, the beginning of line `number`, without parsing them. Blank ones are skipped.

    torn: also yield a last line that is cut short, that is, without a line break and not valid JSON.
    """
    file.seek(start)
    for raw in file:
        line = Line(number, start, raw)
        if not line.closed and not torn and not _is_json(raw):
            return
        if raw.strip() and raw.strip() != _BYTE_ORDER_MARK:
            yield line
        start = line.end
        number += 1


def parse_line(path: Path, number: int, raw: bytes, parse: Callable[[dict[str, Any]], T], *, what: str = "") -> T:
    """Parse one line. Raises ValueError as `read_jsonl` does."""
    place = f"{path}:{number}: " + (f"not {what}: " if what else "")
    try:
        value = json.loads(raw.removeprefix(_BYTE_ORDER_MARK if number == 1 else b"").decode().rstrip())
        if not isinstance(value, dict):
            raise ValueError(f"not a JSON object but {short(value)}; put one object a line")
        return parse(value)
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{place}not JSON: {error.msg} at column {error.colno}") from error
    except KeyError as error:
        raise ValueError(f'{place}"{error.args[0]}" is missing') from error
    except RecursionError as error:
        raise ValueError(f"{place}nested too deeply") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{place}{error}") from error


def append_line(path: Path, data: Mapping[str, Any], *, shared: bool = False) -> None:
    """Append an object and wait until it is on disk. A torn last line is removed first.

    shared: several processes append to the file at once. Then lines stay whole, but nothing is repaired or awaited.
    """
    if not shared:
        repair(path)
    # A single write either way, which other processes cannot get into.
    with path.open("ab") as file:
        file.write(_line(data).encode())
        if not shared:
            file.flush()
            os.fsync(file.fileno())


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a file of JSON lines atomically."""
    write_text(path, "".join(map(_line, lines)))


def repair(path: Path) -> int:
    """Remove a torn last line; returns the number of bytes removed. A missing file is left alone."""
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
        if not size or file.read(1) == b"\n":
            return 0
        file.seek(0)
        data = file.read()
        last = data.rfind(b"\n") + 1
        if _is_json(data[last:]):
            file.write(b"\n")
            return 0
        file.truncate(last)
        return size - last


def short(value: object) -> str:
    """Format a value as JSON of at most 60 characters, for messages."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _line(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True
