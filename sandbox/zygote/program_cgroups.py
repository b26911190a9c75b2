"""Control groups for programs: each runs in one, which limits and counts what all its processes use together.

The kernel charges a group for every page that its processes touch first, and for page tables, sockets and pipes; a
process that forks stays in it. So nothing escapes it, and nothing that the fork server loaded counts. A group is used
again when it is empty.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field

from storm_calm.sandbox.base import Limits

OWN_BYTES = 64 << 20
"""What a program's group may hold beyond its limits: namespaces, the kernel's own records, pages of files."""
_OWN_PROCESSES = 2  # a supervisor, and the one that is about to be it


@dataclass(frozen=True, slots=True)
class OpenHierarchy:
    """A folder in which the fork server may make groups, held open."""

    fd: int
    controllers: tuple[str, ...]


@dataclass(slots=True)
class ProgramCgroup:
    """The group of one program."""

    name: str
    version: int
    trees: tuple[OpenHierarchy, ...]
    base_bytes: int = 0
    """What it held before the program started."""
    kills_before: int = 0
    empty: bool = True
    """Whether it is known that no process is in it."""
    _set: tuple[int, int, bool] | None = None
    """The limits that it has: bytes of memory, processes, whether all are killed together."""

    def limit(self, limits: Limits, *, together: bool) -> None:
        """Set what the processes in it may use together. Raises OSError if the kernel refuses.

        together: whether the kernel may kill all of them if memory runs out, where it can.
        """
        memory = (limits.memory_mb << 20) + 2 * (limits.file_mb << 20) + OWN_BYTES  # Its files lie in memory too.
        wanted = memory, limits.processes + _OWN_PROCESSES, together
        if wanted != self._set:
            self._set = None
            if self.version == 1:
                self._write("memory", "memory.limit_in_bytes", str(memory))
            else:
                self._write("memory", "memory.max", str(memory))
                self._write("memory", "memory.oom.group", "1" if together else "0")
                with contextlib.suppress(OSError):  # No swap on this machine.
                    self._write("memory", "memory.swap.max", "0")
            self._write("pids", "pids.max", str(wanted[1]))
            self._set = wanted
        self.kills_before = self._kills()
        self.base_bytes = 0

    def entry_fds(self) -> list[int]:
        """Open what a process writes to that moves into the group, see `join_cgroup`."""
        # In version 1 a thread that moves itself needs no lock; moving a process waits for all processors.
        file = "tasks" if self.version == 1 else "cgroup.procs"
        return [os.open(f"{self.name}/{file}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=tree.fd) for tree in self.trees]

    def start(self) -> None:
        """Count memory from here on."""
        self.base_bytes = self._held()

    def used_bytes(self) -> int:
        """Bytes of memory that its processes use together, kernel memory included, beyond what they started with."""
        return max(0, self._held() - self.base_bytes)

    def ran_out(self) -> bool:
        """Whether the kernel killed one of its processes for want of memory."""
        return self._kills() > self.kills_before

    def pids(self) -> list[int]:
        """The processes in it."""
        return [int(pid) for pid in self._read("memory", "cgroup.procs").split()]

    def kill(self) -> None:
        """Kill all its processes. One that is being born meanwhile may be left: look again."""
        for pid in self.pids():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _held(self) -> int:
        report = dict(line.split(" ", 1) for line in self._read("memory", "memory.stat").splitlines() if " " in line)
        if self.version == 1:
            return int(report.get("rss", 0)) + int(self._read("memory", "memory.kmem.usage_in_bytes") or 0)
        return int(report.get("anon", 0)) + int(report.get("kernel", 0))

    def _kills(self) -> int:
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
    """Move this process, which must have one thread, into the group of these `entry_fds`, and close them."""
    for fd in entry_fds:
        os.write(fd, b"0")
        os.close(fd)


@dataclass(slots=True)
class CgroupPool:
    """All groups of a fork server."""

    version: int
    trees: tuple[OpenHierarchy, ...]
    _free: list[ProgramCgroup] = field(default_factory=list)
    _made: int = 0

    @classmethod
    def open(cls, version: int, trees: Iterable[tuple[int, tuple[str, ...]]]) -> CgroupPool:
        """Work in folders that are held open. trees: for each its file descriptor and its controllers."""
        return cls(version, tuple(OpenHierarchy(fd, tuple(controllers)) for fd, controllers in trees))

    @property
    def counts_processes(self) -> bool:
        """Whether groups limit the number of processes."""
        return any("pids" in tree.controllers for tree in self.trees)

    def take(self, limits: Limits, *, together: bool = True) -> ProgramCgroup:
        """An empty group with these limits, as for `ProgramCgroup.limit`. Raises OSError if there can't be one."""
        for group in self._free:
            if group.empty or not group.pids():
                self._free.remove(group)
                break
            group.kill()  # What was left is still being taken down.
        else:
            self._made += 1
            group = ProgramCgroup(str(self._made), self.version, self.trees)
            for tree in self.trees:
                os.mkdir(group.name, 0o700, dir_fd=tree.fd)
        group.limit(limits, together=together)
        return group

    def give_back(self, group: ProgramCgroup, *, empty: bool) -> None:
        """Keep a group for another program. empty: whether nothing can be left in it; else that is killed."""
        if not empty:
            group.kill()
        group.empty = empty
        self._free.append(group)
