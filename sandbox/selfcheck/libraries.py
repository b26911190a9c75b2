"""What programs find inside a sandbox: python, and the libraries to model and solve with."""

from __future__ import annotations

import json

from sandbox.base import Limits, Sandbox
from sandbox.execution import SandboxUnavailableError

LIBRARIES = (
    *("numpy", "scipy", "pandas", "ortools", "cvxpy", "highspy", "pulp", "pyomo", "pyscipopt", "gurobipy", "coptpy"),
)
"""The libraries to look for, by the names that package indexes know them by."""

_PROGRAM = f"""
import importlib.metadata, json, platform
found = {{"python": platform.python_version()}}
for name in {LIBRARIES}:
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


def libraries(sandbox: Sandbox) -> tuple[dict[str, str | None], list[str]]:
    """The version of each library inside `sandbox`, None where it is not there, and the solvers that cvxpy has.

    Raises SandboxUnavailableError where a program can't even look.
    """
    execution = sandbox.run(_PROGRAM, limits=Limits(seconds=60, memory_mb=2048))
    if execution.status != "ok":
        raise SandboxUnavailableError(
            f"the program that looks for libraries ended with {execution.status}: {execution.stderr.strip()[-200:]}"
        )
    found, solvers = json.loads(execution.stdout.splitlines()[-1])
    return found, solvers
