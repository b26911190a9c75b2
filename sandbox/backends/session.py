"""Sessions of the "local" sandbox: blocks of code that share their state through process snapshots.

    with open_sandbox() as sandbox, sandbox.session() as session:
        session.run("x = 1")
        session.run("x = 2; 1 / 0")
        print(session.run("print(x)").stdout)

After each successful block its process is kept, stopped, as a state (`sandbox.zygote.session_supervisor`). The next
block runs in a fork of it, which makes failed blocks and rewinds cheap. A process with several threads or with children
can't be forked; then the earlier blocks run again in the process of the new one (`Execution.replayed`).

Time, output and memory are limited per block (memory also per session), files and processes per session. A block that
calls `os._exit(0)` is "ok" but leaves no state. `atexit` handlers are not called, alarms end with their block, and
/dev/shm is not restored. In isolation level "landlock" blocks can't read /proc/self. A block is "killed" if the
session's processes end twice while it runs and the fork server survives.
"""

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

_SPARE_PROCESSES = MAX_STATES + 3  # the states, the supervisor and its temporary children


class LocalSession(Session):
    """A session in a fork server's child. Made by `LocalSandbox.session`."""

    def __init__(self, slots: FairSemaphore[int], pool: ForkServerPool, limits: Limits) -> None:
        super().__init__(limits)
        self._slots = slots
        self._pool = pool
        self.connection: SupervisorConnection | None = None
        # A session that is replayed draws the same random numbers again.
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
                raise_if_cancelled(cancellation)
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
                    # The program is not known to be the cause: replay the session once.
                    lost.append(str(error))
                    self._disconnect()
                except StateLostError as error:
                    reason = str(error)  # Continue with an earlier state, if there is one.
                else:
                    self._history.append((program, kept))
                    return execution
        raise_if_cancelled(cancellation)
        # If the fork server is alive, only the session's own blocks can have ended it.
        if len(lost) == 2 and own is not None and own.server.alive():
            self._history.append((program, False))
            cause = f"the session's processes: {lost[-1]}"
            return killed(program, own.server.isolation, time.monotonic() - began, cause)
        reason = "; ".join(lost) or reason
        raise SandboxUnavailableError(f"the session's processes were lost twice in this block: {reason}")

    def _restore(self, block: int) -> None:
        states = self._states()
        if self.connection is not None and states:
            try:
                self.connection.rewind(states[-1])
            except ServerLostError:
                self._disconnect()  # The next block replays the session.

    def close(self) -> None:
        self._closed = True
        self._disconnect()

    def _newest(self) -> int:
        """Return the number of the last block that is part of the state, or 0."""
        return max((number for number, (_, kept) in enumerate(self._history, 1) if kept), default=0)

    def _states(self) -> list[int]:
        """Return the numbers of the states from which a block can continue, in order."""
        live = self.connection.live if self.connection is not None else []
        return [number for number in live if number <= self._newest()]

    def _run(self, program: Program, cancellation: Cancellation | None) -> tuple[Execution, bool]:
        """Run a block after those that it depends on; return whether it is part of the state, too."""
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
        kept = execution.status == "ok" and run.end["outcome"] != "undone"
        return dataclasses.replace(execution, replayed=len(before)), kept

    def _open(self, program: Program, cancellation: Cancellation | None) -> None:
        """Start the session's processes in the fork server for the imports of its first block."""
        self._disconnect()
        first = next((earlier for earlier, kept in self._history if kept), program)
        limits = dataclasses.replace(self.limits, processes=self.limits.processes + _SPARE_PROCESSES)
        server = run_abandonable(lambda: self._pool.server(import_group_of(first.code)), cancellation)
        self.connection = SupervisorConnection.open(server, limits, self._seed)

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None
