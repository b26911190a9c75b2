"""The "local" sandbox: programs run on this machine, in children of a fork server (`sandbox.zygote`).

    python -c 'from storm_calm import open_sandbox; print(open_sandbox().run("print(6 * 7)").stdout)'

Each program runs in its own process, forked from one that has loaded the solver libraries, and isolated as well as the
machine allows. In isolation level "full" it is the first process of a pid namespace, which ignores signals from inside.
If it calls abort(), SIGSEGV is reported, by which the C library then ends it.
"""

import os
import time
from collections.abc import Sequence

from storm_calm.sandbox.backends.fair_semaphore import FairSemaphore
from storm_calm.sandbox.backends.fork_server import ForkServer, launch
from storm_calm.sandbox.backends.fork_server_pool import ForkServerPool
from storm_calm.sandbox.backends.program_run import ProgramRun, ServerLostError, killed
from storm_calm.sandbox.backends.session import LocalSession
from storm_calm.sandbox.base import Limits, Program, Sandbox, Session
from storm_calm.sandbox.cancellation import Cancellation, raise_if_cancelled, run_abandonable
from storm_calm.sandbox.execution import Execution, Isolation, SandboxUnavailableError
from storm_calm.sandbox.import_groups import FIRST_GROUP, IMPORT_GROUPS, import_group_of
from storm_calm.sandbox.libraries import importable


class LocalSandbox(Sandbox):
    """Programs in children of a fork server on this machine. Made by `open_sandbox`."""

    backend = "local"

    def __init__(
        self,
        *,
        minimum_isolation: Isolation,
        isolation: Isolation,
        workers: int | None,
        limits: Limits,
        dedicated: bool = False,
        control_groups: bool = True,
        libraries: Sequence[str] = (),
    ) -> None:
        """Start the first fork server; see `open_sandbox` for the first four parameters.

        dedicated: nothing but this sandbox runs on this machine, as in its own container.
        control_groups: limit memory by control groups if this process may create them.
        libraries: further distributions that programs can import, besides those of `sandbox.libraries`.
        Raises ValueError for a library that is not installed or not allowed.
        """
        self.workers = workers or len(os.sched_getaffinity(0))
        self.limits = limits
        self._dedicated = dedicated
        self._control_groups = control_groups
        self._paths = tuple(path for library in importable(libraries) for path in library.paths)
        self._closed = False
        self._isolation_levels: tuple[Isolation, Isolation] = (minimum_isolation, isolation)
        self.slots = FairSemaphore(list(range(self.workers)))
        self.fork_servers = ForkServerPool(self._launch)
        first = self.fork_servers.server(FIRST_GROUP)
        self.isolation = first.isolation
        self.missing = first.missing
        self.resource_control = first.resource_control
        # All later fork servers must have the isolation level of the first.
        self._isolation_levels = (self.isolation, self.isolation)

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        group = import_group_of(program.code)
        with self.slots.acquire(cancellation=cancellation):
            server = run_abandonable(lambda: self.fork_servers.server(group), cancellation)
            try:
                uncontended = self.slots.is_uncontended()
                return ProgramRun(server, program, cancellation=cancellation, uncontended=uncontended).finish()
            except ServerLostError:
                run_abandonable(lambda: self.fork_servers.server(group, instead_of=server), cancellation)
            # Another program may be the cause: retry once in a separate fork server.
            own = run_abandonable(lambda: self._launch(IMPORT_GROUPS[group]), cancellation)
            begin = time.monotonic()
            try:
                return ProgramRun(own, program, cancellation=cancellation).finish()
            except ServerLostError as error:
                raise_if_cancelled(cancellation)
                if self._closed:
                    raise SandboxUnavailableError("the sandbox is closed") from None
                cause = f"the process that started it: {error}"
                return killed(program, self.isolation, time.monotonic() - begin, cause)
            finally:
                own.close()

    def session(self, *, limits: Limits | None = None) -> Session:
        return LocalSession(self.slots, self.fork_servers, limits or self.limits)

    def close(self) -> None:
        self._closed = True
        self.slots.close()
        self.fork_servers.close()

    def _launch(self, libraries: tuple[str, ...]) -> ForkServer:
        minimum, highest = self._isolation_levels
        return launch(
            libraries,
            minimum_isolation=minimum,
            isolation=highest,
            limits=self.limits,
            workers=self.workers,
            dedicated=self._dedicated,
            paths=self._paths,
            control_groups=self._control_groups,
        )
