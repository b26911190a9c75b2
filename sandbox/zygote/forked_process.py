"""A child of the fork server: first a spare, then a program; or the supervisor of a session."""

import contextlib
import json
import os
import resource
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.zygote import processes
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext
from storm_calm.sandbox.zygote.program_cgroups import ProgramCgroup


@dataclass(slots=True)
class ForkedProcess:
    """A child of the fork server. The limits do not apply to a session supervisor: it applies its own to its blocks."""

    context: IsolationContext
    pid: int
    pidfd: int
    line: socket.socket  # the socket to it
    limits: Limits
    folder: str
    inherited_bytes: int  # bytes of memory that it started with
    cgroup: ProgramCgroup | None = None
    network: int = -1  # its own network namespace; -1 if it has none
    channel: socket.socket | None = None  # to the caller, for the report of its end; None for a spare
    started: float = 0.0  # by time.monotonic(), like `killed`
    cpu_before: float = 0.0  # processor seconds that it had used before `started`
    peak_bytes: int = 0
    cause: str | None = None  # why it was killed: "timeout", "memory_limit", "caller" or "exit_request" (it asked to)
    sockets_before: int = 0  # bytes that sockets could buffer before `started`, if it shares its network namespace
    killed: float = 0.0
    reaped: bool = False
    results: bool = False  # whether the caller wants its folder
    reported: bool = False  # whether its end was already reported to the caller

    def start(self, channel: socket.socket, *, results: bool) -> None:
        """Measure time, processor and memory from now on, and report the end on `channel`."""
        self.channel = channel
        self.cpu_before = processes.cpu_seconds(self.pid)
        # A spare gives back some of the memory that it started with.
        self.inherited_bytes = min(self.inherited_bytes, processes.private_bytes(self.pid))
        self.results = results
        self.sockets_before = 0 if self.context.isolation == "full" else self._socket_bytes()
        self.started = time.monotonic()
        if self.cgroup is not None:
            self.cgroup.start()

    def used_bytes(self) -> int:
        """Return its memory in bytes, without what the fork server had loaded."""
        if self.cgroup is not None:
            # The kernel's statistics of a group can be seconds old, also those of its last program. The first process
            # has a counter of its own.
            return max(self.cgroup.used_bytes(), processes.private_bytes(self.pid) - self.inherited_bytes)
        used = processes.own_bytes(self.pid, self.inherited_bytes)
        sockets = self._socket_bytes() - self.sockets_before
        most = self.limits.memory_mb << 20
        if most < used + sockets <= 4 * most:
            # Its processes may share pages, which were counted once for each. Far above the limit, the exact number
            # takes too long to read and would not change the result.
            exact = processes.proportional_bytes(self.pid)
            used = used if exact is None else exact
        return used + sockets

    def is_doomed(self) -> bool:
        """Return whether none of its processes executes code any more, after it was killed."""
        if self.context.isolation == "full":
            return True  # The kernel ends all processes of a pid namespace with the first one.
        # Its supervisor may not have killed all yet. If all are doomed, a second look finds those forked before that.
        members = processes.process_tree(self.pid)
        doomed = all(map(processes.is_doomed, members[1:]))
        return doomed and set(processes.process_tree(self.pid)) <= set(members)

    def kill(self, cause: str) -> None:
        """Kill it and all processes that it started."""
        if self.cause is None:
            self.cause, self.killed = cause, time.monotonic()
        # Without namespaces the child is a supervisor, which must stay alive to kill the others.
        order = signal.SIGKILL if self.context.isolation == "full" else signal.SIGTERM
        with contextlib.suppress(ProcessLookupError):
            if self.context.isolation == "full" and self.cgroup is not None:
                self.cgroup.kill()
            elif self.context.isolation == "full":
                # Killing only the first process of the namespace can be slow, and the others run until it is dead.
                for pid in processes.process_tree(self.pid)[1:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            signal.pidfd_send_signal(self.pidfd, order)
            signal.pidfd_send_signal(
                self.pidfd, signal.SIGCONT
            )  # A program that may send it signals can have stopped it.

    def startup_messages(self) -> tuple[dict[str, Any], list[int]]:
        """Return what it sent before its program started, and its folder, as an open file."""
        received: dict[str, Any] = {}
        folder: list[int] = []
        with contextlib.suppress(OSError):
            while True:
                message, files, _, _ = socket.recv_fds(self.line, 1 << 16, 1, socket.MSG_DONTWAIT)
                if not message:
                    break
                folder += files
                received |= json.loads(message)
        return received or {"fault": "the program's process died before it started"}, folder

    def end_report(self, status: int, usage: resource.struct_rusage) -> dict[str, Any]:
        """Return how it ended and what it used, after it was reaped."""
        cpu = usage.ru_utime + usage.ru_stime
        return self._report(status, time.monotonic(), cpu, usage.ru_maxrss << 10)

    def early_end_report(self, cpu: float) -> dict[str, Any]:
        """Return the same for a killed process that is still being taken down. cpu: processor seconds that it used."""
        return self._report(signal.SIGKILL, self.killed, cpu, 0)

    def _report(self, status: int, ended: float, cpu: float, maxrss_bytes: int) -> dict[str, Any]:
        report: dict[str, Any] = {
            "exit_code": os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "cause": self.cause,
            "wall": ended - self.started,
            "cpu": cpu - self.cpu_before,
            "peak_bytes": self.peak_bytes,
            "maxrss_bytes": maxrss_bytes,
        }
        if self.context.isolation != "full":
            report["folder"] = int(os.path.basename(self.folder))  # The caller removes it, as that takes time.
        return report

    def _socket_bytes(self) -> int:
        """Return the bytes that sockets can buffer in its network namespace, if this is its own or its container's."""
        own = self.context.isolation == "full" or self.context.dedicated
        return processes.socket_bytes(self.pid) if own else 0
