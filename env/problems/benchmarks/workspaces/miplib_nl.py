"""MIPLIB-NL: 223 problems in words after models of MIPLIB 2017, with data files (arXiv 2602.10450, CC BY-SA 4.0).

    MIPLIB_NL.rows(Path("MIPLIB-NL/dataset"))

Each instance is a folder with `instance.json`, `data/`, the model in `model.md` and a program in `solve.py`. The
question has the description, the parameters, and what is published about each file. Neither paper nor repository names
a tolerance, so the rule is `paper`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from storm_calm.env.answers import parse_answer
from storm_calm.env.jsonl import short
from storm_calm.env.problem import AnswerKey, Problem, check_answer
from storm_calm.env.problems.benchmarks.workspaces.reference_program import record_result, with_preamble, write_files
from storm_calm.env.problems.benchmarks.workspaces.workspace_set import Instance, WorkspaceSet
from storm_calm.env.workspace import problem_file
from storm_calm.sandbox.file_names import normalized_path

SECRET = ("instance.json", "model.md", "solve.py")
"""Files of an instance that the model must not see: they have the answer or the model."""
TASK = (
    "Find the optimal value of the objective. It is the answer. If no solution meets all requirements, the answer is "
    "infeasible."
)
MAX_DESCRIPTION = 4000
"""Characters of the description of a file in the question."""
_EXPECTED = {
    r"len\(sys\.argv\) *< *2": 'import sys\n\nsys.argv = ["solve.py", "data"]\n',
    r"expanduser\(": 'os.environ["HOME"] = os.getcwd()\nos.mkdir("Desktop")\nos.symlink("..", "Desktop/{name}")\n',
    r"\bpath_to_your_file\b": 'os.mkdir("path_to_your_file")\nos.symlink("..", "path_to_your_file/{name}")\n',
}
"""What a published program needs besides its files, by a pattern of its text."""


def _instances(root: Path) -> Iterator[Instance]:
    for file in sorted(root.glob("*/instance.json")):
        yield Instance(
            place=str(file),
            read=partial(_read_problem, file),
            answers=partial(_read_answers, file),
            program=partial(_read_program, file),
        )


MIPLIB_NL = WorkspaceSet(
    name="miplib_nl",
    folders=(".", "dataset", "miplib_nl", "miplib_nl/dataset", "MIPLIB-NL", "MIPLIB-NL/dataset"),
    mark="*/instance.json",
    instances=_instances,
)


def _read_problem(file: Path) -> Problem:
    """Return the problem of an instance, without its answer."""
    data = _read_json(file)
    parameters = data.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise ValueError(f'"parameters" is {short(parameters)}; give an object')
    description = data.get("abstract_problem")
    if not isinstance(description, str) or not description.strip():
        raise ValueError(f'"abstract_problem" is {short(description)}; give a text')
    described = dict(_described_files(data).values())
    folder = file.parent
    listed = [path.relative_to(folder).as_posix() for path in sorted((folder / "data").rglob("*")) if path.is_file()]
    paths = {normalized_path(path) for path in listed if not Path(path).name.startswith(".")}
    # A description may be of a folder.
    paths |= {path for path in described if not (folder / path).is_dir()}
    question = [_filled(description, parameters).strip()]
    if rest := [name for name in parameters if f"{{{name}}}" not in description and parameters[name] is not None]:
        question.append("Parameters:\n" + "\n".join(f"- {name}: {_shown(parameters[name])}" for name in rest))
    question += [f"{path}: {_filled(text, parameters)}" for path, text in described.items() if text]
    return Problem(
        id=f"miplib_nl-{folder.name}",
        question="\n\n".join([*question, TASK]),
        answers=(),
        source=f"miplib_nl: {folder.name}/instance.json, arXiv 2602.10450",
        folder=str(folder.resolve()),
        files=tuple(problem_file(str(folder), path) for path in sorted(paths)),
    )


def _read_json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from None
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return data


def _described_files(data: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the path and the published description of each file, by its name in `instance.json`."""
    files = data.get("files") or {}
    if isinstance(files, list):
        files = {str(number): entry for number, entry in enumerate(files)}
    if not isinstance(files, dict):
        raise ValueError(f'"files" is {short(files)}; give an object')
    described: dict[str, tuple[str, str]] = {}
    for name, entry in files.items():
        path = entry.get("path") if isinstance(entry, dict) else entry
        text = entry.get("description") if isinstance(entry, dict) else None
        if not isinstance(path, str):
            raise ValueError(f'"files" has no path for {name!r}; give one')
        path = normalized_path(path.rstrip("/"))
        if path in SECRET or path.endswith(".log"):
            raise ValueError(f'"files" has {path}, which shows the answer or the model; remove it')
        described[name] = path, text.strip()[:MAX_DESCRIPTION] if isinstance(text, str) else ""
    return described


def _filled(text: str, parameters: Mapping[str, Any]) -> str:
    """Put parameters in place of their names in braces. Other braces, as in formulas, stay."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return re.sub(r"\{(\w+)\}", lambda found: _shown(given[found[1]]) if found[1] in given else found[0], text)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read_answers(file: Path) -> tuple[AnswerKey, ...]:
    value: Any = _read_json(file).get("optimal_value")
    if isinstance(value, str):
        answer = parse_answer(value)
        if answer is not None and answer.status != "number":
            return (answer.status,)
        value = None if answer is None else answer.value
    try:
        check_answer(value)
        return (float(value),)
    except (TypeError, ValueError, OverflowError):
        return ()


def _read_program(file: Path) -> str | None:
    """Return the published program of an instance, which finds `instance.json` without the answer."""
    published = file.parent / "solve.py"
    if not published.is_file():
        return None
    data = _read_json(file)
    name = file.parent.name
    files = {key: {"path": path} for key, (path, _) in _described_files(data).items()}
    # Programs read the file under its former name, and keys that it no longer has.
    given = {"id": name, "problem_type": name, "parameters": data.get("parameters") or {}, "files": files}
    shown = json.dumps(given, ensure_ascii=False)
    text = published.read_text(encoding="utf-8")
    preamble = write_files({"instance.json": shown, "problem.json": shown, "logs/log.txt": ""})
    preamble += record_result(with_objective=True)
    for mark, lines in _EXPECTED.items():
        if re.search(mark, text):
            preamble += f"# What the program expects on its author's machine.\n{lines.format(name=name)}\n"
    return with_preamble(text, preamble)
