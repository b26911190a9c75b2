"""Write the files of generated problems, and read the data in them.

Each problem has a folder. If it exists with the same files, as after an interrupted run, it is used as it is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from storm_calm.env.atomic_write import atomic_write, write_json
from storm_calm.env.problem import Problem, ProblemFile, check_answer
from storm_calm.env.problems.families.scaled.answer import ProvenAnswer
from storm_calm.env.problems.families.scaled.scaled_family import ScaledFamily
from storm_calm.env.problems.families.scaled.tables import Data, read_tables, write_tables
from storm_calm.env.serialize import from_json, to_json
from storm_calm.env.workspace import problem_file, workspace_files

ANSWER = "answer.json"
"""The proven answer in a problem's folder. Neither reasoner nor programs see it."""


def write_files(folder: Path, files: Mapping[str, bytes]) -> tuple[ProblemFile, ...]:
    """Write the files of a problem. Raises ValueError if the folder has a file with another content."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        if not path.exists():
            with atomic_write(path) as draft:
                draft.write_bytes(content)
        elif path.read_bytes() != content:
            raise ValueError(f"{path}: exists with another content; choose another folder, or remove it")
    return tuple(problem_file(str(folder), name) for name in files)


def write_data(folder: Path, family: ScaledFamily, data: Data) -> tuple[ProblemFile, ...]:
    """Write the data of a problem. Raises ValueError as `write_files` does."""
    return write_files(folder, write_tables(family.tables, data))


def read_data(family: ScaledFamily, problem: Problem) -> Data:
    """Return the data in the files of a problem. Raises ValueError for missing or changed files."""
    return read_tables(family.tables, workspace_files(problem))


def stored_answer(folder: Path) -> ProvenAnswer | None:
    """Return the answer that an earlier run proved, or None. Raises ValueError for an invalid file."""
    path = folder / ANSWER
    if not path.exists():
        return None
    try:
        proven = from_json(ProvenAnswer, orjson.loads(path.read_bytes()))
        check_answer(proven.answer)
    except ValueError as error:
        raise ValueError(f"{path}: not a proven answer ({error}); remove the file") from error
    return proven


def store_answer(folder: Path, proven: ProvenAnswer) -> None:
    data: dict[str, Any] = to_json(proven)
    write_json(folder / ANSWER, data)
