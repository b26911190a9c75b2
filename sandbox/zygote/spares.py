"""Fork programs' processes, and keep spares: children that were forked ahead, locked in, and wait for a program."""

from __future__ import annotations

import collections
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.zygote import child, kernel, namespaces, processes, session_supervisor
from storm_calm.sandbox.zygote.forked_process import ForkedProcess
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext
from storm_calm.sandbox.zygote.program_cgroups import CgroupPool

RETRY_SECONDS = 0.05
"""To wait before a spare is made again after one failed."""


@dataclass(slots=True)
class SparePool:
    """Forks children on `context`, and has some ready."""

    context: IsolationContext
    cgroups: CgroupPool | None
    """Control groups for programs, if they can be had."""
    channel: Channel
    """Where the probe in a program reports its solves."""
    limits: Limits
    """Of the spares; a run with others gets a child of its own."""
    size: int
    """Children to keep ready."""
    main_library: str
    """The library that most programs here solve with."""
    on_fork: Callable[[ForkedProcess], object] = lambda process: None
    """Called with each new child."""
    inherited_bytes: int = field(default_factory=lambda: processes.private_bytes("self"))
    """Bytes of memory that each child starts with."""
    warms_up: bool = False
    """Whether spares solve something tiny ahead: only if the last order came alone, as it takes time from others."""
    spares: collections.deque[ForkedProcess] = field(default_factory=collections.deque)
    _own_namespace: int = field(default_factory=lambda: os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC))
    _networks: list[int] = field(default_factory=list)
    """Network namespaces in which there is nobody."""
    _folders: int = 0
    _next_spare: float = 0.0

    def is_full(self) -> bool:
        """Whether all spares are there."""
        return len(self.spares) >= self.size

    def can_refill(self) -> bool:
        """Whether a spare is missing, and may be made now."""
        return not self.is_full() and time.monotonic() >= self._next_spare

    def refill(self) -> None:
        """Make a spare."""
        try:
            self.spares.append(self.fork(self.limits, spare=True))
        except OSError:
            self._next_spare = time.monotonic() + RETRY_SECONDS

    def take(self, limits: Limits) -> ForkedProcess:
        """Return a spare that was made for such limits, or a new child."""
        if self.spares and _prepared_alike(self.spares[0].limits, limits):
            return self.spares.popleft()
        return self.fork(limits)

    def fork(self, limits: Limits, *, spare: bool = False, session: bool = False) -> ForkedProcess:
        """Return a new child that is locked in for `limits`. spare: it waits for a program; session: a supervisor."""
        cgroup = self.cgroups.take(limits, together=not session) if self.cgroups else None
        network = -1
        if self.context.isolation == "full" and not session:
            network = self._networks.pop() if self._networks else namespaces.new_network()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = self._new_folder()
        if self.context.isolation == "full":
            # The child is the first of a pid namespace: it takes all that it started with it, in one fork.
            kernel.unshare(kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0 and session:
            inherited = self.inherited_bytes
            session_supervisor.run_supervisor(self.context, folder, limits, self.channel, theirs, cgroup, inherited)
        if pid == 0:
            warm = self.main_library if spare and self.warms_up else ""
            child.run_spare(self.context, folder, limits, self.channel, theirs, cgroup, network=network, warm=warm)
        if self.context.isolation == "full":
            kernel.join_namespace(self._own_namespace, kernel.CLONE_NEWPID)
        theirs.close()
        pidfd = os.pidfd_open(pid)
        process = ForkedProcess(self.context, pid, pidfd, ours, limits, folder, self.inherited_bytes, cgroup, network)
        self.on_fork(process)
        return process

    def recycle(self, process: ForkedProcess) -> None:
        """Take back the control group and the network namespace of a child that ended."""
        if process.cgroup is not None and self.cgroups is not None:
            if process.cause is None and process.cgroup.ran_out():
                process.cause = "memory_limit"
            self.cgroups.give_back(process.cgroup, empty=self.context.isolation == "full")
        if process.network >= 0:
            self._networks.append(process.network)

    def discard(self, process: ForkedProcess) -> None:
        """Forget a spare that failed: the next caller tries again, and gets the reason."""
        self.spares = collections.deque(spare for spare in self.spares if spare is not process)
        self._next_spare = time.monotonic() + RETRY_SECONDS

    def _new_folder(self) -> str:
        if self.context.isolation == "full":
            return self.context.scratch
        self._folders += 1
        folder = os.path.join(self.context.scratch, str(self._folders))
        os.mkdir(folder, 0o700)
        return folder


def _prepared_alike(some: Limits, others: Limits) -> bool:
    """Whether a child made for one can run the other: time and output are not its own business."""
    return (some.memory_mb, some.file_mb, some.processes) == (others.memory_mb, others.file_mb, others.processes)
