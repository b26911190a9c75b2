"""The line of a problem file: a problem as JSON data.

    {"id": "mix-1", "question": "A workshop makes ...", "answer": "1,234.5"}

A problem needs `id`, `question`, and `answer` or `answers`. It may have files, outputs and a checker, with paths in the
folder of the problem file:

    {"id": "depots", "question": "Which depots ...", "answer": 1200, "files": ["costs.csv"],
     "outputs": [{"path": "plan.json", "schema": {"type": "object"}}], "checker": "check.py"}

A file that is given by its path alone gets its SHA-256 when the line is read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.env.answers import parse_answer
from storm_calm.env.jsonl import short
from storm_calm.env.problem import TOLERANCE, AnswerKey, Checker, Difficulty, Output, Problem, ProblemFile, check_answer
from storm_calm.env.reward import RULES
from storm_calm.env.row_fields import ANSWERS, QUESTIONS, field_names, first_given, question_of
from storm_calm.env.serialize import from_json, to_json
from storm_calm.env.workspace import problem_file
from storm_calm.sandbox.file_names import normalized_path

TEXTS = ("id", "question", "rule", "source", "family", "difficulty")
"""Fields of a line that are texts."""
WORKSPACE = {
    "folder": "",
    "files": (),
    "outputs": (),
    "checker": None,
    "time_limit": None,
    "memory_mb": None,
    "tolerance": TOLERANCE,
}
"""Fields of a problem that a line without them has by default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemLine:
    """A line of a problem file. Other fields are ignored."""

    id: str | int
    """Unique within the file."""
    question: str
    """The problem in words, data included."""
    answer: float | str | None = None
    """The accepted answer: a number, "infeasible", "unbounded", or text that `parse_answer` reads."""
    answers: tuple[float | str, ...] | None = None
    """Several accepted answers, instead of `answer`."""
    rule: str | None = None
    """Name of the scoring rule for the answers."""
    source: str | None = None
    """Origin of the problem and its answers."""
    family: str | None = None
    """Problem family of a generated problem, such as "knapsack"."""
    difficulty: Difficulty | None = None
    """Intended difficulty."""
    folder: str | None = None
    """Folder of the files, relative to that of the problem file; by default that folder."""
    files: tuple[str | ProblemFile, ...] | None = None
    """Data files that programs find under the same paths: each a path, or with its SHA-256 if it must not change."""
    outputs: tuple[str | Output, ...] | None = None
    """Files that a program must write: each a path, or with its JSON Schema; "-" is its standard output."""
    checker: str | Checker | None = None
    """What checks the outputs: the path of a Python program, the program with its SHA-256, or a function of ours."""
    time_limit: float | None = None
    """Wall seconds of each program, instead of the sandbox's limit."""
    memory_mb: int | None = None
    """MiB of memory of each program, instead of the sandbox's limit."""
    tolerance: float | None = None
    """The largest gap of a correct plan; by default 1e-4."""


def problem_to_json(problem: Problem, folder: Path | None = None) -> dict[str, Any]:
    """Return the line of a problem. Workspace fields with their defaults are left out, and files of an environment.

    folder: of the file that will have the line. The problem's own folder is written relative to it if it is inside.
    """
    data = to_json(problem)
    del data["data_description"]
    for name, default in WORKSPACE.items():
        if getattr(problem, name) == default:
            del data[name]
    if problem.folder and folder is not None and Path(problem.folder).is_relative_to(folder):
        data["folder"] = Path(problem.folder).relative_to(folder).as_posix()
    return data


def read_problem(record: Mapping[str, Any], folder: Path) -> Problem:
    """Return the problem in a line. folder: of its file, absolute.

    Raises ValueError that names the field, or the file that is missing, changed, or outside of the problem's folder.
    """
    record = field_names(record)
    if record.get("question") is None and first_given(record, QUESTIONS) is not None:
        record["question"] = question_of(record)
    values: dict[str, Any] = {}
    for name in TEXTS:
        value = record.get(name)
        if value is None:
            if name in ("id", "question"):
                raise ValueError(f'"{name}" is missing; give a text')
            continue
        if name == "id" and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise ValueError(f'"{name}" is {short(value)}; give a text')
        if name in ("id", "question") and not value.strip():
            raise ValueError(f'"{name}" is empty; give a text')
        values[name] = value
    if values.get("rule", "paper") not in RULES:
        raise ValueError(f'"rule" {values["rule"]!r} is unknown; give one of {", ".join(RULES)}')
    if values.get("difficulty", "") not in ("", "easy", "complex"):
        raise ValueError(f'"difficulty" is {values["difficulty"]!r}; give "easy" or "complex", or leave it out')
    workspace = _workspace(record, folder)
    return Problem(answers=_answers(record, optional=workspace.get("checker") is not None), **values, **workspace)


def _workspace(record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the workspace fields of a problem."""
    given = {name: record[name] for name in WORKSPACE if record.get(name) is not None}
    if not given:
        return {}
    data = dict(given)
    if "files" in data or "checker" in data:
        if not isinstance(data.get("folder", ""), str):
            raise ValueError(f'"folder" is {short(data["folder"])}; give a path')
        folder = folder / data.get("folder", "")
        data["folder"] = str(folder)
    for name in ("files", "outputs"):
        if not isinstance(data.get(name, []), list):
            raise ValueError(f'"{name}" is {short(data[name])}; give a list of paths')
    if "files" in data:
        data["files"] = [_file(one, "files", folder) for one in data["files"]]
    if "outputs" in data:
        data["outputs"] = [{"path": one} if isinstance(one, str) else one for one in data["outputs"]]
    checker = data.get("checker")
    if isinstance(checker, str):
        checker = {"program": checker}
    if isinstance(checker, dict):
        files = {name: checker[name] for name in ("program", "data") if checker.get(name) is not None}
        data["checker"] = checker | {name: _file(file, "checker", folder) for name, file in files.items()}
    if isinstance(data.get("time_limit"), int):
        data["time_limit"] = float(data["time_limit"])
    read = from_json(_Workspace, data)
    return {name: getattr(read, name) for name in data}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Workspace:
    """The workspace fields of `Problem`, to validate them alone."""

    folder: str = ""
    files: tuple[ProblemFile, ...] = ()
    outputs: tuple[Output, ...] = ()
    checker: Checker | None = None
    time_limit: float | None = None
    memory_mb: int | None = None
    tolerance: float = TOLERANCE


def _file(given: Any, field: str, folder: Path) -> dict[str, Any]:
    """Return the data of a `ProblemFile`, after checking the file in the folder."""
    path = given.get("path") if isinstance(given, dict) else given
    if not isinstance(path, str):
        raise ValueError(f'"{field}" has {short(given)}; give the path of a file')
    file = problem_file(str(folder), normalized_path(path))
    if isinstance(given, dict) and given.get("sha256") not in (None, file.sha256):
        raise ValueError(f"{folder / path}: has changed since the problem was written (another SHA-256); restore it")
    return to_json(file)


def _answers(record: Mapping[str, Any], *, optional: bool) -> tuple[AnswerKey, ...]:
    several = record.get("answers")
    name = next((name for name in ANSWERS if name != "answers" and record.get(name) is not None), None)
    if name == "answer" and several is not None:
        raise ValueError('"answer" and "answers" are both given; give one of them')
    if several == [] and optional:
        return ()
    if several is not None:
        if isinstance(several, str) and several.strip().startswith("["):
            several = _list_in_cell(several)
        if not isinstance(several, list) or not several:
            raise ValueError(f'"answers" is {short(several)}; give a list of at least one answer')
        return tuple(_answer("answers", value) for value in several)
    if name is None and optional:
        return ()
    if name is None:
        raise ValueError('"answer" is missing; give a number, "infeasible" or "unbounded"')
    return (_answer(name, record[name]),)


def _list_in_cell(text: str) -> Any:
    """Return the list in a cell of a CSV file; the text itself if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _answer(field: str, value: object) -> AnswerKey:
    if isinstance(value, str):
        read = parse_answer(value)
        if read is None:
            raise ValueError(f'"{field}" {short(value)} cannot be read; give a number, "infeasible" or "unbounded"')
        if read.status != "number":
            return read.status
        assert read.value is not None
        return read.value
    try:
        check_answer(value)
        return float(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError) as error:
        raise ValueError(f'"{field}" is {short(value)}; give a number, "infeasible" or "unbounded"') from error
