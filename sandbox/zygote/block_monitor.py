"""Watch a block of a session from start to end: messages, time limit, memory limit."""

import contextlib
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any

from storm_calm.sandbox.zygote import block, processes, session_process
from storm_calm.sandbox.zygote.session_process import SessionProcess, becomes_single, is_single, receive

_CHECK_INTERVAL_SECONDS = 0.02  # between checks of memory
_MAX_MESSAGES = 1000  # more than a socket can buffer


class SessionEndedError(Exception):
    """The caller or the fork server ended the session."""


@dataclass(slots=True)
class BlockMonitor:
    """A running block, with the earlier blocks that run again before it."""

    process: SessionProcess
    seconds: list[float]  # the time limit of each earlier block that runs again, and of the block itself
    memory_bytes: int  # the memory limit
    inherited_bytes: int  # bytes of memory that each process started with
    begun: float = 0.0  # when the current block began, by time.monotonic()
    phase: int = 0  # how many of the blocks have begun
    cpu_before: float = 0.0
    peak_bytes: int = 0
    highest_bytes: int = 0
    cause: str | None = None  # why it is stopped: "timeout", "memory_limit" or "caller"
    is_done: bool = False  # whether its process reported success
    is_idle: bool = False  # whether its process is now a state
    has_failed: bool = False  # whether an earlier block that ran again failed
    exit_code: int | None = None  # the exit code that its process reported
    wait_status: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    waits: bool = False  # whether its only process waits for a message from the supervisor, and so does nothing
    _next_check: float = 0.0

    @property
    def is_last(self) -> bool:
        """Whether the block itself has begun, after those that run again."""
        return self.phase == len(self.seconds)

    @property
    def ended_well(self) -> bool:
        """Whether the block succeeded, so that its effects become part of the session."""
        exited = os.WIFEXITED(self.wait_status) and os.WEXITSTATUS(self.wait_status) == 0
        return self.cause is None and (self.is_idle or exited)

    def seconds_left(self) -> float:
        """Return the seconds until the time limit of the current block."""
        return self.begun + self.seconds[self.phase - 1] - time.monotonic()

    def follow(self, caller: socket.socket, termination: socket.socket) -> None:
        """Watch the block until its process is dead, is a state, or must be stopped.

        caller: a message on it stops the block. termination: readable when the session must end.
        Raises SessionEndedError if the session must end or the caller is gone.
        """
        self._begin()
        poller = select.poll()
        for fd in (self.process.pidfd, self.process.line.fileno(), caller.fileno(), termination.fileno()):
            poller.register(fd, select.POLLIN)
        while not self.is_idle and self.exit_code is None:
            left = self.seconds_left()
            if left <= 0:
                self.cause = self.cause or "timeout"
            if self.cause:
                break
            ready = {fd for fd, _ in poller.poll(1000 * min(left, _CHECK_INTERVAL_SECONDS))}
            if termination.fileno() in ready:
                raise SessionEndedError
            if caller.fileno() in ready:
                if not caller.recv(1 << 16):
                    raise SessionEndedError
                self.cause = self.cause or "caller"
            if self.process.line.fileno() in ready and not self._handle_message():
                poller.unregister(self.process.line.fileno())
            if self.process.pidfd in ready:
                for _ in range(_MAX_MESSAGES):  # Those sent before its end.
                    if not self._handle_message():
                        break
                break
            self._check_memory()
        if self.is_idle:
            self.process.signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Kill its process, unless `waits`, and measure what the block used."""
        self.wall = time.monotonic() - self.begun
        self._next_check = 0.0
        self._check_memory()
        pid = self.process.pid
        dead = self.process.is_dead()
        self.cpu = processes.cpu_seconds(pid) - self.cpu_before
        self.waits = not dead and is_single(pid) and (self.is_idle or self.exit_code is not None)
        if not dead and not self.waits:
            self.process.signal(signal.SIGKILL)
            dead = self.process.is_dead(session_process.TEARDOWN_SECONDS)
        exit_code = 0 if self.is_idle else self.exit_code
        if exit_code is not None:
            self.wait_status = exit_code << 8
        else:
            self.wait_status = processes.wait_status(pid) if dead else signal.SIGKILL

    def report(self, outcome: str) -> dict[str, Any]:
        """Return how the block ended and what it used, after `stop`."""
        status = self.wait_status
        return {
            "outcome": outcome,
            "failed_before": self.has_failed or not self.is_last,
            "exit_code": os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "cause": self.cause,
            "wall": self.wall,
            "cpu": self.cpu,
            "peak_bytes": self.peak_bytes,
            "maxrss_bytes": self.highest_bytes,
        }

    def _begin(self) -> None:
        self.phase += 1
        self.begun = time.monotonic()
        self.cpu_before = processes.cpu_seconds(self.process.pid)

    def _handle_message(self) -> bool:
        """Process one message of the block's process. Return False without one, or if the socket is closed."""
        received = receive(self.process.line, 0)
        if received is None:
            return False
        message, pid = received
        if pid != self.process.pid:  # A child process of the block uses its socket.
            return True
        if message[:1] == block.EXIT and self.is_last:
            self.exit_code = message[-1]
        elif message == block.BEGIN and not self.is_last:
            self._begin()
        elif message == block.DONE and self.is_last:
            self.is_done = True
            with contextlib.suppress(OSError):
                answer = block.KEEP if becomes_single(pid) else block.END
                self.process.line.send(answer, socket.MSG_DONTWAIT)
        elif message == block.IDLE and self.is_done:
            self.is_idle = True
        elif message == block.FAILED:
            self.has_failed = True
        return True

    def _check_memory(self) -> None:
        """Measure the memory of the session, and stop the block if it exceeds the limit."""
        now = time.monotonic()
        if now < self._next_check:
            return
        used = self._used_bytes()
        self.peak_bytes = max(self.peak_bytes, used)
        self.highest_bytes = max(self.highest_bytes, processes.highest_bytes(processes.status(self.process.pid)))
        if used > self.memory_bytes:
            self.cause = self.cause or "memory_limit"
        self._next_check = now + max(_CHECK_INTERVAL_SECONDS, 5 * (time.monotonic() - now))

    def _used_bytes(self) -> int:
        """Return the memory of the session in bytes, without that of the fork server. Exact only above the limit."""
        pids = [pid for pid in processes.process_tree(os.getpid()) if not processes.is_doomed(pid)]
        own = [max(0, processes.private_bytes(pid) - self.inherited_bytes) for pid in pids]
        if sum(own) <= self.memory_bytes:
            return sum(own)
        # Pages that states share with each other count once. Pages shared with the fork server do not count.
        shared = processes.proportional_bytes(os.getpid())
        return sum(own) if shared is None else max(shared - self.inherited_bytes, *own)
