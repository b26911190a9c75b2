"""Read, append and write JSON Lines: one object per line, UTF-8. Errors name the file and the line.

A growing file can be read at any time, also after a crash: an incomplete last line is ignored.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from storm_calm.env.atomic_write import atomic_write

T = TypeVar("T")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as bytes with its position in the file."""

    number: int
    """Line number, from 1."""
    start: int
    """Offset of its first byte."""
    raw: bytes
    """Its bytes, with the line break if it has one."""

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.start + len(self.raw)

    @property
    def closed(self) -> bool:
        """Whether it has its line break, which only the last line of a file may lack."""
        return self.raw.endswith(b"\n")


def read_jsonl(
    path: Path, parse: Callable[[dict[str, Any]], T], *, growing: bool = False, what: str = ""
) -> Iterator[tuple[int, T]]:
    """Yield the number, from 1, and the parsed object of each line. Blank lines are skipped.

    growing: the file may still be written: ignore an incomplete last line, and treat a missing file as empty.
    what: what each line should be, for messages, such as "a sample of this evaluation".
    Raises ValueError with file and line if a line is not an object, or if `parse` raises ValueError, TypeError,
    AttributeError or KeyError.
    """
    if growing and not path.exists():
        return
    with path.open("rb") as file:
        for line in raw_lines(file, incomplete=not growing):
            yield line.number, parse_line(path, line.number, line.raw, parse, what=what)


def read_latest(path: Path, parse: Callable[[dict[str, Any]], T], *, key: Callable[[T], object], what: str) -> list[T]:
    """Read a growing file. Of several lines with one key, return the last in the position of the first."""
    return list({key(value): value for _, value in read_jsonl(path, parse, growing=True, what=what)}.values())


def raw_lines(file: BinaryIO, *, start: int = 0, number: int = 1, incomplete: bool = False) -> Iterator[Line]:
    """Yield unparsed lines from byte `start`, the start of line `number`. Blank lines are skipped.

    incomplete: also yield a last line without a line break that is not valid JSON.
    """
    file.seek(start)
    for raw in file:
        line = Line(number, start, raw)
        if not line.closed and not incomplete and not _is_json(raw):
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
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{place}not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise ValueError(f"{place}nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{place}{error}") from error
    return parse_object(place, value, parse, fix="put one object a line")


def parse_object(
    place: str, value: object, parse: Callable[[dict[str, Any]], T], *, fix: str = "give an object with named fields"
) -> T:
    """Parse an object that was read from JSON. Raises ValueError that begins with `place`, as `read_jsonl` does."""
    try:
        if not isinstance(value, dict):
            raise ValueError(f"not a JSON object but {short(value)}; {fix}")
        return parse(value)
    except KeyError as error:
        raise ValueError(f'{place}"{error.args[0]}" is missing') from error
    except RecursionError as error:
        raise ValueError(f"{place}nested too deeply") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{place}{error}") from error


def append_line(path: Path, data: Mapping[str, Any], *, shared: bool = False) -> None:
    """Append an object and sync it to disk, after removing an incomplete last line.

    shared: several processes append at once. Each line is one write, without repair or sync.
    """
    if not shared:
        repair(path)
    # One write per line, so that lines of other processes cannot interleave.
    with path.open("ab") as file:
        file.write(_line(data).encode())
        if not shared:
            file.flush()
            os.fsync(file.fileno())


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a file of JSON lines atomically, one line at a time."""
    with atomic_write(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.writelines(map(_line, lines))


def repair(path: Path) -> int:
    """Remove an incomplete last line and return the number of bytes removed. A missing file is ignored."""
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
