"""Sessions of the "local" sandbox: blocks of code that share their state, on process snapshots.

    with open_sandbox() as sandbox, sandbox.session() as session:
        session.run("x = 1")
        session.run("x = 2; 1 / 0")
        print(session.run("print(x)").stdout)

After each block that ends well its process stays, stopped, as a state (`sandbox.zygote.session_supervisor`); the next
block runs in a fork of it. So a failed block costs nothing to undo, nor does a rewind. A process that has more than one
thread, or children, can't be copied by a fork: then the earlier blocks run again first, in one process with the new
one, and `Execution.replayed` says how many.

What is a block's own, and what the session's: time, output and memory are limited block by block, as long as a block
asks for no more memory than the session has; files and processes have the session's limits. A block that ends its
process by itself, by `os._exit(0)`, leaves no state: it is "ok", and the next one goes on from the state before it.
What was registered with `atexit` is not called. Alarms end with their block, and /dev/shm is not brought back. In
isolation level "landlock" blocks can't look at /proc/self. A block under which the session's processes end twice, while
the fork server lives on, is "killed".
"""

from __future__ import annotations

import dataclasses
import secrets
import time

from storm_calm.sandbox.backends.fair_semaphore import FairSemaphore
from storm_calm.sandbox.backends.fork_server_pool import ForkServerPool
from storm_calm.sandbox.backends.program_run import ServerLostError, killed
from storm_calm.sandbox.backends.session_connection import BlockRun, StateLostError, SupervisorConnection
from storm_calm.sandbox.base import Limits, Program, Session
from storm_calm.sandbox.cancellation import Cancellation, raise_if_cancelled, run_abandonable
from storm_calm.sandbox.execution import Execution, SandboxUnavailableError
from storm_calm.sandbox.import_groups import import_group_of
from storm_calm.sandbox.zygote.session_states import MAX_STATES

_SPARE_PROCESSES = MAX_STATES + 3  # its states, the supervisor, and the ones that come and go with them


class LocalSession(Session):
    """A session in a process of a fork server. Made by `LocalSandbox.session`."""

    def __init__(self, slots: FairSemaphore[int], pool: ForkServerPool, limits: Limits) -> None:
        super().__init__(limits)
        self._slots = slots
        self._pool = pool
        self.connection: SupervisorConnection | None = None
        # Where a session has to be made anew, its programs draw the same random numbers again.
        self._seed = secrets.randbits(32)
        self._closed = False

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        if self._closed:
            raise SandboxUnavailableError("the session is closed; open another one")
        lost: list[str] = []
        opened, reason = 0, ""
        began, own = time.monotonic(), None
        with self._slots.acquire(cancellation=cancellation):
            while len(lost) < 2:
                raise_if_cancelled(cancellation)  # It may be the reason why something was lost.
                own = None
                try:
                    if not self._states():
                        if opened == 2:
                            break
                        opened += 1
                        self._open(program, cancellation)
                    began, own = time.monotonic(), self.connection
                    execution, kept = self._run(program, cancellation)
                except ServerLostError as error:
                    # Not the program's fault, as far as anyone knows: all is made anew, once.
                    lost.append(str(error))
                    self._disconnect()
                except StateLostError as error:
                    reason = str(error)  # There may be an earlier state.
                else:
                    self._history.append((program, kept))
                    return execution
        raise_if_cancelled(cancellation)
        # Only its own blocks can end a session whose fork server lives on.
        if len(lost) == 2 and own is not None and own.server.alive():
            self._history.append((program, False))
            return killed(
                program, own.server.isolation, time.monotonic() - began, f"the session's processes: {lost[-1]}"
            )
        raise SandboxUnavailableError(
            f"the session's processes were lost twice under this block: {'; '.join(lost) or reason}"
        )

    def _restore(self, block: int) -> None:
        states = self._states()
        if self.connection is not None and states:
            try:
                self.connection.rewind(states[-1])
            except ServerLostError:
                self._disconnect()  # The next block makes it anew.

    def close(self) -> None:
        self._closed = True
        self._disconnect()

    def _newest(self) -> int:
        """The number of the newest block that is part of the state; 0 where there is none."""
        return max((number for number, (_, kept) in enumerate(self._history, 1) if kept), default=0)

    def _states(self) -> list[int]:
        """The states that are there and can be gone on from, by their numbers, in order."""
        live = self.connection.live if self.connection is not None else []
        return [number for number in live if number <= self._newest()]

    def _run(self, program: Program, cancellation: Cancellation | None) -> tuple[Execution, bool]:
        """Run a block, after those that have to run again for it; whether it is part of the state."""
        connection, start, newest = self.connection, self._states()[-1], self._newest()
        assert connection is not None
        before = [number for number in range(start + 1, newest + 1) if self._history[number - 1][1]]
        blocks = [(number, self._history[number - 1][0]) for number in before]
        blocks.append((self.blocks + 1, program))
        run = BlockRun(
            connection.server, program, cancellation=cancellation, connection=connection, start=start, blocks=blocks
        )
        execution = run.finish()
        if run.end["failed_before"]:
            numbers = ", ".join(map(str, before))
            reason = f"the state that this block needs is gone, and block {numbers} did not run again as it had"
            return dataclasses.replace(execution, status="killed", reason=reason, replayed=len(before)), False
        return (
            dataclasses.replace(execution, replayed=len(before)),
            execution.status == "ok" and run.end["outcome"] != "undone",
        )

    def _open(self, program: Program, cancellation: Cancellation | None) -> None:
        """Begin the session in a fork server that has loaded what its first block imports."""
        self._disconnect()
        first = next((earlier for earlier, kept in self._history if kept), program)
        limits = dataclasses.replace(self.limits, processes=self.limits.processes + _SPARE_PROCESSES)
        server = run_abandonable(lambda: self._pool.server(import_group_of(first.code)), cancellation)
        self.connection = SupervisorConnection.open(server, limits, self._seed)

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None
