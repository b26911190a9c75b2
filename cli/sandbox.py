"""`storm sandbox`: test the sandbox, run a program in it, and list what programs can import."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from storm_calm.agents.runs.options import Config, Option, OptionError, check_options
from storm_calm.agents.runs.sandbox_options import SandboxOptions
from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import AsJson, Given, argument, option, options_of, read_config
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Isolation

if TYPE_CHECKING:
    from storm_calm.sandbox import Execution, Sandbox

CHECK_EXAMPLES = "Examples:\n\nstorm sandbox check\n\nstorm sandbox check --minimum-isolation full --json"
RUN_EXAMPLES = (
    "Examples:\n\nstorm sandbox run - --solver-seconds 5 <<< 'print(6 * 7)'\n\n"
    "storm sandbox run - --json <<< 'import ortools; print(ortools.__version__)'"
)
LIBRARIES_EXAMPLES = (
    "Examples:\n\nstorm sandbox libraries\n\nSTORM_LIBRARIES=geopy,simpy storm sandbox libraries --json"
)
EXAMPLES = "Examples:\n\nstorm sandbox check\n\nstorm sandbox run - <<< 'print(6 * 7)'"

app = typer.Typer(
    name="sandbox",
    help="Test how well the sandbox isolates programs, or run a program in it.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_OWN_OPTIONS = {"image": "docker", "template": "e2b", "address": "ray"}
"""Options of a single backend, with its name."""


@dataclass(frozen=True, kw_only=True)
class BackendOptions(SandboxOptions, Config):
    """The sandbox to open."""

    group: ClassVar[str] = SandboxOptions.group

    minimum_isolation: Isolation = "limits"
    isolation: Isolation = "full"
    """The strongest isolation level to use."""
    image: Annotated[str | None, Option(metavar="NAME")] = None
    """Image, with --sandbox docker."""
    template: Annotated[str | None, Option(metavar="NAME")] = None
    """Template, with --sandbox e2b."""
    address: Annotated[str | None, Option(metavar="HOST:PORT")] = None
    """Cluster, with --sandbox ray."""

    def __post_init__(self) -> None:
        check_options(self)
        for name, backend in _OWN_OPTIONS.items():
            if getattr(self, name) is not None and self.sandbox != backend:
                raise OptionError(name, f"needs --sandbox {backend}, not {self.sandbox}; leave it out")

    def open_sandbox(self, *, workers: int | None = None) -> Sandbox:
        from storm_calm.sandbox import open_sandbox

        own = {name: value for name in _OWN_OPTIONS if (value := getattr(self, name)) is not None}
        return open_sandbox(
            self.sandbox,
            isolation=self.isolation,
            minimum_isolation=self.minimum_isolation,
            workers=workers,
            limits=self.limits,
            **own,
        )


@dataclass(frozen=True, kw_only=True)
class ProgramOptions(BackendOptions):
    """The sandbox to open for one program."""

    group: ClassVar[str] = SandboxOptions.group

    minimum_isolation: Isolation = "landlock"
    """The weakest isolation level to accept; any with --isolation limits."""


@app.command("check", epilog=CHECK_EXAMPLES)
@options_of(BackendOptions)
def check(given: Given, *, as_json: AsJson = False) -> None:
    """Show the isolation of the sandbox, and test it with hostile programs.

    Exit code 0: every test that its isolation level promises passed. 1: a test failed. 2: no sandbox can be opened.
    """
    with _report_errors():
        from storm_calm.cli.sandbox_display import counted, print_facts, print_outcomes
        from storm_calm.sandbox.selfcheck import Outside, libraries, self_check

        begin = monotonic()
        # Create the secrets first: a sandbox forked from this process could then leak them.
        with Outside() as outside, read_config(BackendOptions, given).open_sandbox() as sandbox:
            found, solvers = libraries(sandbox)
            if not as_json:
                print_facts(sandbox, found, solvers)
            with counted() as count:
                outcomes = [count(outcome) for outcome in self_check(sandbox, outside=outside)]
        seconds = monotonic() - begin
        if as_json:
            facts = {
                "backend": sandbox.backend,
                "isolation": sandbox.isolation,
                "missing": list(sandbox.missing),
                "resource_control": sandbox.resource_control,
                "workers": sandbox.workers,
                "limits": to_json(sandbox.limits),
                "libraries": found,
                "cvxpy_solvers": solvers,
                "outcomes": [to_json(outcome) for outcome in outcomes],
                "seconds": round(seconds, 3),
            }
            typer.echo(json.dumps(facts, indent=2))
        else:
            print_outcomes(outcomes, seconds)
    if any(outcome.state == "broken" for outcome in outcomes):
        raise typer.Exit(1)


@app.command("run", epilog=RUN_EXAMPLES)
@options_of(ProgramOptions)
def run(
    given: Given,
    program: Annotated[str, argument("FILE", 'Python program; "-" for standard input.')],
    *,
    file: Annotated[
        list[Path] | None, option("PATH", "Input file to copy into the program's folder. Repeatable.")
    ] = None,
    result: Annotated[list[str] | None, option("NAME", "Output file to copy from there to --out. Repeatable.")] = None,
    out: Annotated[Path | None, option("DIR", "Folder for the output files.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run one Python program in the sandbox; show its output, exit status and solver reports.

    The exit code is that of the program, or 128 + N after signal N. 1: it reached a limit. 2: no sandbox can be opened.
    """
    with _report_errors():
        lowest = {"minimum_isolation": "limits"} if given.get("isolation") == "limits" else {}
        config = read_config(ProgramOptions, {**lowest, **given})
        if bool(result) != (out is not None):
            raise ValueError("--result NAME and --out DIR need each other: the file, and the folder for it")
        for name in result or ():
            if out is not None and (out / name).exists():
                raise ValueError(f"{out / name}: already exists; choose another --out")
        code = _text(program)
        files = _files(file or [])
        with config.open_sandbox() as sandbox:
            execution = sandbox.run(code, files=files, results=tuple(result or ()))
        if out is not None:
            _save(execution, result or [], out)
    if as_json:
        typer.echo(json.dumps(to_json(execution), indent=2))
    else:
        from storm_calm.cli.sandbox_display import print_execution

        print_execution(execution, config.limits, out)
    raise typer.Exit(_exit_code(execution))


@app.command("libraries", epilog=LIBRARIES_EXAMPLES)
@options_of(BackendOptions, only=("sandbox", *_OWN_OPTIONS))
def list_libraries(given: Given, *, as_json: AsJson = False) -> None:
    """List the distributions that programs can import besides the standard library.

    * marks the requested ones; the others are their dependencies. STORM_LIBRARIES=NAME,... requests more.
    """
    with _report_errors():
        from storm_calm.sandbox.libraries import requested_distributions
        from storm_calm.sandbox.selfcheck import all_libraries

        with read_config(BackendOptions, given).open_sandbox() as sandbox:
            found = all_libraries(sandbox)
        wanted = requested_distributions()
    if as_json:
        typer.echo(json.dumps({"libraries": found, "missing": sorted(set(wanted) - set(found))}, indent=2))
    else:
        from storm_calm.cli.sandbox_display import print_libraries

        print_libraries(found, wanted)


@contextmanager
def _report_errors() -> Iterator[None]:
    """Report errors as `report_errors` does, but with exit code 2 if no sandbox can be opened."""
    from storm_calm.sandbox import SandboxUnavailableError

    with report_errors():
        try:
            yield
        except SandboxUnavailableError as error:
            fail(str(error), code=2)
        except KeyboardInterrupt:
            fail("stopped", code=130)


def _text(name: str) -> str:
    """Read the program from the file `name`, or from standard input for "-"."""
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    place = "standard input" if name == "-" else name
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: byte {error.start + 1} is not UTF-8; give Python source text") from None
    if not text.strip():
        raise ValueError(f"{place}: the program is empty; give Python code")
    return text


def _files(paths: list[Path]) -> dict[str, bytes]:
    """Read the input files, by their name in the program's folder."""
    from storm_calm.sandbox.file_names import normalized_path

    files: dict[str, bytes] = {}
    for path in paths:
        content = path.read_bytes()
        try:
            name = normalized_path(path.name)
        except ValueError as error:
            raise ValueError(f"--file: {error}") from None
        if name in files:
            raise ValueError(f"--file {path}: another file is also named {name!r}; rename one of them")
        if name == "main.py":
            raise ValueError(f"--file {path}: main.py is the name of the program itself; rename the file")
        files[name] = content
    return files


def _save(execution: Execution, names: list[str], out: Path) -> None:
    for name in names:
        if name in execution.files:
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(execution.files[name])
        else:
            typer.echo(f"storm: {name}: the program left no regular file of that name", err=True)


def _exit_code(execution: Execution) -> int:
    if execution.status not in ("ok", "error"):
        return 1
    if execution.exit_code is not None:
        return execution.exit_code
    return 128 + (execution.signal or 0)
