"""A child of the fork server: a spare at first, then a program's run; or the supervisor of a session."""

from __future__ import annotations

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
from storm_calm.sandbox.zygote.processes import cpu_seconds
from storm_calm.sandbox.zygote.program_cgroups import ProgramCgroup


@dataclass(slots=True)
class ForkedProcess:
    """A child of the fork server. The limits do not apply to a session supervisor, which sets its own."""

    context: IsolationContext
    pid: int
    pidfd: int
    line: socket.socket
    limits: Limits
    folder: str
    """Where it works."""
    inherited_bytes: int
    """Bytes of memory that it started with."""
    cgroup: ProgramCgroup | None = None
    """Its control group, if there are any."""
    network: int = -1
    """Its network namespace, if it has one of its own."""
    channel: socket.socket | None = None
    """Where the end is reported; None for a spare."""
    started: float = 0.0
    cpu_before: float = 0.0
    """Processor seconds that it had taken by then."""
    peak_bytes: int = 0
    cause: str | None = None
    """Why it was killed: "timeout", "memory_limit", "caller" or "exit_request", at its own request."""
    sockets_before: int = 0
    """Bytes that sockets could hold before it started, if it shares its network namespace."""
    killed: float = 0.0
    """When that was, by time.monotonic()."""
    reaped: bool = False
    results: bool = False
    """Whether the caller wants its folder."""
    reported: bool = False
    """Whether the caller knows its end already."""

    def start(self, channel: socket.socket, *, results: bool) -> None:
        """Count time, processor and memory from here on; the end is reported on `channel`."""
        self.channel = channel
        self.cpu_before = cpu_seconds(self.pid)
        self.results = results
        self.sockets_before = 0 if self.context.isolation == "full" else self._socket_bytes()
        self.started = time.monotonic()
        if self.cgroup is not None:
            self.cgroup.start()

    def used_bytes(self) -> int:
        """Bytes of memory that it holds beyond what was loaded for it."""
        if self.cgroup is not None:
            return self.cgroup.used_bytes()
        used = processes.own_bytes(self.pid, self.inherited_bytes)
        sockets = self._socket_bytes() - self.sockets_before
        most = self.limits.memory_mb << 20
        if most < used + sockets <= 4 * most:
            # Pages that its processes share were counted once for each: look again. Far above, it takes too long.
            exact = processes.proportional_bytes(self.pid)
            used = used if exact is None else exact
        return used + sockets

    def is_doomed(self) -> bool:
        """Whether nothing of it runs any code of its own, after it was killed."""
        if self.context.isolation == "full":
            return True  # The end of its first process is that of all.
        # Its supervisor may have yet to kill some. If all are doomed, a second look finds what they forked before.
        members = processes.process_tree(self.pid)
        doomed = all(map(processes.is_doomed, members[1:]))
        return doomed and set(processes.process_tree(self.pid)) <= set(members)

    def kill(self, cause: str) -> None:
        """Kill it and all that it started."""
        if self.cause is None:
            self.cause, self.killed = cause, time.monotonic()
        # Without namespaces the child is a supervisor, which must live to sweep up.
        order = signal.SIGKILL if self.context.isolation == "full" else signal.SIGTERM
        with contextlib.suppress(ProcessLookupError):
            if self.context.isolation == "full" and self.cgroup is not None:
                self.cgroup.kill()
            elif self.context.isolation == "full":
                # Taking down the first process of a namespace can take long, and the others live until it is done.
                for pid in processes.process_tree(self.pid)[1:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            signal.pidfd_send_signal(self.pidfd, order)
            signal.pidfd_send_signal(self.pidfd, signal.SIGCONT)  # Without walls a program may have stopped it.

    def startup_messages(self) -> tuple[dict[str, Any], list[int]]:
        """Return what it sent before its program began, and its folder, held open."""
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
        """Return how it ended and what it used, once it was waited for."""
        return {
            "exit_code": os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "cause": self.cause,
            "wall": time.monotonic() - self.started,
            "cpu": usage.ru_utime + usage.ru_stime - self.cpu_before,
            "peak_bytes": self.peak_bytes,
            "maxrss_bytes": usage.ru_maxrss << 10,
            **self._folder_number(),
        }

    def early_end_report(self, cpu: float) -> dict[str, Any]:
        """Return the same if it was killed but is still being taken down. cpu: processor seconds that it has taken."""
        return {
            "exit_code": None,
            "signal": signal.SIGKILL.value,
            "cause": self.cause,
            "wall": self.killed - self.started,
            "cpu": cpu - self.cpu_before,
            "peak_bytes": self.peak_bytes,
            "maxrss_bytes": 0,
            **self._folder_number(),
        }

    def _folder_number(self) -> dict[str, int]:
        # Removed by the caller, who can wait for it.
        return {} if self.context.isolation == "full" else {"folder": int(os.path.basename(self.folder))}

    def _socket_bytes(self) -> int:
        """Bytes that sockets can hold in its network namespace, if that is its own, or its container's."""
        own = self.context.isolation == "full" or self.context.dedicated
        return processes.socket_bytes(self.pid) if own else 0
