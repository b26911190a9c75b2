"""Where model-written code runs: one interface, fork servers behind it, and a probe that reports every solve.

    from storm_calm.sandbox import open_sandbox

    with open_sandbox() as sandbox:
        print(sandbox.run("print(6 * 7)").stdout)

    base, execution    the interface, and the result of a run
    cancellation       ending a run from outside
    backends           where programs run: local fork servers, containers, a cloud, a Ray cluster
    zygote             the fork server: isolation, limits, timeout, sessions
    import_groups      which libraries share a fork server
    libraries          which libraries programs can import
    probe              solver reports
    selfcheck          hostile programs, and what must hold

Imports nothing of the other packages, so it can be taken out and used alone.
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


_CLASSES = {
    "local": ("local", "LocalSandbox"),
    "docker": ("docker", "DockerSandbox"),
    "e2b": ("e2b", "E2BSandbox"),
    "ray": ("ray", "RaySandbox"),
}
BACKENDS = tuple(_CLASSES)
"""Where programs can run."""


def open_sandbox(
    backend: str = "local",
    *,
    minimum_isolation: Isolation = "landlock",
    isolation: Isolation = "full",
    workers: int | None = None,
    limits: Limits | None = None,
    **options: Any,
) -> Sandbox:
    """Open a sandbox; close it, or use it in a `with`.

    backend: "local", a fork server on this machine; "docker", the same in containers; "e2b", in E2B's cloud; "ray", on
        every node of a Ray cluster.
    minimum_isolation: refuse to open below it. isolation: the highest isolation level to use, where the machine
    could do more. workers: how many programs run at once, by default as many as the backend has processors for; more
    wait their turn. limits: of every run that brings none of its own. options: what the backend takes besides, see the
    modules of `sandbox.backends`. Raises SandboxUnavailableError where `minimum_isolation` can't be reached or the
    backend not be had, with what is missing and a way out.
    """
    for name, value in (("minimum_isolation", minimum_isolation), ("isolation", isolation)):
        if value not in ISOLATION_LEVELS:
            raise ValueError(f"{name} {value!r} is none of {', '.join(ISOLATION_LEVELS)}")
    if ISOLATION_LEVELS.index(isolation) > ISOLATION_LEVELS.index(minimum_isolation):
        raise ValueError(f"isolation level {isolation!r} is below minimum_isolation {minimum_isolation!r}")
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r} is none of {', '.join(BACKENDS)}")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers is {workers!r}; give a whole number of at least 1")
    module, name = _CLASSES[backend]
    # Imported only when it is asked for, as it may need packages of its own.
    kind = getattr(importlib.import_module(f"storm_calm.sandbox.backends.{module}"), name)
    known = set(inspect.signature(kind).parameters)
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"backend {backend!r} has no option {unknown[0]!r}; it takes {', '.join(sorted(known))}")
    sandbox: Sandbox = kind(
        minimum_isolation=minimum_isolation, isolation=isolation, workers=workers, limits=limits or Limits(), **options
    )
    return sandbox
