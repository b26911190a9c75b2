"""Sandboxes for model-written code: one interface, fork servers behind it, and a probe that reports every solve.

    from storm_calm.sandbox import open_sandbox

    with open_sandbox() as sandbox:
        print(sandbox.run("print(6 * 7)").stdout)

    base, execution    the interface, and the result of a run
    cancellation       cancelling a run from another thread
    backends           local fork servers, containers, a cloud, a Ray cluster
    zygote             the fork server: isolation, limits, timeout, sessions
    import_groups      which libraries share a fork server
    libraries          which libraries programs can import
    probe              solver reports
    error_help         help on errors in solver libraries
    neutral_paths      tracebacks without paths of the machine
    selfcheck          hostile programs, and the guarantees that they test

It imports no other package of this project and can be used alone.
"""

import importlib
import inspect
from typing import Any

from storm_calm.sandbox.base import MAX_CODE_BYTES, Limits, Program, Sandbox, Session
from storm_calm.sandbox.cancellation import Cancellation, RunCancelledError
from storm_calm.sandbox.execution import (
    ISOLATION_LEVELS,
    Execution,
    Isolation,
    SandboxUnavailableError,
    SolverReport,
    Status,
)

__all__ = [
    "BACKENDS",
    "ISOLATION_LEVELS",
    "MAX_CODE_BYTES",
    "Cancellation",
    "Execution",
    "Isolation",
    "Limits",
    "Program",
    "RunCancelledError",
    "Sandbox",
    "SandboxUnavailableError",
    "Session",
    "SolverReport",
    "Status",
    "open_sandbox",
]

_CLASSES = {"local": "LocalSandbox", "docker": "DockerSandbox", "e2b": "E2BSandbox", "ray": "RaySandbox"}
BACKENDS = tuple(_CLASSES)
"""The names of the backends."""


def open_sandbox(
    backend: str = "local",
    *,
    minimum_isolation: Isolation = "landlock",
    isolation: Isolation = "full",
    workers: int | None = None,
    limits: Limits | None = None,
    **options: Any,
) -> Sandbox:
    """Open a sandbox. Close it after use, or use it in a `with` statement.

    backend: "local" (a fork server on this machine), "docker" (in containers), "e2b" (in E2B's cloud), or "ray" (on
        every node of a Ray cluster).
    minimum_isolation: the lowest isolation level to accept. isolation: the highest one to use.
    workers: number of programs that run at once; further ones are queued. Default: one per processor of the backend.
    limits: the default limits of a run. options: further options of the backend (see `sandbox.backends`).
    Raises SandboxUnavailableError if the backend is unavailable or can't reach `minimum_isolation`.
    """
    for name, value in (("minimum_isolation", minimum_isolation), ("isolation", isolation)):
        if value not in ISOLATION_LEVELS:
            raise ValueError(f"{name} {value!r} must be one of {', '.join(ISOLATION_LEVELS)}")
    if ISOLATION_LEVELS.index(isolation) > ISOLATION_LEVELS.index(minimum_isolation):
        raise ValueError(f"isolation level {isolation!r} is below minimum_isolation {minimum_isolation!r}")
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r} must be one of {', '.join(BACKENDS)}")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers is {workers!r}; give a whole number of at least 1")
    # Imported here because a backend may need optional packages.
    kind = getattr(importlib.import_module(f"storm_calm.sandbox.backends.{backend}"), _CLASSES[backend])
    known = set(inspect.signature(kind).parameters)
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"backend {backend!r} has no option {unknown[0]!r}; it takes {', '.join(sorted(known))}")
    sandbox: Sandbox = kind(
        minimum_isolation=minimum_isolation, isolation=isolation, workers=workers, limits=limits or Limits(), **options
    )
    return sandbox
