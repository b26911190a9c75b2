"""Control groups, one for each program, which limit and count what all its processes use together.

The kernel charges a group for every page that its processes touch first, and for page tables, sockets and pipes. Forked
processes stay in it. So no process escapes it, and the memory of the fork server does not count. Empty groups are
reused.
"""

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from storm_calm.sandbox.base import Limits

OWN_BYTES = 64 << 20  # allowed beyond the limits of a program, for namespaces, kernel records and file pages
_OWN_PROCESSES = 2  # the supervisor, and the process that becomes it


@dataclass(frozen=True, slots=True)
class OpenHierarchy:
    """An open folder in which the fork server may make groups."""

    fd: int
    controllers: tuple[str, ...]


@dataclass(slots=True)
class ProgramCgroup:
    """The control group of one program."""

    name: str
    version: int
    trees: tuple[OpenHierarchy, ...]
    base_bytes: int = 0  # its memory when the program started
    oom_kills_before: int = 0
    empty: bool = True  # whether it is certain that no process is in it
    _current: tuple[int, int, bool] | None = None  # limits: bytes of memory, processes, whether killed together

    def limit(self, limits: Limits, *, together: bool) -> None:
        """Set limits for the sum of its processes. Raises OSError if the kernel refuses.

        together: whether the kernel kills all of them if memory runs out; only in version 2.
        """
        memory = (limits.memory_mb << 20) + 2 * (limits.file_mb << 20) + OWN_BYTES  # Its files are in memory too.
        wanted = memory, limits.processes + _OWN_PROCESSES, together
        if wanted != self._current:
            self._current = None
            if self.version == 1:
                self._write("memory", "memory.limit_in_bytes", str(memory))
            else:
                self._write("memory", "memory.max", str(memory))
                self._write("memory", "memory.oom.group", "1" if together else "0")
                with contextlib.suppress(OSError):  # The file is missing if the machine has no swap.
                    self._write("memory", "memory.swap.max", "0")
            self._write("pids", "pids.max", str(wanted[1]))
            self._current = wanted
        self.oom_kills_before = self._oom_kills()
        self.base_bytes = 0

    def entry_fds(self) -> list[int]:
        """Open the files through which a process moves into the group, for `join_cgroup`."""
        # In version 1 a thread that moves itself needs no lock, but moving a process waits for all processors.
        file = "tasks" if self.version == 1 else "cgroup.procs"
        return [os.open(f"{self.name}/{file}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=tree.fd) for tree in self.trees]

    def start(self) -> None:
        """Count memory from now on."""
        self.base_bytes = self._total_bytes()

    def used_bytes(self) -> int:
        """Return the bytes of memory, including kernel memory, that its processes use since `start`."""
        return max(0, self._total_bytes() - self.base_bytes)

    def oom_killed(self) -> bool:
        """Return whether the kernel killed one of its processes because memory ran out."""
        return self._oom_kills() > self.oom_kills_before

    def pids(self) -> list[int]:
        return [int(pid) for pid in self._read("memory", "cgroup.procs").split()]

    def kill(self) -> None:
        """Kill its processes. Those forked meanwhile may survive, so check `pids` afterwards."""
        for pid in self.pids():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _total_bytes(self) -> int:
        report = dict(line.split(" ", 1) for line in self._read("memory", "memory.stat").splitlines() if " " in line)
        if self.version == 1:
            return int(report.get("rss", 0)) + int(self._read("memory", "memory.kmem.usage_in_bytes") or 0)
        return int(report.get("anon", 0)) + int(report.get("kernel", 0))

    def _oom_kills(self) -> int:
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        for line in self._read("memory", name).splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def _tree(self, controller: str) -> OpenHierarchy | None:
        return next((tree for tree in self.trees if controller in tree.controllers), None)

    def _write(self, controller: str, file: str, text: str) -> None:
        tree = self._tree(controller)
        if tree is not None:
            fd = os.open(f"{self.name}/{file}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=tree.fd)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)

    def _read(self, controller: str, file: str) -> str:
        tree = self._tree(controller)
        if tree is None:
            return ""
        try:
            fd = os.open(f"{self.name}/{file}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=tree.fd)
        except OSError:
            return ""
        try:
            return os.read(fd, 1 << 16).decode("ascii", errors="replace")
        finally:
            os.close(fd)


def join_cgroup(entry_fds: Iterable[int]) -> None:
    """Move this process, which must have one thread, into the group with these `entry_fds`, and close them."""
    for fd in entry_fds:
        os.write(fd, b"0")
        os.close(fd)


@dataclass(slots=True)
class CgroupPool:
    """The control groups of a fork server."""

    version: int
    trees: tuple[OpenHierarchy, ...]
    _free: list[ProgramCgroup] = field(default_factory=list)
    _made: int = 0

    @classmethod
    def open(cls, version: int, trees: Iterable[tuple[int, tuple[str, ...]]]) -> Self:
        """Return a pool that makes groups in `trees`: for each open folder, its file descriptor and controllers."""
        return cls(version, tuple(OpenHierarchy(fd, tuple(controllers)) for fd, controllers in trees))

    @property
    def counts_processes(self) -> bool:
        """Whether the groups limit the number of processes."""
        return any("pids" in tree.controllers for tree in self.trees)

    def take(self, limits: Limits, *, together: bool = True) -> ProgramCgroup:
        """Return an empty group with these limits, see `ProgramCgroup.limit`. Raises OSError if that fails."""
        for group in self._free:
            if group.empty or not group.pids():
                self._free.remove(group)
                break
            group.kill()  # Its last processes are still being taken down, or were forked meanwhile.
        else:
            self._made += 1
            group = ProgramCgroup(str(self._made), self.version, self.trees)
            for tree in self.trees:
                os.mkdir(group.name, 0o700, dir_fd=tree.fd)
        group.limit(limits, together=together)
        return group

    def give_back(self, group: ProgramCgroup, *, empty: bool) -> None:
        """Keep a group for another program. empty: whether it has no processes; otherwise they are killed."""
        if not empty:
            group.kill()
        group.empty = empty
        self._free.append(group)
