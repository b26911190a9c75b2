"""OR-Space: 100 business problems as folders, to build a plan and to revise it (arXiv 2605.28158, CC BY-NC 4.0).

    OR_SPACE["or_space_build"].rows(Path("OR-Space"))

`Workspace_OR` has the folders and `evaluation` the accepted objective values. The published scorer wants the status
Optimal and an objective within 1 %, as the rule `or_space` does. The program of a build folder is published with the
revise folder of the same number, that of a revise folder with the explain folder.
"""

import csv
import re
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Literal

from storm_calm.env.jsonl import short
from storm_calm.env.problem import AnswerKey, Problem, check_answer
from storm_calm.env.problems.benchmarks.workspaces.reference_program import record_result, with_preamble, write_files
from storm_calm.env.problems.benchmarks.workspaces.workspace_set import Instance, WorkspaceSet
from storm_calm.env.workspace import problem_file

Task = Literal["build", "revise"]

TOLERANCE = 0.01
"""The relative tolerance of the rule `or_space`."""
TASKS: dict[Task, str] = {
    "build": (
        "The numbers are in the data files. Build the optimization model of this problem and solve it. The answer is "
        "the optimal value of its objective, or infeasible."
    ),
    "revise": (
        "The folder original/ has the request, the data and the program of the original plan; the request above and "
        "the data of the revision are in revised/. Revise the optimization model and solve it with the revised data. "
        "The answer is the optimal value of the revised objective, or infeasible."
    ),
}
"""What to do, after the request."""
_REQUEST = {"build": "docs/business_requirement.md", "revise": "revised/docs/business_requirement.md"}
_PARTS = {"build": ("data",), "revise": ("original", "revised")}
"""The folders of a workspace whose files the model may see."""
_LIBRARIES = ("gurobi_pulp_compat.py", "gurobi_execution_record.py")
"""Modules that the published programs import, and that only some folders have."""


def _instances(task: Task, root: Path) -> Iterator[Instance]:
    folders = root.glob(f"Workspace_OR/{task}_workspaces/instance_*")
    numbered = [
        (int(found[1]), folder) for folder in folders if (found := re.fullmatch(r"instance_(\d+)", folder.name))
    ]
    for number, folder in sorted(numbered):
        yield Instance(
            place=str(folder),
            read=partial(_read_problem, task, number, folder),
            answers=partial(_read_answers, task, number, root),
            program=partial(_read_program, task, number, root),
        )


OR_SPACE = {
    f"or_space_{task}": WorkspaceSet(
        name=f"or_space_{task}",
        folders=(".", "or_space", "OR-Space"),
        mark=f"Workspace_OR/{task}_workspaces/instance_*",
        instances=partial(_instances, task),
    )
    for task in TASKS
}
"""The sets of two tasks. `or_space_explain` has that of the third, which is answered in words."""


def _read_problem(task: Task, number: int, folder: Path) -> Problem:
    """Return the problem of a workspace, without its answer. Its id is the published one."""
    request = folder / _REQUEST[task]
    question = request.read_text(encoding="utf-8", errors="replace").strip()
    if not question:
        raise ValueError(f"{request}: is empty; restore it")
    parts = [folder / part for part in _PARTS[task]]
    files = sorted(path for part in parts for path in part.rglob("*") if path.is_file())
    paths = [path.relative_to(folder).as_posix() for path in files if not path.name.startswith(".")]
    return Problem(
        id=_id(task, number),
        question=f"{question}\n\n{TASKS[task]}",
        answers=(),
        rule="or_space",
        source=f"or_space_{task}: {folder.name}, arXiv 2605.28158",
        folder=str(folder.resolve()),
        files=tuple(problem_file(str(folder), path) for path in paths),
    )


def _id(task: Task, number: int) -> str:
    return f"or_space_{number:03}_{task}"


def _read_answers(task: Task, number: int, root: Path) -> tuple[AnswerKey, ...]:
    """Return the accepted objective value of a workspace; none if it is missing or cannot be read."""
    file = root / "evaluation" / f"{task}_evaluation" / "reference_objectives.csv"
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; download the folder evaluation/ of the set, too")
    row = _objectives(file, file.stat().st_mtime_ns).get(_id(task, number))
    if row is None:
        return ()
    try:
        tolerance, objective = float(row["relative_tolerance"]), float(row["reference_objective"])
        check_answer(objective)
    except (KeyError, TypeError, ValueError):
        return ()
    if tolerance != TOLERANCE:
        raise ValueError(f"{file}: the tolerance of {_id(task, number)} is {short(tolerance)}, not {TOLERANCE}")
    return (objective,)


@cache
def _objectives(file: Path, modified: int) -> dict[str, dict[str, str]]:
    """Return the rows of a file of accepted objective values by workspace. modified: for the cache."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return {row.get("workspace_id", ""): row for row in csv.DictReader(lines)}
    except (csv.Error, UnicodeDecodeError) as error:
        raise OSError(f"{file}: cannot be read as CSV ({error}); restore it") from None


def _read_program(task: Task, number: int, root: Path) -> str | None:
    """Return the published program of a workspace, with the modules that the workspace lacks."""
    folders = root / "Workspace_OR"
    original = folders / "revise_workspaces" / f"instance_{number}" / "original" / "src"
    revised = folders / "explain_workspaces" / f"instance_{number}" / "revised" / "src"
    if task == "build":
        main, place = original / "current_heuristic.py", "src"
        modules = {path.name: path for path in sorted(original.glob("*.py")) if path != main}
    else:
        main, place = revised / "optimization_model.py", "revised/src"
        modules = {"utils.py": revised / "utility_code.py"}
    if not main.is_file():
        return None
    text = main.read_text(encoding="utf-8")
    imported = [name for name in _LIBRARIES if name.removesuffix(".py") in text]
    modules = {name: _library(name, original, folders) for name in imported} | modules
    texts = {f"{place}/{name}": path.read_text(encoding="utf-8") for name, path in modules.items() if path.is_file()}
    preamble = (
        f"{write_files(texts)}# The program's own folder, which the data are relative to.\n"
        "import sys\n\n"
        f'sys.path.insert(0, os.path.abspath("{place}"))\n'
        f'__file__ = os.path.abspath("{place}/{main.name}")\n\n'
    )
    return with_preamble(text, preamble + record_result(with_objective=False))


def _library(name: str, original: Path, folders: Path) -> Path:
    """Return the file of a module: the workspace's own, or else another's, where it is the same."""
    others = sorted(folders.glob(f"revise_workspaces/*/original/src/{name}"))
    return next((path for path in (original / name, *others) if path.is_file()), original / name)
