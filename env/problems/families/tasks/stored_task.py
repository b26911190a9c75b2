"""A task as it is stored in the folder of its problem, apart from the files that the reasoner sees.

It has what the checker needs to know, and the reference program. A task is found with many solves, so that one which is
stored is used again.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from storm_calm.env.atomic_write import write_json
from storm_calm.env.problem import AnswerKey, Checker, Output, Problem, ProblemFile
from storm_calm.env.problems.families.scaled.scaled_problems import MEMORY_MB
from storm_calm.env.serialize import from_json, to_json
from storm_calm.env.workspace import problem_file, read_file

TASK = "task.json"
"""The file of a task. Neither reasoner nor programs see it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTask:
    """A task of a problem family."""

    question: str
    answers: tuple[AnswerKey, ...]
    files: tuple[str, ...]
    """The paths of the files."""
    output: Output
    tolerance: float
    """The largest gap of a correct plan."""
    seconds: float
    """Time limit of a program."""
    program: str
    """The reference program."""
    data: dict[str, Any] | None = None
    """The data of the problem that a plan must solve, which are not all in the files; None for an explain task."""
    truth: dict[str, Any] | None = None
    """The right answers of an explain task."""


def write_task(folder: Path, task: StoredTask) -> None:
    """Write a task into the folder of its problem."""
    data: dict[str, Any] = to_json(task)
    write_json(folder / TASK, data)


def read_stored(folder: Path) -> StoredTask | None:
    """Return the task in a folder, or None. Raises ValueError for an invalid file."""
    path = folder / TASK
    if not path.exists():
        return None
    try:
        return from_json(StoredTask, json.loads(path.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path}: not a task ({error}); remove the folder") from error


def task_of(problem: Problem) -> StoredTask:
    """Return the task of a problem that has one. Raises ValueError for a missing or changed file."""
    assert problem.checker is not None
    assert problem.checker.data is not None
    return _parsed(problem.folder, problem.checker.data)


@lru_cache(maxsize=8)
def _parsed(folder: str, file: ProblemFile) -> StoredTask:
    return from_json(StoredTask, json.loads(read_file(folder, file)))


def task_problem(folder: Path, task: StoredTask, *, id: str, family: str, difficulty: Any) -> Problem:
    """Return the problem of a task whose files are in the folder."""
    own = str(folder)
    return Problem(
        id=id, question=task.question, answers=task.answers, rule="sirl", source="generated", family=family,
        difficulty=difficulty, folder=own, files=tuple(problem_file(own, path) for path in task.files),
        outputs=(task.output,), checker=Checker(function="task", data=problem_file(own, TASK)),
        time_limit=task.seconds, memory_mb=MEMORY_MB, tolerance=task.tolerance,
    )  # fmt: skip
