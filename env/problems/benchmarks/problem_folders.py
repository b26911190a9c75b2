"""Read test sets that are published as one folder for each problem, such as ComplexOR, NLP4LP and LogiOR.

A folder of problems has subfolders with the text (description.txt or question.txt) and JSON files (sample.json,
parameters.json, problem_info.json, solution.json, answer.json). Its rows have these as fields.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from storm_calm.env.jsonl import parse_object

T = TypeVar("T")

TEXTS = ("description.txt", "question.txt")
"""Files with the question, of which a problem has one."""
FIELDS = {
    "sample.json": "sample",
    "parameters.json": "parameters",
    "data.json": "data",
    "problem_info.json": "problem_info",
    "solution.json": "solution",
    "answer.json": "solution",
    "code_example.py": "code_example",
}
"""The other files of a problem that are read, and their fields."""


def has_problems(folder: Path) -> bool:
    """Return whether a folder is a folder of problems."""
    return folder.is_dir() and any(_text_file(path) is not None for path in folder.iterdir())


def problem_files(folder: Path) -> list[Path]:
    """Return the files of a folder of problems that are read, sorted by path."""
    return sorted(path for name in (*TEXTS, *FIELDS) for path in folder.glob(f"*/{name}"))


def read_folder(folder: Path, parse: Callable[[dict[str, Any]], T]) -> Iterator[tuple[Path, T]]:
    """Yield the subfolder and the parsed row of each problem. Raises ValueError that names the file."""
    for path in sorted(folder.iterdir(), key=_in_numerical_order):
        text = _text_file(path)
        if text is not None:
            row: dict[str, Any] = {"id": path.name, "description": _read(text)}
            row |= {field: _value(path / name) for name, field in FIELDS.items() if (path / name).is_file()}
            yield path, parse_object(f"{path}: ", row, parse)


def _text_file(path: Path) -> Path | None:
    return next((path / name for name in TEXTS if (path / name).is_file()), None)


def _value(file: Path) -> Any:
    text = _read(file)
    if file.suffix != ".json":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not JSON: {error}") from error


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8; save the file as UTF-8") from error


def _in_numerical_order(path: Path) -> tuple[Any, ...]:
    """Return a key that sorts prob_2 before prob_10."""
    return tuple(
        (not part.isdecimal(), int(part) if part.isdecimal() else part) for part in re.split(r"(\d+)", path.name)
    )
