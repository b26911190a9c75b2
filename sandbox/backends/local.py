"""The "local" sandbox: programs run on this machine, in children of a fork server (`sandbox.zygote`).

    python -c 'from storm_calm import open_sandbox; print(open_sandbox().run("print(6 * 7)").stdout)'

A program gets a process of its own, forked from one that has the solver libraries loaded, and locked in as well as the
machine allows. As the first process of its pid namespace (isolation level "full") it does not die of signals that it
sends to itself; one that calls abort() is reported with SIGSEGV, by which the C library then ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import selectors
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from storm_calm.sandbox.backends.fair_semaphore import FairSemaphore
from storm_calm.sandbox.backends.fork_server import ForkServer, launch
from storm_calm.sandbox.backends.fork_server_pool import ForkServerPool
from storm_calm.sandbox.base import Limits, Program, Sandbox, Session
from storm_calm.sandbox.cancellation import (
    Cancellation,
    RunCancelledError,
    raise_if_cancelled,
    run_abandonable,
    wake_fd,
)
from storm_calm.sandbox.execution import Execution, Isolation, SandboxUnavailableError, Status
from storm_calm.sandbox.import_groups import FIRST_GROUP, IMPORT_GROUPS, import_group_of
from storm_calm.sandbox.libraries import importable
from storm_calm.sandbox.probe import channel
from storm_calm.sandbox.result_files import read_results
from storm_calm.sandbox.zygote.server import EXIT_REQUEST

_STREAMS = ("stdout", "stderr", "reports")
_MAX_REPORTS, _MAX_REPORT_BYTES = 1000, 1 << 20  # what is taken of one run's reports; the rest is passed over
# What Python, C++ and Rust say when memory is refused: as an uncaught error, or before abort().
_MEMORY_WORDS = re.compile(r"^[\w.]*MemoryError\b[^\n]*\Z|std::bad_alloc|memory allocation of \d+ bytes failed", re.M)
PIPE_READS = 32  # of 64 KiB: as much as a pipe can hold
GRACE_SECONDS = 5.0  # past a deadline, after which the fork server itself must be stuck
CANCELLED = "cancelled"  # what a selector says where it does not say a stream's name


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
        """Open it; `open_sandbox` explains the first four.

        dedicated: nothing but this sandbox runs on this machine, as in a container made for it.
        control_groups: limit memory by control groups if this process may make them.
        libraries: distributions that programs can import besides those of `sandbox.libraries`.
        Raises ValueError for a library that is not installed, or may not be one.
        """
        self.workers = workers or len(os.sched_getaffinity(0))
        self.limits = limits
        self._dedicated = dedicated
        self._control_groups = control_groups
        self._paths = tuple(path for library in importable(libraries) for path in library.paths)
        self._closed = False
        self._isolation_levels: tuple[Isolation, Isolation] = (minimum_isolation, isolation)
        self._slots = FairSemaphore(list(range(self.workers)))
        self._pool = ForkServerPool(self._launch)
        first = self._pool.server(FIRST_GROUP)
        self.isolation = first.isolation
        self.missing = first.missing
        self.resource_control = first.resource_control
        # All others are to be like the first, not better and not worse.
        self._isolation_levels = (self.isolation, self.isolation)

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        group = import_group_of(program.code)
        with self._slots.acquire(cancellation=cancellation):
            # Starting a fork server takes seconds; the next program finds it ready.
            server = run_abandonable(lambda: self._pool.server(group), cancellation)
            try:
                uncontended = self._slots.is_uncontended()
                return ProgramRun(server, program, cancellation=cancellation, uncontended=uncontended).finish()
            except ServerLostError:
                lost = server
            # It may have been a neighbour's fault. So it gets one more try, in a fork server of its own.
            run_abandonable(lambda: self._pool.server(group, instead_of=lost), cancellation)
            own = run_abandonable(lambda: self._launch(IMPORT_GROUPS[group]), cancellation)
            begin = time.monotonic()
            try:
                return ProgramRun(own, program, cancellation=cancellation).finish()
            except ServerLostError as error:
                raise_if_cancelled(cancellation)
                if self._closed:
                    raise SandboxUnavailableError("the sandbox is closed") from None
                return killed(
                    program, self.isolation, time.monotonic() - begin, f"the process that started it: {error}"
                )
            finally:
                own.close()

    def session(self, *, limits: Limits | None = None) -> Session:
        from storm_calm.sandbox.backends.session import LocalSession  # It builds on what is below.

        return LocalSession(self._slots, self._pool, limits or self.limits)

    def close(self) -> None:
        self._closed = True
        self._slots.close()
        self._pool.close()

    def _launch(self, libraries: tuple[str, ...]) -> ForkServer:
        minimum, highest = self._isolation_levels
        return launch(
            libraries,
            minimum_isolation=minimum,
            isolation=highest,
            limits=self.limits,
            spares=min(2, self.workers),
            workers=self.workers,
            dedicated=self._dedicated,
            paths=self._paths,
            control_groups=self._control_groups,
        )


class ServerLostError(Exception):
    """The fork server died, or does not answer any more."""


@dataclass(slots=True)
class ProgramRun:
    """One program under way: its files, and what came out of them so far."""

    server: ForkServer
    program: Program
    cancellation: Cancellation | None = None
    uncontended: bool = False
    """Whether nothing else runs, so that the fork server has time to prepare the next one well."""
    output: dict[str, bytearray] = field(default_factory=lambda: {name: bytearray() for name in _STREAMS})
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    """What the probe's reports begin with."""
    truncated: bool = False
    claimed_exit: int | None = None
    """The exit code with which the program asked to be ended."""
    cancelled: bool = False
    """Whether it is being ended because it was cancelled."""
    folder: list[int] = field(default_factory=list)
    """The program's folder, held open, where results are wanted and it got to its start."""

    def finish(self) -> Execution:
        """Start the program, gather what it says, and tell how it ended. Raises RunCancelledError if cancelled."""
        begin = time.monotonic()
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        streams, given = self._open_files()
        with line, theirs, selectors.PollSelector() as selector, wake_fd(self.cancellation) as wake:
            try:
                limits = self.program.limits
                order = {
                    "limits": limits.to_dict(),
                    "nonce": self.nonce,
                    "results": bool(self.program.results),
                    "uncontended": self.uncontended,
                }
                try:
                    self.server.send(order, [theirs.fileno(), *given])
                except OSError as error:
                    raise ServerLostError(f"it is gone ({error})") from None
                finally:
                    theirs.close()
                    for fd in given:
                        os.close(fd)
                selector.register(line, selectors.EVENT_READ, None)
                if wake is not None:
                    selector.register(wake, selectors.EVENT_READ, CANCELLED)
                for name, fd in streams.items():
                    os.set_blocking(fd, False)
                    selector.register(fd, selectors.EVENT_READ, name)
                end = self._gather(selector, line, begin)
                for name, fd in streams.items():
                    # What is left in the pipe; no more, as without namespaces something may still be writing.
                    for _ in range(PIPE_READS):
                        if not self._read(name, fd):
                            break
                files = {} if self.cancelled else self._results()
            finally:
                for fd in (*streams.values(), *self.folder):
                    os.close(fd)
        self.server.remove_folder(end)
        if self.cancelled:
            raise RunCancelledError("the run was cancelled")
        return self._execution(end, files)

    def _open_files(self) -> tuple[dict[str, int], list[int]]:
        """Our ends of the program's output, by name, and all that the program is given."""
        given = os.memfd_create("program")
        with open(given, "w", encoding="ascii", closefd=False) as file:
            json.dump(self._package(), file)
        os.lseek(given, 0, os.SEEK_SET)
        pipes = {name: os.pipe() for name in _STREAMS}
        return {name: reader for name, (reader, _) in pipes.items()}, [
            given,
            *(writer for _, writer in pipes.values()),
        ]

    def _package(self) -> dict[str, Any]:
        """What the program's process is given to read."""
        return self.program.to_dict()

    def _gather(self, selector: selectors.BaseSelector, line: socket.socket, begin: float) -> dict[str, Any]:
        """Read until the program says that it is over, or the fork server that it has ended."""
        deadline = begin + self.program.limits.seconds + GRACE_SECONDS
        while True:
            ready = selector.select(deadline - time.monotonic())
            if not ready and time.monotonic() >= deadline:
                raise ServerLostError("it does not answer")
            for key, _ in ready:
                if key.data is None:
                    message, folder = _receive(line)
                    if not message:
                        raise ServerLostError("it died")
                    self.folder = folder
                    return dict(json.loads(message))
                if key.data == CANCELLED:
                    # Its end is waited for: only then nothing of it runs any more.
                    self.cancelled = True
                    deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
                    self._stop(line)
                    selector.unregister(key.fd)
                elif not self._read(key.data, key.fd):
                    selector.unregister(key.fd)
                elif self.cancelled:
                    pass  # What it says is of no use to anyone.
                elif key.data == "reports":
                    if self.claimed_exit is None:
                        self.claimed_exit = channel.claimed_exit(bytes(self.output["reports"][-64:]), self.nonce)
                        if self.claimed_exit is not None:
                            with contextlib.suppress(OSError):
                                line.send(EXIT_REQUEST)
                elif self.truncated:
                    self._stop(line)
                    selector.unregister(key.fd)

    @staticmethod
    def _stop(line: socket.socket) -> None:
        """Have all that the program started killed."""
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_WR)

    def _results(self) -> dict[str, bytes]:
        """The files that the caller wants, now that nothing of the program runs any more."""
        found: dict[str, bytes] = {}
        for fd in self.folder:
            found |= read_results(fd, self.program.results, self.program.limits.file_mb << 20)
        return found

    def _read(self, name: str, fd: int) -> bool:
        """Take what is there; False at the end, or where nothing is."""
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return False
        kept = self.output[name]
        room = (_MAX_REPORT_BYTES if name == "reports" else self.program.limits.output_bytes) - len(kept)
        kept += data[:room]
        if name != "reports":
            self.truncated = self.truncated or len(data) > room
        return bool(data)

    def _execution(self, end: dict[str, Any], files: dict[str, bytes]) -> Execution:
        if "fault" in end:
            raise SandboxUnavailableError(end["fault"])
        if end["cause"] == "exit_request" and self.claimed_exit is not None:
            end = {**end, "exit_code": self.claimed_exit, "signal": None}
        stdout, stderr = (bytes(self.output[name]).decode("utf-8", errors="replace") for name in ("stdout", "stderr"))
        peak = max(end["peak_bytes"], end["maxrss_bytes"] - self.server.inherited_bytes)
        return Execution(
            code=self.program.code,
            status=self._status(end, stderr, peak),
            stdout=stdout,
            stderr=stderr,
            exit_code=end["exit_code"],
            signal=end["signal"],
            wall_seconds=end["wall"],
            cpu_seconds=max(0.0, end["cpu"]),
            peak_memory_mb=peak / (1 << 20),
            truncated=self.truncated,
            isolation=self.server.isolation,
            backend="local",
            files=files,
            reports=channel.read(bytes(self.output["reports"]), self.nonce, _MAX_REPORTS),
        )

    def _status(self, end: dict[str, Any], stderr: str, peak: int) -> Status:
        if end["cause"] in ("timeout", "memory_limit"):
            return end["cause"]
        if self.truncated:
            return "output_limit"
        if end["exit_code"] == 0:
            return "ok"
        return "memory_limit" if self._ran_out_of_memory(end, stderr, peak) else "error"

    def _is_first(self) -> bool:
        """Whether the program is the first process of a pid namespace, which nothing inside can kill."""
        return self.server.isolation == "full"

    def _ran_out_of_memory(self, end: dict[str, Any], stderr: str, peak: int) -> bool:
        """Whether a failed request for memory ended the program, as far as its last words tell."""
        last_words = stderr.rstrip()[-500:]
        if _MEMORY_WORDS.search(last_words):
            return True
        # A library that doesn't check its allocations, or can't be loaded (127), dies without a word.
        silent = end["signal"] is not None or end["exit_code"] == 127
        killed_by_kernel = end["signal"] == signal.SIGKILL and self._is_first()
        return killed_by_kernel or (silent and peak > 0.9 * (self.program.limits.memory_mb << 20))


def killed(program: Program, isolation: Isolation, seconds: float, lost: str) -> Execution:
    """Return the end of a program that took down what only it was running in.

    lost: what that was, and how it ended.
    """
    late = seconds >= program.limits.seconds
    return Execution(
        code=program.code,
        status="timeout" if late else "killed",
        signal=signal.SIGKILL.value,
        wall_seconds=seconds,
        isolation=isolation,
        backend="local",
        reason="" if late else f"the program took down {lost}",
    )


def _receive(line: socket.socket) -> tuple[bytes, list[int]]:
    """The next message and its files; b"" at the end."""
    try:
        message, files, _, _ = socket.recv_fds(line, 1 << 16, 1)
    except ConnectionResetError:
        # The other end was closed before it read all that it was sent. What it had sent before is still there.
        message, files, _, _ = socket.recv_fds(line, 1 << 16, 1)
    return message, files
