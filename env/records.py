"""Read and write problems and episodes as JSON Lines. Errors name the file and the line.

The line of a problem is described in `env.problem_line`:

    {"id": "mix-1", "question": "A workshop makes ...", "answer": "1,234.5"}

It may have data files, wanted outputs and a checker, with paths from the folder of the problem file:

    {"id": "depots-1", "question": "Which depots ...", "answer": 1200, "files": ["depots-1/costs.csv"],
     "outputs": [{"path": "plan.json", "schema": {"type": "object"}}], "checker": {"program": "depots-1/check.py"}}

Each episode is synced to disk when it is appended, so a killed process loses at most the line being written.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from storm_calm.env.episode import Episode
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import append_line, read_jsonl, write_lines
from storm_calm.env.problem import Problem
from storm_calm.env.problem_line import problem_to_json, read_problem
from storm_calm.env.row_files import Place, read_rows
from storm_calm.env.serialize import from_json, to_json


def read_problems(path: str | Path) -> tuple[Problem, ...]:
    """Return the problems of a file, in order; each line as in `env.problem_line.ProblemLine`, blank lines ignored.

    A JSON array or CSV with these fields is read too, see `env.row_files`, and other published names of the question
    and the answer, see `env.row_fields`. Raises ValueError with file and line for an invalid problem or a repeated id.
    """
    return tuple(each_problem(path))


def each_problem(path: str | Path) -> Iterator[Problem]:
    """Yield the problems of a file one at a time, as `read_problems` returns them."""
    path = Path(path)
    seen: dict[str, int] = {}
    for place, problem in read_rows(path, partial(read_problem, folder=path.absolute().parent)):
        if problem.id in seen:
            first = Place(path, seen[problem.id], place.unit)
            raise ValueError(f'{place}: "id" {problem.id!r} is already used in {first.inside}')
        seen[problem.id] = place.number
        yield problem
    if not seen:
        raise ValueError(f"{path}: no problems in this file; write one JSON object per line")


def write_problems(path: str | Path, problems: Iterable[Problem]) -> None:
    """Write a problem file atomically. Raises ValueError for a repeated id."""
    path = Path(path)
    seen: set[str] = set()
    lines: list[dict[str, Any]] = []
    for problem in problems:
        if problem.id in seen:
            raise ValueError(f"{path}: two problems have the id {problem.id!r}; give unique ids")
        seen.add(problem.id)
        lines.append(problem_to_json(problem, path.absolute().parent))
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
