"""Where model-written code runs: one interface, fork servers behind it, and a probe that reports every solve.

    from storm_calm.sandbox import open_sandbox

    with open_sandbox() as sandbox:
        print(sandbox.run("print(6 * 7)").stdout)

    base, execution                       the interface, and what a run came to
    local, session                        the "local" backend: runs, and sessions
    pool, families, launch, zygote        its fork servers
    remote, worker                        the two ends of every other backend
    docker*, e2b*, ray*                   those backends
    probe                                 what solvers said
    cancellation                          ending a run from outside
    places, results                       turns, and files that come back
    selfcheck                             hostile programs, and what must hold

Imports nothing of the other packages, so it can be taken out and used alone.
"""

import inspect
from collections.abc import Callable
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


BACKENDS = ("local", "docker", "e2b", "ray")
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
    kind = _backend(backend)
    known = set(inspect.signature(kind).parameters)
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"backend {backend!r} has no option {unknown[0]!r}; it takes {', '.join(sorted(known))}")
    return kind(
        minimum_isolation=minimum_isolation, isolation=isolation, workers=workers, limits=limits or Limits(), **options
    )


def _backend(name: str) -> Callable[..., Sandbox]:
    """The backend's class; its module is imported only when it is asked for, as it may need packages of its own."""
    if name == "docker":
        from storm_calm.sandbox.backends.docker import DockerSandbox

        return DockerSandbox
    if name == "e2b":
        from storm_calm.sandbox.backends.e2b import E2BSandbox

        return E2BSandbox
    if name == "ray":
        from storm_calm.sandbox.backends.ray import RaySandbox

        return RaySandbox
    from storm_calm.sandbox.backends.local import LocalSandbox

    return LocalSandbox
