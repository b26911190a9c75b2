"""One run of a program in a fork server, as its caller sees it: files in, output and the end out."""

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
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from storm_calm.sandbox.backends.fork_server import ForkServer
from storm_calm.sandbox.base import Program
from storm_calm.sandbox.cancellation import Cancellation, RunCancelledError, wake_fd
from storm_calm.sandbox.execution import Execution, Isolation, SandboxUnavailableError, Status
from storm_calm.sandbox.probe import channel
from storm_calm.sandbox.result_files import read_results
from storm_calm.sandbox.zygote.server import EXIT_REQUEST

_STREAMS = ("stdout", "stderr", "reports")
_MAX_REPORTS, _MAX_REPORT_BYTES = 1000, 1 << 20  # what is taken of one run's reports; the rest is passed over
# What Python, C++ and Rust say when memory is refused: as an uncaught error, or before abort().
_MEMORY_WORDS = re.compile(r"^[\w.]*MemoryError\b[^\n]*\Z|std::bad_alloc|memory allocation of \d+ bytes failed", re.M)
_PIPE_READS = 32  # of 64 KiB: as much as a pipe can hold
GRACE_SECONDS = 5.0  # past a deadline, after which the fork server itself must be stuck
_CANCELLED = "cancelled"  # what a selector says where it does not say a stream's name


class ServerLostError(Exception):
    """The fork server died, or does not answer any more."""


@dataclass(slots=True)
class ProgramRun:
    """One program under way: its files, and what came out of them so far."""

    _where: ClassVar[str] = "it"
    """What runs the program, for messages."""

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
        """Run the program to its end and return what came of it. Raises RunCancelledError if cancelled."""
        deadline = time.monotonic() + self.program.limits.seconds + GRACE_SECONDS
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = {
            "limits": self.program.limits.to_dict(),
            "nonce": self.nonce,
            "results": bool(self.program.results),
            "uncontended": self.uncontended,
        }

        def send(given: list[int]) -> None:
            with theirs:
                self.server.send(order, [theirs.fileno(), *given])

        with line, theirs:
            try:
                end = self._collect(line, send, deadline)
                files = {} if self.cancelled else self._results()
            finally:
                for fd in self.folder:
                    os.close(fd)
        self.server.remove_folder(end)
        if self.cancelled:
            raise RunCancelledError("the run was cancelled")
        return self._execution(end, files)

    def _collect(self, line: socket.socket, send: Callable[[list[int]], None], deadline: float) -> dict[str, Any]:
        """Send the order with the program's files, and read its output until its end is reported on `line`."""
        streams, given = self._open_files()
        with selectors.PollSelector() as selector, wake_fd(self.cancellation) as wake:
            try:
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
                    # What is left in the pipe; no more, as without namespaces something may still be writing.
                    for _ in range(_PIPE_READS):
                        if not self._read(name, fd):
                            break
            finally:
                for fd in streams.values():
                    os.close(fd)
        return end

    def _open_files(self) -> tuple[dict[str, int], list[int]]:
        """Our ends of the program's output, by name, and all that the program is given."""
        given = os.memfd_create("program")
        with open(given, "w", encoding="ascii", closefd=False) as file:
            json.dump(self._package(), file)
        os.lseek(given, 0, os.SEEK_SET)
        pipes = {name: os.pipe() for name in _STREAMS}
        readers = {name: reader for name, (reader, _) in pipes.items()}
        return readers, [given, *(writer for _, writer in pipes.values())]

    def _package(self) -> dict[str, Any]:
        """What the program's process is given to read."""
        return self.program.to_dict()

    def _wait(self, selector: selectors.BaseSelector, line: socket.socket, deadline: float) -> dict[str, Any]:
        """Read until the end is reported."""
        while True:
            ready = selector.select(deadline - time.monotonic())
            if not ready and time.monotonic() >= deadline:
                raise ServerLostError(f"{self._where} does not answer")
            for key, _ in ready:
                if key.data is None:
                    return self._receive_end(line)
                if key.data == _CANCELLED:
                    # Its end is waited for: only then nothing of it runs any more.
                    self.cancelled = True
                    deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
                    self._stop(line)
                    selector.unregister(key.fd)
                elif not self._read(key.data, key.fd):
                    selector.unregister(key.fd)
                elif self.cancelled:
                    pass  # What it prints is of no use to anyone.
                elif key.data == "reports":
                    self._check_exit_request(line)
                elif self.truncated:
                    self._stop(line)
                    selector.unregister(key.fd)

    def _receive_end(self, line: socket.socket) -> dict[str, Any]:
        """Return how the program ended. Raises ServerLostError if the fork server died."""
        message, self.folder = _receive(line)
        if not message:
            raise ServerLostError("it died")
        return dict(json.loads(message))

    def _check_exit_request(self, line: socket.socket) -> None:
        """Have the program ended if it asked for that on the reports' pipe."""
        if self.claimed_exit is None:
            self.claimed_exit = channel.claimed_exit(bytes(self.output["reports"][-64:]), self.nonce)
            if self.claimed_exit is not None:
                with contextlib.suppress(OSError):
                    line.send(EXIT_REQUEST)

    def _stop(self, line: socket.socket) -> None:
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
