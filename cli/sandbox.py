"""`storm sandbox`: whether the sandbox holds, one program in it, and what programs can import."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm_calm.cli.errors import fail, told
from storm_calm.cli.sandbox_display import counted, print_execution, print_facts, print_libraries, print_outcomes
from storm_calm.env.serialize import to_json

if TYPE_CHECKING:
    from storm_calm.sandbox import Execution, Limits, Sandbox

CHECK_EXAMPLES = "Examples:\n\nstorm sandbox check\n\nstorm sandbox check --minimum-isolation full --json"
RUN_EXAMPLES = (
    "Examples:\n\nstorm sandbox run - --timeout 5 <<< 'print(6 * 7)'\n\n"
    "storm sandbox run - --json <<< 'import ortools; print(ortools.__version__)'"
)
LIBRARIES_EXAMPLES = (
    "Examples:\n\nstorm sandbox libraries\n\nSTORM_LIBRARIES=geopy,simpy storm sandbox libraries --json"
)
EXAMPLES = "Examples:\n\nstorm sandbox check\n\nstorm sandbox run - <<< 'print(6 * 7)'"

app = typer.Typer(
    name="sandbox",
    help="See whether the sandbox keeps model-written programs in, and run one in it.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_OWN_OPTIONS = {"image": "docker", "template": "e2b", "address": "ray"}
"""Options that one backend has, and which."""

Backend = Annotated[str, typer.Option(metavar="NAME", help="Where programs run: local, docker, e2b or ray.")]
Isolation = Annotated[
    str, typer.Option(metavar="ISOLATION", help="The strongest isolation level to use: full, landlock or limits.")
]
Image = Annotated[str | None, typer.Option(metavar="NAME", help="The image, for docker.")]
Template = Annotated[str | None, typer.Option(metavar="NAME", help="The template, for e2b.")]
Address = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The cluster, for ray.")]


@app.command("check", epilog=CHECK_EXAMPLES)
def check(
    backend: Backend = "local",
    isolation: Isolation = "full",
    minimum_isolation: Annotated[
        str, typer.Option(metavar="ISOLATION", help="Fail below this isolation level; by default any will do.")
    ] = "limits",
    image: Image = None,
    template: Template = None,
    address: Address = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Show how well the sandbox locks programs in, and try it with programs that mean harm.

    Exit code 0: it holds all that its isolation level claims. 1: something got through. 2: there is no sandbox.
    """
    with _told():
        from storm_calm.sandbox.selfcheck import Outside, libraries, self_check

        begin = monotonic()
        # The secrets come first, so that they would be found in a sandbox that is a copy of this process.
        with Outside() as outside, _open(backend, isolation, minimum_isolation, image, template, address) as sandbox:
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
def run(
    program: Annotated[str, typer.Argument(metavar="FILE", help='The Python program; "-" for standard input.')],
    backend: Backend = "local",
    timeout: Annotated[float, typer.Option(metavar="S", help="Wall seconds that it may take.")] = 10.0,
    memory: Annotated[int, typer.Option(metavar="MB", help="MiB of memory that it may use.")] = 1024,
    file: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="A file to lie in its folder when it starts. May be repeated."),
    ] = None,
    result: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A file to bring back from its folder to --out. May be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the results go.")] = None,
    isolation: Isolation = "full",
    minimum_isolation: Annotated[
        str | None,
        typer.Option(
            metavar="ISOLATION", help="The weakest isolation level to accept; landlock, unless --isolation is weaker."
        ),
    ] = None,
    image: Image = None,
    template: Template = None,
    address: Address = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print the execution as one JSON object and nothing else.")
    ] = False,
) -> None:
    """Run one Python program in the sandbox, and show what it printed, how it ended and what its solvers said.

    The exit code is the program's own; 128 and the signal where one ended it; 1 at a limit; 2 without a sandbox.
    """
    with _told():
        limits = _limits(timeout, memory)
        if bool(result) != (out is not None):
            raise ValueError("give --result NAME and --out DIR together: what to bring back, and where it goes")
        code = _text(program)
        files = _files(file or [])
        lowest = minimum_isolation or ("limits" if isolation == "limits" else "landlock")
        with _open(backend, isolation, lowest, image, template, address, limits) as sandbox:
            execution = sandbox.run(code, files=files, results=tuple(result or ()))
        if out is not None:
            _save(execution, result or [], out)
    if as_json:
        typer.echo(json.dumps(execution.to_dict(), indent=2))
    else:
        print_execution(execution, limits, out)
    raise typer.Exit(_exit_code(execution))


@app.command("libraries", epilog=LIBRARIES_EXAMPLES)
def list_libraries(
    backend: Backend = "local",
    image: Image = None,
    template: Template = None,
    address: Address = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """List what programs can import: the standard library, these distributions, and nothing else that is installed.

    STORM_LIBRARIES, names separated by commas, adds to those that are marked with *; the others are what these need.
    """
    with _told():
        from storm_calm.sandbox.libraries import requested_distributions
        from storm_calm.sandbox.selfcheck import all_libraries

        with _open(backend, "full", "limits", image, template, address) as sandbox:
            found = all_libraries(sandbox)
        wanted = requested_distributions()
    if as_json:
        typer.echo(json.dumps({"libraries": found, "missing": sorted(set(wanted) - set(found))}, indent=2))
    else:
        print_libraries(found, wanted)


@contextmanager
def _told() -> Iterator[None]:
    """As `told`, but without a sandbox the command can do nothing, which is told from what a program did."""
    from storm_calm.sandbox import SandboxUnavailableError

    with told():
        try:
            yield
        except SandboxUnavailableError as error:
            fail(str(error), code=2)
        except KeyboardInterrupt:
            fail("stopped", code=130)


def _open(
    backend: str,
    isolation: Any,
    minimum_isolation: Any,
    image: str | None,
    template: str | None,
    address: str | None,
    limits: Limits | None = None,
) -> Sandbox:
    from storm_calm.sandbox import BACKENDS, open_sandbox

    given = {"image": image, "template": template, "address": address}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if backend in BACKENDS and backend != _OWN_OPTIONS[name]:
            raise ValueError(f"--{name} is for --backend {_OWN_OPTIONS[name]}, not for {backend}; leave it out")
    return open_sandbox(backend, isolation=isolation, minimum_isolation=minimum_isolation, limits=limits, **options)


def _limits(timeout: float, memory: int) -> Limits:
    from storm_calm.sandbox import Limits

    if not (math.isfinite(timeout) and timeout > 0):
        raise ValueError(f"--timeout is {timeout:g}; give a number of seconds above 0")
    if memory < 1:
        raise ValueError(f"--memory is {memory}; give at least 1 MiB")
    return Limits(seconds=timeout, memory_mb=memory)


def _text(name: str) -> str:
    """The program in the file `name`, or on standard input."""
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    where = "standard input" if name == "-" else name
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where}: byte {error.start + 1} is not UTF-8, so this is no Python program; give its text"
        ) from None
    if not text.strip():
        raise ValueError(f"{where}: the program is empty; give Python code")
    return text


def _files(paths: list[Path]) -> dict[str, bytes]:
    """Input files by the names that they have in the program's folder."""
    files: dict[str, bytes] = {}
    for path in paths:
        if path.name in files:
            raise ValueError(f"--file {path}: another file is named {path.name!r} too; rename one of them")
        if path.name == "main.py":
            raise ValueError(f"--file {path}: the program itself is main.py in its folder; rename the file")
        files[path.name] = path.read_bytes()
    return files


def _save(execution: Execution, names: list[str], out: Path) -> None:
    """Write the results into `out`."""
    for name in names:
        if name in execution.files:
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(execution.files[name])
        else:
            typer.echo(f"storm: {name} did not come back: the program left no plain file of that name", err=True)


def _exit_code(execution: Execution) -> int:
    if execution.status not in ("ok", "error"):
        return 1
    if execution.exit_code is not None:
        return execution.exit_code
    return 128 + (execution.signal or 0)
