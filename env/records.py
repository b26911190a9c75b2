"""Read and write problems and episodes as JSON Lines. Errors name the file and the line.

A problem needs `id`, `question`, and `answer` or `answers`:

    {"id": "mix-1", "question": "A workshop makes ...", "answer": "1,234.5"}

Each episode is synced to disk when it is appended, so a killed process loses at most the line being written.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from storm_calm.env.answers import parse_answer
from storm_calm.env.episode import Episode
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import append_line, read_jsonl, short, write_lines
from storm_calm.env.problem import AnswerKey, Difficulty, Problem, check_answer
from storm_calm.env.reward import RULES
from storm_calm.env.row_fields import ANSWERS, QUESTIONS, field_names, first_given, question_of
from storm_calm.env.row_files import Place, read_rows
from storm_calm.env.serialize import from_json, to_json


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


def read_problems(path: str | Path) -> tuple[Problem, ...]:
    """Return the problems of a file, in order; each line as in `ProblemLine`, blank lines ignored.

    A JSON array or CSV with these fields is read too, see `env.row_files`, and other published names of the question
    and the answer, see `env.row_fields`. Raises ValueError with file and line for an invalid problem or a repeated id.
    """
    path = Path(path)
    seen: dict[str, Place] = {}
    problems: list[Problem] = []
    for place, problem in read_rows(path, _problem):
        if problem.id in seen:
            raise ValueError(f'{place}: "id" {problem.id!r} is already used in {seen[problem.id].inside}')
        seen[problem.id] = place
        problems.append(problem)
    if not problems:
        raise ValueError(f"{path}: no problems in this file; write one JSON object per line")
    return tuple(problems)


def write_problems(path: str | Path, problems: Iterable[Problem]) -> None:
    """Write a problem file atomically. Raises ValueError for a repeated id."""
    path = Path(path)
    seen: set[str] = set()
    lines: list[dict[str, Any]] = []
    for problem in problems:
        if problem.id in seen:
            raise ValueError(f"{path}: two problems have the id {problem.id!r}; give unique ids")
        seen.add(problem.id)
        lines.append(to_json(problem))
    write_lines(path, lines)


def read_episodes(path: str | Path) -> tuple[Episode, ...]:
    """Return the episodes of a file, in order; an incomplete last line is ignored.

    Raises ValueError with file and line for any other invalid line, FileNotFoundError if the file is missing.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; give an episode file")
    return tuple(episode for _, episode in read_jsonl(path, episode_from_json, growing=True))


def episode_to_json(episode: Episode) -> dict[str, Any]:
    """Return the JSON data of a line of an episode file."""
    return with_version(to_json(episode))


def episode_from_json(data: dict[str, Any]) -> Episode:
    """Parse a line of an episode file. Raises ValueError that names the field."""
    return from_json(Episode, without_version(data))


def append_episode(path: str | Path, episode: Episode) -> None:
    """Append an episode and sync it to disk. An incomplete last line is removed first."""
    append_line(Path(path), episode_to_json(episode))


def _problem(record: dict[str, Any]) -> Problem:
    record = field_names(record)
    if record.get("question") is None and first_given(record, QUESTIONS) is not None:
        record["question"] = question_of(record)
    values: dict[str, Any] = {}
    for name in (field.name for field in fields(ProblemLine) if not field.name.startswith("answer")):
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
    return Problem(answers=_answers(record), **values)


def _answers(record: dict[str, Any]) -> tuple[AnswerKey, ...]:
    several = record.get("answers")
    name = next((name for name in ANSWERS if name != "answers" and record.get(name) is not None), None)
    if name == "answer" and several is not None:
        raise ValueError('"answer" and "answers" are both given; give one of them')
    if several is not None:
        if isinstance(several, str) and several.strip().startswith("["):
            several = _list_in_cell(several)
        if not isinstance(several, list) or not several:
            raise ValueError(f'"answers" is {short(several)}; give a list of at least one answer')
        return tuple(_answer("answers", value) for value in several)
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
