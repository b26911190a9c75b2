"""The Python version and the libraries inside a sandbox."""

import json
from typing import Any

from storm_calm.sandbox.base import Limits, Sandbox
from storm_calm.sandbox.execution import SandboxUnavailableError
from storm_calm.sandbox.libraries import DISTRIBUTIONS, normalized_name

_PROGRAM = f"""
import importlib.metadata, json, platform
found = {{"python": platform.python_version()}}
for name in {DISTRIBUTIONS}:
    try: found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError: found[name] = None
solvers = []
if found["cvxpy"]:
    try:
        import cvxpy
        solvers = cvxpy.installed_solvers()
    except Exception: pass
print(json.dumps([found, solvers]))
"""
_ALL = """
import importlib.metadata, json
print(json.dumps({one.name: one.version for one in importlib.metadata.distributions()}))
"""


def libraries(sandbox: Sandbox) -> tuple[dict[str, str | None], list[str]]:
    """Return the version of each library inside `sandbox` (None if it is not installed), and the solvers of cvxpy.

    Raises SandboxUnavailableError if the program that lists them fails.
    """
    found, solvers = _run(sandbox, _PROGRAM)
    return found, solvers


def all_libraries(sandbox: Sandbox) -> dict[str, str]:
    """Return the versions of all distributions that a program in `sandbox` can import, by normalized name.

    Raises SandboxUnavailableError if the program that lists them fails.
    """
    return dict(sorted((normalized_name(name), str(version)) for name, version in _run(sandbox, _ALL).items()))


def _run(sandbox: Sandbox, program: str) -> Any:
    """Run a program and parse its last line of output as JSON."""
    execution = sandbox.run(program, limits=Limits(seconds=60, memory_mb=2048))
    if execution.status != "ok":
        raise SandboxUnavailableError(
            f"the program that lists the libraries ended with {execution.status}: {execution.stderr.strip()[-200:]}"
        )
    return json.loads(execution.stdout.splitlines()[-1])
