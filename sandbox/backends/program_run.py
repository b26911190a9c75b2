"""The caller's side of one run in a fork server: send the program, collect its output, read its results."""

import contextlib
import fcntl
import json
import os
import re
import secrets
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from storm_calm.sandbox.backends.fork_server import ForkServer
from storm_calm.sandbox.base import Program
from storm_calm.sandbox.cancellation import Cancellation, RunCancelledError, wake_fd
from storm_calm.sandbox.execution import Execution, Isolation, SandboxUnavailableError, Status
from storm_calm.sandbox.neutral_paths import neutral
from storm_calm.sandbox.probe.channel import ReportBuffer
from storm_calm.sandbox.probe.record_file import FILE_BYTES, read_record_file
from storm_calm.sandbox.result_files import read_results
from storm_calm.sandbox.zygote.server import EXIT_REQUEST

_STREAMS = ("stdout", "stderr", "reports")
# Messages of Python, C++ and Rust when an allocation fails: an uncaught exception, or before abort().
_MEMORY_ERROR = re.compile(r"^[\w.]*MemoryError\b[^\n]*\Z|std::bad_alloc|memory allocation of \d+ bytes failed", re.M)
_PIPE_READS = 32  # of 64 KiB: more than a pipe can hold
GRACE_SECONDS = 5.0  # after the deadline, before the fork server counts as lost
_CANCELLED = "cancelled"  # selector key, beside the names of streams


class ServerLostError(Exception):
    """The fork server died or does not answer. Its message is part of `Execution.reason`."""


@dataclass(slots=True)
class ProgramRun:
    """One running program and its output so far."""

    _where: ClassVar[str] = "it"
    """The process that runs the program, for messages."""

    server: ForkServer
    program: Program
    cancellation: Cancellation | None = None
    uncontended: bool = False
    """Whether nothing else runs, so that the fork server has time to prepare a spare child."""
    output: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})
    reports: ReportBuffer = field(default_factory=lambda: ReportBuffer(secrets.token_hex(8)))
    """The output of the probe's pipe, with the prefix of its reports."""
    truncated: bool = False
    claimed_exit: int | None = None
    """The exit code with which the program asked to be ended."""
    cancelled: bool = False
    folder: list[int] = field(default_factory=list)
    """The open program folder, if results were requested and the program started."""
    solve_records: tuple[str, ...] = ()

    def finish(self) -> Execution:
        """Run the program to its end and return its Execution. Raises RunCancelledError or ServerLostError."""
        deadline = time.monotonic() + self.program.limits.seconds + GRACE_SECONDS
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = {
            "limits": self.program.limits.to_dict(),
            "nonce": self.reports.nonce,
            "results": bool(self.program.results),
            "uncontended": self.uncontended,
        }

        def send(given: list[int]) -> None:
            with theirs:
                self.server.send(order, [theirs.fileno(), *given])

        with line, theirs:
            try:
                end = self._collect(line, send, deadline)
                files: dict[str, bytes] = {}
                for fd in self.folder:
                    files |= read_results(fd, self.program.results, self.program.limits.file_mb << 20)
            finally:
                for fd in self.folder:
                    os.close(fd)
        self.server.remove_folder(end)
        if self.cancelled:
            raise RunCancelledError("the run was cancelled")
        return self._execution(end, files)

    def _collect(self, line: socket.socket, send: Callable[[list[int]], None], deadline: float) -> dict[str, Any]:
        """Call `send` with the program's file descriptors, and read output until the end is reported on `line`."""
        streams, given = self._open_files()
        with contextlib.ExitStack() as stack:
            for fd in streams.values():
                stack.callback(os.close, fd)
            package = os.dup(given[0])
            stack.callback(os.close, package)
            selector = stack.enter_context(selectors.PollSelector())
            wake = stack.enter_context(wake_fd(self.cancellation))
            try:
                send(given)
            except OSError as error:
                raise ServerLostError(f"{self._where} is gone ({error})") from None
            finally:
                for fd in given:
                    os.close(fd)
            selector.register(line, selectors.EVENT_READ, None)
            if wake is not None:
                selector.register(wake, selectors.EVENT_READ, _CANCELLED)
            for name, fd in streams.items():
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ, name)
            end = self._wait(selector, line, deadline)
            for name, fd in streams.items():
                # Drain the pipe with a bound: without namespaces, a process may still be writing.
                for _ in range(_PIPE_READS):
                    if not self._read(name, fd):
                        break
            if self.program.record:
                self.solve_records = read_record_file(package)
        return end

    def _open_files(self) -> tuple[dict[str, int], list[int]]:
        """Return our ends of the output pipes by name, and the file descriptors for the program."""
        given = os.memfd_create("program", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        # The program's process writes the records of its solves in front of the package.
        start = FILE_BYTES if self.program.record else 0
        os.lseek(given, start, os.SEEK_SET)
        with open(given, "w", encoding="ascii", closefd=False) as file:
            json.dump(self._package(), file)
        os.lseek(given, start, os.SEEK_SET)
        if self.program.record:
            fcntl.fcntl(given, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        pipes = {name: os.pipe() for name in _STREAMS}
        readers = {name: reader for name, (reader, _) in pipes.items()}
        return readers, [given, *(writer for _, writer in pipes.values())]

    def _package(self) -> dict[str, Any]:
        """Return the data for the program's process."""
        return self.program.to_dict()

    def _wait(self, selector: selectors.BaseSelector, line: socket.socket, deadline: float) -> dict[str, Any]:
        """Read output until the end is reported, and return that message."""
        while True:
            ready = selector.select(deadline - time.monotonic())
            if not ready and time.monotonic() >= deadline:
                raise ServerLostError(f"{self._where} does not answer")
            for key, _ in ready:
                if key.data is None:
                    return self._receive_end(line)
                if key.data == _CANCELLED:
                    # Continue to wait for the end: only then all processes have ended.
                    self.cancelled = True
                    deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
                    self._stop(line)
                    selector.unregister(key.fd)
                elif not self._read(key.data, key.fd):
                    selector.unregister(key.fd)
                elif key.data == "reports" and not self.cancelled:
                    self._check_exit_request(line)
                elif self.truncated and not self.cancelled:
                    self._stop(line)
                    selector.unregister(key.fd)

    def _receive_end(self, line: socket.socket) -> dict[str, Any]:
        """Return the message about the program's end. Raises ServerLostError if the fork server died."""
        try:
            message, self.folder, _, _ = socket.recv_fds(line, 1 << 16, 1)
        except ConnectionResetError:
            # The other end was closed with unread data. Earlier messages from it can still be received.
            message, self.folder, _, _ = socket.recv_fds(line, 1 << 16, 1)
        if not message:
            raise ServerLostError("it died")
        return dict(json.loads(message))

    def _check_exit_request(self, line: socket.socket) -> None:
        """End the program if it requested that in the reports' pipe."""
        if self.claimed_exit is not None:
            return
        self.claimed_exit = self.reports.claimed_exit()
        if self.claimed_exit is not None:
            with contextlib.suppress(OSError):
                line.send(EXIT_REQUEST)

    def _stop(self, line: socket.socket) -> None:
        """Kill all processes of the program."""
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_WR)

    def _read(self, name: str, fd: int) -> bool:
        """Read available output; return False if nothing was read."""
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return False
        if name == "reports":
            self.reports.add(data)
        else:
            kept = self.output[name]
            room = self.program.limits.output_bytes - len(kept)
            kept += data[:room]
            self.truncated = self.truncated or len(data) > room
        return bool(data)

    def _execution(self, end: dict[str, Any], files: dict[str, bytes]) -> Execution:
        if "fault" in end:
            raise SandboxUnavailableError(end["fault"])
        if end["cause"] == "exit_request" and self.claimed_exit is not None:
            end = {**end, "exit_code": self.claimed_exit, "signal": None}
        stdout, stderr = (bytes(self.output[name]).decode("utf-8", errors="replace") for name in ("stdout", "stderr"))
        reports, dropped_reports = self.reports.reports()
        peak = max(end["peak_bytes"], end["maxrss_bytes"] - self.server.inherited_bytes)
        return Execution(
            code=self.program.code,
            status=self._status(end, stderr, peak),
            stdout=stdout,
            stderr=neutral(stderr),
            exit_code=end["exit_code"],
            signal=end["signal"],
            wall_seconds=end["wall"],
            cpu_seconds=max(0.0, end["cpu"]),
            peak_memory_mb=peak / (1 << 20),
            truncated=self.truncated,
            isolation=self.server.isolation,
            backend="local",
            files=files,
            reports=reports,
            solve_records=self.solve_records,
            dropped_reports=dropped_reports,
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
        """Return whether the program is the first process of a pid namespace, so that it can't SIGKILL itself."""
        return self.server.isolation == "full"

    def _ran_out_of_memory(self, end: dict[str, Any], stderr: str, peak: int) -> bool:
        """Return whether a failed allocation probably ended the program."""
        if _MEMORY_ERROR.search(stderr.rstrip()[-500:]):
            return True
        # A library that does not check its allocations, or can't be loaded (127), ends without a message.
        silent = end["signal"] is not None or end["exit_code"] == 127
        killed_by_kernel = end["signal"] == signal.SIGKILL and self._is_first()
        return killed_by_kernel or (silent and peak > 0.9 * (self.program.limits.memory_mb << 20))


def killed(program: Program, isolation: Isolation, seconds: float, lost: str) -> Execution:
    """Return the Execution of a program that ended its own fork server or session. lost: which, and how it ended."""
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
