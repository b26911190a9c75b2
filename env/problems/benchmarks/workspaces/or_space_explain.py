"""OR-Space Explain: 100 questions about an optimization model and its revision (arXiv 2605.28158, CC BY-NC 4.0).

    OR_SPACE_EXPLAIN.rows(Path("OR-Space"))

Each instance has the documents, data, programs and solver results of an original and a revised plan. The answer is an
explanation in words, so a problem has no accepted answer: `storm judge` scores the samples (`agents.judge`).

The explanation is the model's own text after its last program, as in the published answers, and not a file that a
program writes: prose with quotes, formulas and code in a Python string often is a syntax error, and uses up a program.
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from storm_calm.env.jsonl import short
from storm_calm.env.problem import Problem
from storm_calm.env.problems.benchmarks.workspaces.workspace_set import Instance, WorkspaceSet
from storm_calm.env.workspace import problem_file

NAME = "or_space_explain"
VERSIONS = ("original", "revised")
"""The folders of an instance that the model may see."""
TASK = (
    "The folders original/ and revised/ have the documents, data, models, programs and solver results before and after "
    "the revision. Read them with programs that print what you need. Then answer the question in words. Only what you "
    "write after your last program is read: make it complete and clear on its own. Quote code in single backticks, "
    "never in a code block, which would run. Close the explanation with \\boxed{done}."
)
"""What to do, after the question."""


def _instances(root: Path) -> Iterator[Instance]:
    folders = root.glob("Workspace_OR/explain_workspaces/instance_*")
    numbered = [
        (int(found[1]), folder) for folder in folders if (found := re.fullmatch(r"instance_(\d+)", folder.name))
    ]
    for number, folder in sorted(numbered):
        yield Instance(
            place=str(folder),
            read=partial(_read_problem, number, folder),
            answers=tuple,
            program=lambda: None,
        )


OR_SPACE_EXPLAIN = WorkspaceSet(
    name=NAME,
    folders=(".", "or_space", "OR-Space"),
    mark="Workspace_OR/explain_workspaces/instance_*",
    instances=_instances,
    judged=True,
)


def _read_problem(number: int, folder: Path) -> Problem:
    """Return the problem of an instance. Its id is the published `workspace_id`."""
    for version in VERSIONS:
        if not (folder / version).is_dir():
            raise ValueError(f"{folder / version}: no such folder; restore it")
    files = sorted(path for version in VERSIONS for path in (folder / version).rglob("*") if path.is_file())
    paths = [path.relative_to(folder).as_posix() for path in files if path.name != ".DS_Store"]
    return Problem(
        id=f"or_space_{number:03}_explain",
        question=f"{_read_question(folder / 'metadata.json')}\n\n{TASK}",
        answers=(),
        source=f"{NAME}: {folder.name}, arXiv 2605.28158",
        folder=str(folder.resolve()),
        files=tuple(problem_file(str(folder), path) for path in paths),
    )


def _read_question(file: Path) -> str:
    try:
        data = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not JSON ({error})") from None
    task = data.get("explain_task") if isinstance(data, dict) else None
    question = task.get("question") if isinstance(task, dict) else None
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f'{file}: "explain_task" has no "question" but {short(question)}; restore the file')
    return question.strip()
