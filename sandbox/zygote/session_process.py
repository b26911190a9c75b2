"""The processes of a session, a block's or a state's: the socket to each, and the end of what they left running."""

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

TEARDOWN_SECONDS = 0.1
"""For what was killed to be gone; the end of a block does not wait longer for that."""
KILL_TIMEOUT_SECONDS = 5.0
"""To kill a storm of forks."""
_THREAD_EXIT_SECONDS = 0.1  # for a thread that has ended to be gone
_CREDENTIALS = struct.Struct("3i")
_ANCILLARY = socket.CMSG_SPACE(_CREDENTIALS.size)  # no room for files: what a program sends along is dropped


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

    def is_dead(self, seconds: float = 0) -> bool:
        """Whether it ends within so many seconds."""
        return bool(select.select([self.pidfd], [], [], seconds)[0])

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


def kill_all_but(spared: set[int], *, seconds: float = TEARDOWN_SECONDS) -> None:
    """Kill and reap all that descend from this process but `spared`.

    seconds: to wait for them to be gone. After that it is enough that they run no more code.
    """
    kept = spared | {os.getpid()}
    begin = time.monotonic()
    while True:
        tree = processes.process_tree(os.getpid())
        found = [pid for pid in tree if pid not in kept and processes.stat_fields(pid)[0] not in "ZX"]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        waited = time.monotonic() - begin
        if not found or (waited > seconds and all(map(processes.is_doomed, found))):
            return
        if waited > max(seconds, KILL_TIMEOUT_SECONDS):
            raise OSError("the block's processes can't be killed")
        time.sleep(0.0005 if waited < TEARDOWN_SECONDS else 0.01)
