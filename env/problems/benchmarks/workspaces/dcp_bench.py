"""DCP-Bench-Open: combinatorial problems in words, checked with a CPMpy model (arXiv 2506.06052, Apache-2.0).

    DCP_BENCH.rows(Path("DCP-Bench-Open"))                     # The repository, its folder dataset/, or the JSONL file.
    dcp_bench(checkers=Path("checkers")).rows(Path("/data"))   # For data that cannot be written.

A program prints the values of the named variables as a JSON object, and the set's own model decides, as in the set's
`eval.py`. The checker of each problem has that model: its program is written to `.storm` in the folder of the set, and
needs CPMpy in the sandbox. `dcp_bench_check` is its main part.
"""

import hashlib
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from storm_calm.env.atomic_write import write_text
from storm_calm.env.problem import STANDARD_OUTPUT, Checker, Output, Problem, ProblemFile
from storm_calm.env.problems.benchmarks.workspaces import dcp_bench_check
from storm_calm.env.problems.benchmarks.workspaces.dcp_bench_rows import MODELS, DcpRow, published_file, published_rows
from storm_calm.env.problems.benchmarks.workspaces.workspace_set import Instance, WorkspaceSet
from storm_calm.sandbox.libraries import LIBRARIES_VARIABLE, find, requested_distributions

NAME = "dcp_bench"
CHECKERS = ".storm"
"""The folder of the checkers' programs in the folder of the set."""
SECONDS = 60.0
"""The time limit of a program, as in `eval.py`."""
MEMORY_MB = 2048
TASK = (
    "Only the printed JSON object is checked. {keys}Print it once, and nothing else in braces. After a program has "
    "printed it, end with \\boxed{{done}}."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _DcpBench(WorkspaceSet):
    """The set, which is published as folders and as one file."""

    checkers: Path | None
    """The folder for the programs of the checkers; None for `CHECKERS`."""

    def find(self, folder: Path) -> Path | None:
        if folder.is_file():
            return folder
        roots = [root for root in (folder / name for name in self.folders) if root.is_dir()]
        return WorkspaceSet.find(self, folder) or next((root for root in roots if published_file(root)), None)

    def rows(self, folder: Path) -> Iterator[tuple[str, Problem | None]]:
        check_libraries()
        _make(_checkers_folder(self.checkers, self._root(folder)))
        return WorkspaceSet.rows(self, folder)


def dcp_bench(checkers: Path | None = None) -> WorkspaceSet:
    """Return the set. checkers: the folder for the programs of its checkers; by default in the folder of the set."""
    return _DcpBench(
        name=NAME,
        folders=(".", "dataset", "dcp_bench", "DCP-Bench-Open", "DCP-Bench-Open/dataset"),
        mark=MODELS,
        instances=partial(_instances, checkers),
        checkers=checkers,
    )


def references(folder: Path, checkers: Path | None = None) -> dict[str, str]:
    """Return the set's own models by problem id: programs that print a correct solution."""
    return {problem.id: program for problem, program in dcp_bench(checkers).references(folder)}


def check_libraries() -> None:
    """Raise ValueError unless the programs of checkers can import CPMpy."""
    missing = find(["cpmpy"])[1]
    if missing or "cpmpy" not in requested_distributions():
        install = "pip install cpmpy, and " if missing else ""
        raise ValueError(f"{NAME}: its checkers need CPMpy in the sandbox; {install}set {LIBRARIES_VARIABLE}=cpmpy")


def library_version() -> str:
    """Return the version of CPMpy, on which verdicts can depend; "?" without it."""
    try:
        return importlib.metadata.version("cpmpy")
    except importlib.metadata.PackageNotFoundError:
        return "?"


def _instances(checkers: Path | None, data: Path) -> Iterator[Instance]:
    folder = _checkers_folder(checkers, data)
    for place, read in published_rows(data):
        yield Instance(
            place=place,
            read=partial(_read_problem, read, folder, Path(place).name),
            answers=tuple,
            program=partial(_read_program, read),
        )


def _checkers_folder(checkers: Path | None, data: Path) -> Path:
    return checkers or (data.parent if data.is_file() else data) / CHECKERS


def _make(folder: Path) -> None:
    """Make a folder. Raises ValueError if that fails, or if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{folder}: the checkers cannot be written there ({error.strerror}); copy the set to another folder"
        ) from None


def _read_problem(read: Callable[[], DcpRow], folder: Path, file: str) -> Problem:
    return problem_of(read(), folder, file)


def _read_program(read: Callable[[], DcpRow]) -> str:
    """Return the model as a program that prints the plan, and last what the `replay` reasoner puts into its box."""
    return f"{read().program}\nprint('done')\n"


def problem_of(row: DcpRow, folder: Path, file: str) -> Problem:
    """Return the problem of a row, after writing the program of its checker to the folder.

    file: the name of the row's file. Raises OSError if the folder cannot be written.
    """
    data = f"Data, as Python assignments:\n{row.data}" if row.data else ""
    named = f"Its {'key is' if len(row.variables) == 1 else 'keys are'} {', '.join(row.variables)}. "
    return Problem(
        id=f"{NAME}-{row.name}",
        question="\n\n".join(filter(None, [row.description, data, TASK.format(keys=named if row.variables else "")])),
        answers=(),
        source=f"{NAME}: {file}, arXiv 2506.06052, checked with CPMpy {library_version()}",
        folder=str(folder.resolve()),
        outputs=(Output(path=STANDARD_OUTPUT),),
        checker=Checker(program=write_checker(row, folder)),
        time_limit=SECONDS,
        memory_mb=MEMORY_MB,
        tolerance=0.0,
    )


def write_checker(row: DcpRow, folder: Path) -> ProblemFile:
    """Write the program of a row's checker, under a name with its SHA-256: programs of other versions stay as they are.

    Raises OSError if the folder cannot be written.
    """
    # Importing the solver at the top lets the sandbox choose the fork server that has loaded it.
    program = f"import ortools.sat.python.cp_model\n\n{_main_part()}\n\nmain({row.program!r})\n"
    digest = hashlib.sha256(program.encode()).hexdigest()
    path = folder / f"{row.name}-{digest[:12]}.py"
    if not path.is_file() or path.read_bytes() != program.encode():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, program)
    return ProblemFile(path=path.name, sha256=digest)


@cache
def _main_part() -> str:
    return Path(dcp_bench_check.__file__).read_text(encoding="utf-8")


DCP_BENCH = dcp_bench()
"""The set with its checkers in its own folder."""
