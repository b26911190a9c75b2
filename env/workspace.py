"""The workspace of a problem: its files, read and verified, the full question for the prompt, and its limits.

    env = SolverEnv(sandbox, reasoner)
    env.reset(problem)        # Calls `workspace_files`, `full_question` and `program_limits`.

Files are read from the problem's folder when an environment needs them, and must have the recorded SHA-256: a result
always belongs to the data it names. The contents for the last problems are kept in memory.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from storm_calm.env.data_files import MAX_BYTES, describe_files
from storm_calm.env.problem import STANDARD_OUTPUT, Output, Problem, ProblemFile
from storm_calm.sandbox import Limits
from storm_calm.sandbox.file_names import normalized_path

MAX_WORKSPACE_BYTES = 256 << 20
"""Bytes of all files of a problem together."""
MAX_NAMED = 20
"""Files of a program that are returned since it names them."""
_FILE_NAME = re.compile(r"""(["'])([\w][\w .()-]{0,80}\.[A-Za-z][A-Za-z0-9]{1,7})\1""")
MAX_SCHEMA = 4000
"""Characters of a schema in the prompt; the rest of a longer one is left out."""


def workspace_files(problem: Problem) -> Mapping[str, bytes]:
    """Return the contents of the problem's files by path.

    Raises ValueError that names the file: missing, changed, too large, or outside the problem's folder.
    """
    return _read_all(problem.folder, problem.files) if problem.files else {}


@lru_cache(maxsize=8)
def _read_all(folder: str, files: tuple[ProblemFile, ...]) -> Mapping[str, bytes]:
    contents: dict[str, bytes] = {}
    left = MAX_WORKSPACE_BYTES
    for file in files:
        contents[file.path] = read_file(folder, file)
        left -= len(contents[file.path])
        if left < 0:
            raise ValueError(
                f"{folder}: the files of the problem have more than {MAX_WORKSPACE_BYTES >> 20} MiB; give less data"
            )
    return MappingProxyType(contents)


def read_file(folder: str, file: ProblemFile) -> bytes:
    """Return the content of one file of a problem. Raises ValueError as `workspace_files` does."""
    path, content = _read(folder, file.path)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ValueError(f"{path}: has changed since the problem was written (another SHA-256); restore it")
    return content


def problem_file(folder: str, path: str) -> ProblemFile:
    """Return the entry of a file that is in the folder. Raises ValueError as `workspace_files` does."""
    return ProblemFile(path=path, sha256=hashlib.sha256(_read(folder, path)[1]).hexdigest())


def _read(folder: str, path: str) -> tuple[Path, bytes]:
    full = Path(folder) / path
    try:
        # A link may lead out of the folder.
        if not full.resolve().is_relative_to(Path(folder).resolve()):
            raise ValueError(f"{full}: leads out of the problem's folder; copy the file into it")
        if not full.is_file():
            raise ValueError(f"{full}: no such file; put the problem's file there")
        size = full.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"{full}: has {size >> 20} MiB, more than {MAX_BYTES >> 20}; give less data")
        return full, full.read_bytes()
    except OSError as error:
        raise ValueError(f"{full}: cannot be read ({error.strerror})") from None


def full_question(problem: Problem) -> str:
    """Return the question with the wanted outputs, the limits and the files. Raises ValueError for unreadable files."""
    parts = [problem.question.rstrip() if problem.files or problem.outputs else problem.question]
    parts += [_wanted(output) for output in problem.outputs]
    if problem.time_limit or problem.memory_mb:
        limits = [f"{problem.time_limit:g} seconds"] if problem.time_limit else []
        limits += [f"{problem.memory_mb} MiB of memory"] if problem.memory_mb else []
        parts.append(f"Each program may use at most {' and '.join(limits)}.")
    described = [*describe_files(workspace_files(problem)), problem.data_description]
    return "\n\n".join([*parts, *filter(None, described)])


def shown_question(problem: Problem) -> str:
    """Return the full question for people; without the contents of the files if these are gone."""
    try:
        return full_question(problem)
    except ValueError:
        return "\n\n".join([problem.question, "Data files: " + ", ".join(file.path for file in problem.files)])


def _wanted(output: Output) -> str:
    place = "print the result as one JSON object to the standard output"
    if output.path != STANDARD_OUTPUT:
        place = f"write the result to the file {output.path} in the working directory"
    if output.schema is None:
        return f"A program must also {place}."
    schema = json.dumps(output.schema, ensure_ascii=False)
    if len(schema) > MAX_SCHEMA:
        schema = f"{schema[:MAX_SCHEMA]}..."
    return f"A program must also {place}, as JSON with this schema:\n{schema}"


def named_files(code: str) -> list[str]:
    """Return the names in a program that may be of files which it writes: short texts with a suffix, at most 20."""
    names = dict.fromkeys(found[2] for found in _FILE_NAME.finditer(code))
    return [name for name in names if name != "main.py" and _is_name(name)][:MAX_NAMED]


def _is_name(name: str) -> bool:
    try:
        return normalized_path(name) == name
    except ValueError:
        return False


def program_limits(problem: Problem, limits: Limits) -> Limits:
    """Return the limits of a program on this problem. limits: for what the problem does not limit."""
    return replace(
        limits,
        seconds=problem.time_limit or limits.seconds,
        memory_mb=problem.memory_mb or limits.memory_mb,
    )
