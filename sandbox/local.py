"""The "local" sandbox: programs run on this machine, in children of a fork server (`sandbox.zygote`).

    python -c 'from sandbox import open_sandbox; print(open_sandbox().run("print(6 * 7)").stdout)'

A program gets a process of its own, forked from one that has the solver libraries loaded, and locked in as well as
the machine allows. As the first process of its pid namespace (tier "full") it does not die of signals that it sends to
itself; one that calls abort() is reported with SIGSEGV, by which the C library then ends it.
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
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from sandbox.base import Limits, Sandbox
from sandbox.execution import Execution, SandboxUnavailableError, Status, Tier
from sandbox.launch import ForkServer, launch
from sandbox.probe import channel

_STREAMS = ("stdout", "stderr", "reports")
_REPORTS, _REPORT_BYTES = 1000, 1 << 20  # what is taken of one run's reports; the rest is passed over
# What Python, C++ and Rust say when memory is refused: as an uncaught error, or before abort().
_MEMORY_WORDS = re.compile(r"^[\w.]*MemoryError\b[^\n]*\Z|std::bad_alloc|memory allocation of \d+ bytes failed", re.M)
_PIPE_READS = 32  # of 64 KiB: as much as a pipe can hold
_GRACE = 5.0  # seconds past a deadline after which the fork server itself must be stuck


class LocalSandbox(Sandbox):
    """Programs in children of a fork server on this machine. Made by `open_sandbox`."""

    backend = "local"

    def __init__(self, *, minimum_tier: Tier, tier: Tier, workers: int | None, limits: Limits) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers is {workers!r}; give a whole number of at least 1")
        self.workers = workers or len(os.sched_getaffinity(0))
        self.limits = limits
        self._minimum_tier: Tier = minimum_tier
        self._highest_tier: Tier = tier
        self._places = threading.BoundedSemaphore(self.workers)
        self._lock = threading.Lock()
        self._closed = False
        self._server = self._launch()
        self.tier = self._server.tier
        self.missing = self._server.missing

    def run(self, code: str, *, limits: Limits | None = None) -> Execution:
        limits = limits or self.limits
        with self._places:
            server = self._alive_server()
            try:
                return _Run(server, code, limits).finish()
            except _ServerLostError:
                # Not the program's fault, as far as anyone knows: it gets one more try.
                server = self._alive_server(instead_of=server)
            try:
                return _Run(server, code, limits).finish()
            except _ServerLostError as error:
                raise SandboxUnavailableError(f"the fork server died twice under this program: {error}") from None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._server.close()

    def _launch(self) -> ForkServer:
        return launch(
            minimum_tier=self._minimum_tier, tier=self._highest_tier, limits=self.limits, spares=min(2, self.workers)
        )

    def _alive_server(self, instead_of: ForkServer | None = None) -> ForkServer:
        """The fork server; a new one where it died or is the one that just failed."""
        with self._lock:
            if self._closed:
                raise SandboxUnavailableError("the sandbox is closed")
            if self._server is instead_of or not self._server.alive():
                self._server.close()
                self._server = self._launch()
            return self._server


class _ServerLostError(Exception):
    """The fork server died, or does not answer any more."""


@dataclass(slots=True)
class _Run:
    """One program under way: its files, and what came out of them so far."""

    server: ForkServer
    code: str
    limits: Limits
    output: dict[str, bytearray] = field(default_factory=lambda: {name: bytearray() for name in _STREAMS})
    word: str = field(default_factory=lambda: secrets.token_hex(8))
    """What the probe's reports begin with."""
    truncated: bool = False

    def finish(self) -> Execution:
        """Start the program, gather what it says, and tell how it ended."""
        begin = time.monotonic()
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        streams, given = self._open_files()
        with line, theirs, selectors.PollSelector() as selector:
            try:
                order = {"limits": self.limits.to_dict(), "word": self.word}
                try:
                    self.server.send(order, [theirs.fileno(), *given])
                except OSError as error:
                    raise _ServerLostError(f"it is gone ({error})") from None
                finally:
                    theirs.close()
                    for fd in given:
                        os.close(fd)
                selector.register(line, selectors.EVENT_READ, None)
                for name, fd in streams.items():
                    os.set_blocking(fd, False)
                    selector.register(fd, selectors.EVENT_READ, name)
                end = self._gather(selector, line, begin + self.limits.seconds + _GRACE)
                for name, fd in streams.items():
                    # What is left in the pipe; no more, as without namespaces something may still be writing.
                    for _ in range(_PIPE_READS):
                        if not self._read(name, fd):
                            break
            finally:
                for fd in streams.values():
                    os.close(fd)
        return self._execution(end)

    def _open_files(self) -> tuple[dict[str, int], list[int]]:
        """Our ends of the program's output, by name, and all that the program is given."""
        code_file = os.memfd_create("main.py")
        os.write(code_file, self.code.encode("utf-8", errors="surrogatepass"))
        os.lseek(code_file, 0, os.SEEK_SET)
        pipes = {name: os.pipe() for name in _STREAMS}
        return {name: reader for name, (reader, _) in pipes.items()}, [
            code_file,
            *(writer for _, writer in pipes.values()),
        ]

    def _gather(self, selector: selectors.BaseSelector, line: socket.socket, patience: float) -> dict[str, Any]:
        """Read until the fork server says that the program has ended."""
        while True:
            ready = selector.select(patience - time.monotonic())
            if not ready and time.monotonic() >= patience:
                raise _ServerLostError("it does not answer")
            for key, _ in ready:
                if key.data is None:
                    message = line.recv(1 << 16)
                    if not message:
                        raise _ServerLostError("it died")
                    return dict(json.loads(message))
                if not self._read(key.data, key.fd):
                    selector.unregister(key.fd)
                elif self.truncated:
                    with contextlib.suppress(OSError):
                        line.shutdown(socket.SHUT_WR)
                    selector.unregister(key.fd)

    def _read(self, name: str, fd: int) -> bool:
        """Take what is there; False at the end, or where nothing is."""
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return False
        kept = self.output[name]
        room = (_REPORT_BYTES if name == "reports" else self.limits.output_bytes) - len(kept)
        kept += data[:room]
        if name != "reports":
            self.truncated = self.truncated or len(data) > room
        return bool(data)

    def _execution(self, end: dict[str, Any]) -> Execution:
        if "fault" in end:
            raise SandboxUnavailableError(end["fault"])
        stdout, stderr = (bytes(self.output[name]).decode("utf-8", errors="replace") for name in ("stdout", "stderr"))
        peak = max(end["peak_bytes"], end["maxrss_bytes"] - self.server.inherited_bytes)
        return Execution(
            code=self.code,
            status=self._status(end, stderr, peak),
            stdout=stdout,
            stderr=stderr,
            exit_code=end["exit_code"],
            signal=end["signal"],
            wall_seconds=end["wall"],
            cpu_seconds=max(0.0, end["cpu"] - end["started"]),
            peak_memory_mb=peak / (1 << 20),
            truncated=self.truncated,
            tier=self.server.tier,
            backend="local",
            reports=channel.read(bytes(self.output["reports"]), self.word, _REPORTS),
        )

    def _status(self, end: dict[str, Any], stderr: str, peak: int) -> Status:
        if end["cause"] in ("timeout", "memory_limit"):
            return end["cause"]
        if self.truncated:
            return "output_limit"
        if end["exit_code"] == 0:
            return "ok"
        return "memory_limit" if self._ran_out_of_memory(end, stderr, peak) else "error"

    def _ran_out_of_memory(self, end: dict[str, Any], stderr: str, peak: int) -> bool:
        """Whether a failed request for memory ended the program, as far as its last words tell."""
        last_words = stderr.rstrip()[-500:]
        if _MEMORY_WORDS.search(last_words):
            return True
        # A library that doesn't check its allocations, or can't be loaded (127), dies without a word.
        silent = end["signal"] is not None or end["exit_code"] == 127
        killed_by_kernel = end["signal"] == signal.SIGKILL and self.server.tier == "full"
        return killed_by_kernel or (silent and peak > 0.9 * (self.limits.memory_mb << 20))
