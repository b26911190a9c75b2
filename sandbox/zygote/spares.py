"""Fork the processes of programs, and keep spares: children that are already isolated and wait for a program."""

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

RETRY_SECONDS = 0.05  # pause after a spare could not be made


@dataclass(slots=True)
class SparePool:
    """A pool of children of the fork server."""

    context: IsolationContext
    cgroups: CgroupPool | None  # None if not available
    channel: Channel  # for the solver reports of programs
    limits: Limits  # of the spares; a program with different limits gets a new child
    size: int  # number of spares to keep
    main_library: str  # the library that most programs of this fork server use
    on_fork: Callable[[ForkedProcess], object] = lambda process: None  # called with each new child
    inherited_bytes: int = field(default_factory=lambda: processes.private_bytes("self"))  # at the start of each child
    warms_up: bool = False  # whether spares solve a tiny model ahead; not while others need the processor
    spares: collections.deque[ForkedProcess] = field(default_factory=collections.deque)
    _own_namespace: int = field(default_factory=lambda: os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC))
    _networks: list[int] = field(default_factory=list)  # network namespaces without processes
    _folders: int = 0
    _next_spare: float = 0.0

    def is_full(self) -> bool:
        return len(self.spares) >= self.size

    def can_refill(self) -> bool:
        """Return whether a spare is missing and may be made now."""
        return not self.is_full() and time.monotonic() >= self._next_spare

    def refill(self) -> None:
        """Make a spare. If that fails, pause for `RETRY_SECONDS`."""
        try:
            self.spares.append(self.fork(self.limits, spare=True))
        except OSError:
            self._next_spare = time.monotonic() + RETRY_SECONDS

    def take(self, limits: Limits) -> ForkedProcess:
        """Return a spare if it was made for these limits, else a new child."""
        if self.spares:
            made = self.spares[0].limits
            # The child does not apply the limits on time and output itself.
            if (made.memory_mb, made.file_mb, made.processes) == (limits.memory_mb, limits.file_mb, limits.processes):
                return self.spares.popleft()
        return self.fork(limits)

    def fork(self, limits: Limits, *, spare: bool = False, session: bool = False) -> ForkedProcess:
        """Return a new child, isolated with `limits`. spare: made ahead of a program. session: a session supervisor."""
        cgroup = self.cgroups.take(limits, together=not session) if self.cgroups else None
        network = -1
        if self.context.isolation == "full" and not session:
            network = self._networks.pop() if self._networks else namespaces.new_network()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = self._new_folder()
        if self.context.isolation == "full":
            # The child becomes the first process of a pid namespace, so killing it kills all that it started.
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
            if process.cause is None and process.cgroup.oom_killed():
                process.cause = "memory_limit"
            self.cgroups.give_back(process.cgroup, empty=self.context.isolation == "full")
        if process.network >= 0:
            self._networks.append(process.network)

    def discard(self, process: ForkedProcess) -> None:
        """Drop a spare that failed. The next program gets a new child, and the error if that fails too."""
        self.spares = collections.deque(spare for spare in self.spares if spare is not process)
        self._next_spare = time.monotonic() + RETRY_SECONDS

    def _new_folder(self) -> str:
        if self.context.isolation == "full":
            return self.context.scratch
        self._folders += 1
        folder = os.path.join(self.context.scratch, str(self._folders))
        os.mkdir(folder, 0o700)
        return folder
