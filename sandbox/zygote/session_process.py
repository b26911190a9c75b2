"""One process of a session, a block's or a state's: the line to it, and what the kernel tells of it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass

from storm_calm.sandbox.zygote import processes

_THREAD_EXIT_SECONDS = 0.1  # for a thread that has ended to be gone
_CREDENTIALS = struct.Struct("3i")
_ANCILLARY = socket.CMSG_SPACE(_CREDENTIALS.size)  # no room for files: what a program sends along is dropped
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class SessionProcess:
    """A process that runs a block, or is a state."""

    pid: int
    pidfd: int
    line: socket.socket

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def close(self) -> None:
        """Kill it, and forget it. It does nothing any more, but may take a while to be taken down."""
        self.signal(signal.SIGKILL)
        os.close(self.pidfd)
        self.line.close()


def line_pair() -> tuple[socket.socket, socket.socket]:
    """A line for one process of the session. The kernel tells here who speaks on it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def receive(line: socket.socket, seconds: float) -> tuple[bytes, int] | None:
    """The next message on a line and the pid of its sender; None where none came, or the line is closed."""
    if not select.select([line], [], [], seconds)[0]:
        return None
    try:
        message, ancillary, _, _ = line.recvmsg(1 << 12, _ANCILLARY, socket.MSG_DONTWAIT)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and message:
            return message, _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
    return None


def is_single(pid: int) -> bool:
    """Whether a process has one thread and no children, so that a fork is a whole copy of it."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    return len(threads) == 1 and processes.process_tree(pid) == [pid]


def becomes_single(pid: int) -> bool:
    """Whether a process is single, or soon will be: a thread that was waited for is still there for a moment."""
    deadline = time.monotonic() + _THREAD_EXIT_SECONDS
    while not is_single(pid):
        if time.monotonic() > deadline or processes.process_tree(pid) != [pid]:
            return False
        time.sleep(0.001)
    return True


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third, the process's state, on; only "X" where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return ["X"]


def wait_status(pid: int) -> int:
    """How a dead process ended, whoever its parent is."""
    with contextlib.suppress(ChildProcessError):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
    fields = stat(pid)
    # A state whose blocks are not buried: its process is there, and tells. Else it was buried behind our back.
    return int(fields[49]) if len(fields) > 49 else signal.SIGKILL


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process and of the children that it waited for; also of a dead one."""
    fields = stat(pid)
    waited_for = sum(map(int, fields[13:15])) / _CLOCK_TICKS if len(fields) > 14 else 0.0
    try:
        return time.clock_gettime((~pid << 3) | 2) + waited_for  # As clock_getcpuclockid(3) makes it.
    except OSError:
        return waited_for
