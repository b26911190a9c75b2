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

import base64
import contextlib
import dataclasses
import json
import os
import secrets
import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storm_calm.sandbox.backends.fork_server import ForkServer
from storm_calm.sandbox.backends.local import CANCELLED, GRACE_SECONDS, PIPE_READS, ProgramRun, ServerLostError, killed
from storm_calm.sandbox.base import Limits, Program, Session
from storm_calm.sandbox.cancellation import (
    Cancellation,
    RunCancelledError,
    raise_if_cancelled,
    run_abandonable,
    wake_fd,
)
from storm_calm.sandbox.execution import Execution, SandboxUnavailableError
from storm_calm.sandbox.import_groups import import_group_of
from storm_calm.sandbox.result_files import read_results
from storm_calm.sandbox.zygote.session_states import MAX_STATES

if TYPE_CHECKING:
    from storm_calm.sandbox.backends.fair_semaphore import FairSemaphore
    from storm_calm.sandbox.backends.fork_server_pool import ForkServerPool

_OPEN_TIMEOUT_SECONDS = 30.0  # to begin a session
_REWIND_TIMEOUT_SECONDS = 5.0  # to bring a folder back
_CLOSE_TIMEOUT_SECONDS = 8.0  # to kill the processes of a session
_SPARE_PROCESSES = MAX_STATES + 3  # its states, the supervisor, and the ones that come and go with them


@dataclass(slots=True)
class _Block:
    """A block that ran."""

    program: Program
    kept: bool
    """Whether it is part of the state."""


class LocalSession(Session):
    """A session in a process of a fork server. Made by `LocalSandbox.session`."""

    def __init__(self, slots: FairSemaphore[int], pool: ForkServerPool, limits: Limits) -> None:
        self.limits = limits
        self._slots = slots
        self._pool = pool
        self._history: list[_Block] = []
        self._connection: _SupervisorConnection | None = None
        # Where a session has to be made anew, its programs draw the same random numbers again.
        self._seed = secrets.randbits(32)
        self._closed = False

    @property
    def blocks(self) -> int:  # type: ignore[override]
        """How many blocks ran, the failed ones included."""
        return len(self._history)

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
                    began, own = time.monotonic(), self._connection
                    execution, kept = self._run(program, cancellation)
                except ServerLostError as error:
                    # Not the program's fault, as far as anyone knows: all is made anew, once.
                    lost.append(str(error))
                    self._leave()
                except _StateLostError as error:
                    reason = str(error)  # There may be an earlier state.
                else:
                    self._history.append(_Block(program, kept))
                    return execution
        raise_if_cancelled(cancellation)
        # Only its own blocks can end a session whose fork server lives on.
        if len(lost) == 2 and own is not None and own.server.alive():
            self._history.append(_Block(program, kept=False))
            return killed(
                program, own.server.isolation, time.monotonic() - began, f"the session's processes: {lost[-1]}"
            )
        raise SandboxUnavailableError(
            f"the session's processes were lost twice under this block: {'; '.join(lost) or reason}"
        )

    def rewind(self, block: int) -> None:
        if isinstance(block, bool) or not isinstance(block, int) or not 0 <= block <= self.blocks:
            raise ValueError(f"block is {block!r}; there are blocks 0 to {self.blocks}")
        del self._history[block:]
        states = self._states()
        if self._connection is not None and states:
            try:
                self._connection.rewind(states[-1])
            except ServerLostError:
                self._leave()  # The next block makes it anew.

    def close(self) -> None:
        self._closed = True
        self._leave()

    def _newest(self) -> int:
        """The number of the newest block that is part of the state; 0 where there is none."""
        return max((number for number, block in enumerate(self._history, 1) if block.kept), default=0)

    def _states(self) -> list[int]:
        """The states that are there and can be gone on from, by their numbers, in order."""
        live = self._connection.live if self._connection is not None else []
        return [number for number in live if number <= self._newest()]

    def _run(self, program: Program, cancellation: Cancellation | None) -> tuple[Execution, bool]:
        """Run a block, after those that have to run again for it; whether it is part of the state."""
        connection, start, newest = self._connection, self._states()[-1], self._newest()
        assert connection is not None
        before = [number for number in range(start + 1, newest + 1) if self._history[number - 1].kept]
        blocks = [(number, self._history[number - 1].program) for number in before]
        blocks.append((self.blocks + 1, program))
        run = _BlockRun(
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
        self._leave()
        first = next((block.program for block in self._history if block.kept), program)
        limits = dataclasses.replace(self.limits, processes=self.limits.processes + _SPARE_PROCESSES)
        server = run_abandonable(lambda: self._pool.server(import_group_of(first.code)), cancellation)
        self._connection = _SupervisorConnection.open(server, limits, self._seed)

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _StateLostError(Exception):
    """The state that a block was to run on is gone; others may be there."""


@dataclass(slots=True)
class _SupervisorConnection:
    """A session's processes, as seen from here."""

    server: ForkServer
    channel: socket.socket
    """To the fork server, which tells of the end of the session."""
    line: socket.socket
    """To the supervisor."""
    folder: int = -1
    """The blocks' folder, held open."""
    live: list[int] = field(default_factory=list)
    """The states that are there, by the numbers of the blocks that they are the state after."""

    @classmethod
    def open(cls, server: ForkServer, limits: Limits, seed: int) -> _SupervisorConnection:
        """Begin a session. Raises ServerLostError where it can't be had."""
        channel, servers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line, supervisors = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection = cls(server, channel, line)
        try:
            with servers, supervisors:
                server.send(
                    {"session": True, "limits": limits.to_dict(), "seed": seed},
                    [servers.fileno(), supervisors.fileno()],
                )
            line.settimeout(_OPEN_TIMEOUT_SECONDS)
            message, files, _, _ = socket.recv_fds(line, 1 << 16, 1)
            if not message:
                raise ServerLostError(connection.last_words())
        except OSError as error:
            connection.close()
            raise ServerLostError(f"it is gone ({error})") from None
        except ServerLostError:
            connection.close()
            raise
        connection.folder = files[0]
        connection.live = json.loads(message)["live"]
        return connection

    def rewind(self, block: int) -> None:
        """Go back to a state that is there."""
        try:
            self.line.send(json.dumps({"call": "rewind", "block": block}).encode())
            self.line.settimeout(_REWIND_TIMEOUT_SECONDS)
            message = self.line.recv(1 << 16)
        except OSError as error:
            raise ServerLostError(f"the session is gone ({error})") from None
        if not message:
            raise ServerLostError(self.last_words())
        self.live = json.loads(message)["live"]

    def heard(self, answer: dict[str, Any]) -> None:
        """Take note of what the supervisor said after a block."""
        self.live = answer["live"]
        if "lost" in answer:
            raise _StateLostError(answer["lost"])

    def last_words(self) -> str:
        """Why the session ended, as far as the fork server knows."""
        with contextlib.suppress(OSError, ValueError):
            self.channel.settimeout(_CLOSE_TIMEOUT_SECONDS)
            ending = json.loads(self.channel.recv(1 << 16))
            self.server.remove_folder(ending)
            if ending["signal"] is not None:
                return f"the session's first process was killed by signal {ending['signal']}"
            return str(ending.get("fault", "the session's first process ended"))
        return "the fork server died"

    def close(self) -> None:
        """End all processes, and wait until they are gone."""
        self.line.close()
        with contextlib.suppress(OSError, ValueError):
            self.channel.shutdown(socket.SHUT_WR)
            self.channel.settimeout(_CLOSE_TIMEOUT_SECONDS)
            self.server.remove_folder(json.loads(self.channel.recv(1 << 16)))
        self.channel.close()
        if self.folder >= 0:
            os.close(self.folder)
            self.folder = -1


@dataclass(slots=True, kw_only=True)
class _BlockRun(ProgramRun):
    """A block under way, together with those that run again before it."""

    connection: _SupervisorConnection
    start: int
    """The state that it runs on."""
    blocks: list[tuple[int, Program]]
    """The blocks and their numbers, the new one last."""
    end: dict[str, Any] = field(default_factory=dict)
    """What the supervisor said of its end."""

    def finish(self) -> Execution:
        """Have the block run, gather what it says, and tell how it ended. Raises RunCancelledError if cancelled."""
        streams, given = self._open_files()
        line = self.connection.line
        with selectors.PollSelector() as selector, wake_fd(self.cancellation) as wake:
            try:
                try:
                    line.settimeout(None)
                    socket.send_fds(line, [json.dumps(self._order()).encode()], given)
                except OSError as error:
                    raise ServerLostError(f"the session is gone ({error})") from None
                finally:
                    for fd in given:
                        os.close(fd)
                selector.register(line, selectors.EVENT_READ, None)
                if wake is not None:
                    selector.register(wake, selectors.EVENT_READ, CANCELLED)
                for name, fd in streams.items():
                    os.set_blocking(fd, False)
                    selector.register(fd, selectors.EVENT_READ, name)
                self.end = self._wait(selector)
                self.connection.heard(self.end)
                if self.cancelled:
                    # Where it had ended just before, its state is left over; the next block drops it.
                    raise RunCancelledError("the block was cancelled")
                for name, fd in streams.items():
                    for _ in range(PIPE_READS):
                        if not self._read(name, fd):
                            break
            finally:
                for fd in streams.values():
                    os.close(fd)
        most = self.program.limits.file_mb << 20
        return self._execution(self.end, read_results(self.connection.folder, self.program.results, most))

    def _order(self) -> dict[str, Any]:
        number, _ = self.blocks[-1]
        seconds = [program.limits.seconds for _, program in self.blocks]
        memory_mb = self.program.limits.memory_mb
        return {"call": "block", "on": self.start, "number": number, "seconds": seconds, "memory_mb": memory_mb}

    def _package(self) -> dict[str, Any]:
        packed = [
            {
                "number": number,
                "code": program.code,
                "files": {name: base64.b64encode(content).decode() for name, content in program.files.items()},
                "seconds": program.limits.seconds,
            }
            for number, program in self.blocks
        ]
        return {**packed[-1], "before": packed[:-1], "nonce": self.nonce}

    def _is_first(self) -> bool:
        return False  # The supervisor is.

    def _wait(self, selector: selectors.BaseSelector) -> dict[str, Any]:
        """Read until the supervisor says that the block has ended."""
        deadline = (
            time.monotonic()
            + sum(program.limits.seconds + GRACE_SECONDS for _, program in self.blocks)
            + _REWIND_TIMEOUT_SECONDS
        )
        while True:
            ready = selector.select(deadline - time.monotonic())
            if not ready and time.monotonic() >= deadline:
                raise ServerLostError("the session does not answer")
            for key, _ in ready:
                if key.data is None:
                    message = self.connection.line.recv(1 << 16)
                    if not message:
                        raise ServerLostError(self.connection.last_words())
                    return dict(json.loads(message))
                if key.data == CANCELLED:
                    self.cancelled = True
                    deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
                    self._stop(self.connection.line)
                    selector.unregister(key.fd)
                elif not self._read(key.data, key.fd):
                    selector.unregister(key.fd)
                elif self.truncated and key.data != "reports" and not self.cancelled:
                    self._stop(self.connection.line)
                    selector.unregister(key.fd)

    @staticmethod
    def _stop(line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            line.send(json.dumps({"call": "stop"}).encode())
