"""Write problems as folders of Harbor tasks.

The agent's container has the question and the problem's data files. Accepted answers, checkers and the verifier are in
`tests/`, which only the verifier's own container gets (`environment_mode = "separate"`). Harbor copies the answer and
the outputs there. The same problems give the same bytes.
"""

import hashlib
import importlib.metadata
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import tee
from pathlib import Path

import tomli_w
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from storm_calm.env.checkers import FUNCTIONS, PRINTED
from storm_calm.env.problem import STANDARD_OUTPUT, Problem
from storm_calm.env.problem_line import problem_to_json
from storm_calm.env.workspace import full_question, read_file, workspace_files
from storm_calm.rl.datasets.harbor.bundle import bundle
from storm_calm.rl.datasets.harbor.verifier import ANSWER, PROBLEM
from storm_calm.sandbox.libraries import DISTRIBUTIONS

WORKDIR = "/workdir"
"""The agent's working directory. TRL's Harbor agent asks for the answer in the same file of it."""
IMAGE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
"""This Python's version, for which the versions of the libraries were chosen."""
SCHEMA_VERSION = "1.4"
"""The version of Harbor's `task.toml`."""
_VERIFIER = "storm_calm.rl.datasets.harbor.verifier"
_VERIFIER_NEEDS = ("json-repair", "jsonschema", "orjson", "pydantic")
_TEST = f"""#!/bin/bash
# Scores the agent's working directory. Without a reward file the trial has no score.
exec python3 -I "$(dirname "$0")/verifier.pyz" "${{1:-{WORKDIR}}}" "${{2:-/logs/verifier}}"
"""
_ANSWER_REQUEST = (
    "Solve this with a Python program, and let a solver library do the computing. {directory} "
    "Installed are {libraries}.\n\n"
    f"Write the answer to the file {WORKDIR}/{ANSWER}. It holds nothing but one number, the optimal objective value as "
    "the solver printed it, not rounded; or the word infeasible or unbounded."
)


def write_tasks(folder: Path, problems: Iterable[Problem]) -> int:
    """Write a task for each problem into the new folder `folder`, which appears only when it is complete.

    Problems are read one at a time. Without any, no folder is made. Returns their number.
    Raises ValueError for unreadable files of a problem, and for names that the tasks need themselves.
    """
    named, ids = tee(problems)
    count = 0
    draft = folder.with_name(f"{folder.name}.part")
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.mkdir()
    try:
        for name, problem in zip(task_names(one.id for one in ids), named, strict=True):
            count += 1
            for path, content in task_files(problem, name).items():
                file = draft / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                file.chmod(0o755 if path.endswith(".sh") else 0o644)
        if count:
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return count


def task_names(ids: Iterable[str]) -> Iterator[str]:
    """Yield a name for each problem id: the id if Harbor allows it and no other has it, or else one with a hash."""
    used: set[str] = set()
    for id in ids:
        name = re.sub(r"[^A-Za-z0-9_-]+|\.{2,}", "-", id).strip("-_.")[:80] or "task"
        # Some file systems do not distinguish upper and lower case.
        if name != id or name.lower() in used:
            name = f"{name}-{hashlib.sha256(id.encode()).hexdigest()[:8]}"
        used.add(name.lower())
        yield name


def task_files(problem: Problem, name: str) -> Mapping[str, bytes]:
    """Return the contents of a task's files by path. Raises ValueError as `write_tasks` does."""
    data = workspace_files(problem)
    outputs = [PRINTED if output.path == STANDARD_OUTPUT else output.path for output in problem.outputs]
    if ANSWER in {*data, *outputs}:
        raise ValueError(
            f"problem {problem.id!r}: {ANSWER} is where the agent writes its answer; rename the problem's file"
        )
    files = {
        "task.toml": tomli_w.dumps(_settings(problem, name, outputs)).encode(),
        "instruction.md": _instruction(problem).encode(),
        "environment/Dockerfile": _dockerfile(bool(data)).encode(),
        "tests/test.sh": _TEST.encode(),
        "tests/verifier.pyz": _verifier(problem.checker.function if problem.checker else ""),
        f"tests/{PROBLEM}": _problem_line(problem),
    }
    files |= {f"environment/data/{path}": content for path, content in data.items()}
    files |= {f"tests/data/{path}": content for path, content in data.items()}
    if problem.checker is not None and problem.checker.file is not None:
        file = problem.checker.file
        files[f"tests/data/{file.path}"] = read_file(problem.folder, file)
    return files


def _settings(problem: Problem, name: str, outputs: Sequence[str]) -> dict[str, object]:
    labels = {key: getattr(problem, key) for key in ("id", "family", "difficulty", "source", "rule")}
    return {
        "schema_version": SCHEMA_VERSION,
        # What Harbor copies to the verifier.
        "artifacts": [f"{WORKDIR}/{path}" for path in (ANSWER, *outputs)],
        "task": {
            "name": f"storm/{name}",
            "description": f"An optimization problem{f' of the family {problem.family}' if problem.family else ''}.",
            "keywords": ["optimization", *filter(None, [problem.family])],
        },
        "metadata": {key: value for key, value in labels.items() if value},
        "agent": {"timeout_sec": 1800.0},
        "verifier": {"timeout_sec": 300.0, "environment_mode": "separate"},
        "environment": {"build_timeout_sec": 1200.0, "cpus": 2, "memory_mb": 4096, "workdir": WORKDIR},
    }


def _instruction(problem: Problem) -> str:
    outputs = tuple(
        replace(output, path=PRINTED) if output.path == STANDARD_OUTPUT else output for output in problem.outputs
    )
    directory = f"The working directory is {WORKDIR}{', with the data files' if problem.files else ''}."
    request = _ANSWER_REQUEST.format(directory=directory, libraries=", ".join(libraries()))
    return f"{full_question(replace(problem, outputs=outputs)).rstrip()}\n\n{request}\n"


def _dockerfile(has_data: bool) -> str:
    # The verifier's container is built from the same file, so it has what the verifier imports.
    needed = [f"{name}=={importlib.metadata.version(name)}" for name in sorted({*libraries(), *_VERIFIER_NEEDS})]
    lines = [
        f"FROM {IMAGE}",
        "ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore",
        "RUN python -m pip install \\",
        " \\\n".join(f"    '{line}'" for line in needed),
        f"WORKDIR {WORKDIR}",
        *([f"COPY data/ {WORKDIR}/"] if has_data else []),
    ]
    return "\n".join(lines) + "\n"


@cache
def libraries() -> tuple[str, ...]:
    """Return the libraries of programs that this project requires; not optional ones, which may need a licence."""
    required = [Requirement(line) for line in importlib.metadata.requires("storm-calm") or ()]
    names = {canonicalize_name(line.name) for line in required if line.marker is None}
    return tuple(name for name in DISTRIBUTIONS if name in names)


def _problem_line(problem: Problem) -> bytes:
    folder = "data" if problem.files or (problem.checker and problem.checker.file) else ""
    line = problem_to_json(replace(problem, folder=folder))
    return (json.dumps(line, indent=2, ensure_ascii=False) + "\n").encode()


@cache
def _verifier(function: str) -> bytes:
    """Return the verifier. function: the key of the problem's checker in `FUNCTIONS`, or ""."""
    known = [FUNCTIONS[function].partition(":")[0]] if function in FUNCTIONS else []
    return bundle(_VERIFIER, known)
