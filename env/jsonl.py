"""JSON lines as people write them: one object a line, UTF-8, errors that name the file and the line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def json_lines(path: Path, data: bytes, read: Callable[[dict[str, Any]], T]) -> Iterator[tuple[int, T]]:
    """Line numbers from 1, and what `read` makes of the object on each line; blank lines are left out.

    path: what `data` was read from, for messages. Raises ValueError that names file and line for a line that is no
    object, and for what `read` raises a ValueError or TypeError about.
    """
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw.decode("utf-8"))
            if not isinstance(value, dict):
                raise ValueError(f"not a JSON object but {short(value)}; put one object a line")
            yield number, read(value)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}:{number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not JSON: {error.msg} at column {error.colno}") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}:{number}: {error}") from error


def short(value: object) -> str:
    """A value as JSON, for messages: at most 60 characters of it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
