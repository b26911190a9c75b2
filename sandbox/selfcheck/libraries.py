"""What programs find inside a sandbox: python, and the libraries to model and solve with."""

from __future__ import annotations

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
    """The version of each library inside `sandbox`, None where it is not there, and the solvers that cvxpy has.

    Raises SandboxUnavailableError where a program can't even look.
    """
    found, solvers = _told(sandbox, _PROGRAM)
    return found, solvers


def all_libraries(sandbox: Sandbox) -> dict[str, str]:
    """The version of every distribution that a program in `sandbox` can import, by its name.

    Raises SandboxUnavailableError where a program can't even look.
    """
    return dict(sorted((normalized_name(name), str(version)) for name, version in _told(sandbox, _ALL).items()))


def _told(sandbox: Sandbox, program: str) -> Any:
    """The JSON that a program prints last."""
    execution = sandbox.run(program, limits=Limits(seconds=60, memory_mb=2048))
    if execution.status != "ok":
        raise SandboxUnavailableError(
            f"the program that looks for libraries ended with {execution.status}: {execution.stderr.strip()[-200:]}"
        )
    return json.loads(execution.stdout.splitlines()[-1])
