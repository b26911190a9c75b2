"""The processes of a session, each a block or a state: the socket to each, and killing what they left running."""

import contextlib
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass

from storm_calm.sandbox.zygote import processes

TEARDOWN_SECONDS = 0.1  # how long the end of a block waits until its killed processes are gone
KILL_TIMEOUT_SECONDS = 5.0  # how long to keep killing processes that fork
_THREAD_EXIT_SECONDS = 0.1  # until a joined thread is gone
_CREDENTIALS = struct.Struct("3i")
_ANCILLARY = socket.CMSG_SPACE(_CREDENTIALS.size)  # no space for files, so the kernel drops those that a program sends


@dataclass(slots=True)
class SessionProcess:
    """A process that runs a block, or is a state."""

    pid: int
    pidfd: int
    line: socket.socket

    def signal(self, number: int) -> None:
        """Send a signal, if the process still exists."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def is_dead(self, seconds: float = 0) -> bool:
        """Return whether the process is dead, or ends within `seconds`."""
        return bool(select.select([self.pidfd], [], [], seconds)[0])

    def close(self) -> None:
        """Kill the process and close its files, without waiting for the teardown."""
        self.signal(signal.SIGKILL)
        os.close(self.pidfd)
        self.line.close()


def line_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a socket for one process. On the first, the kernel adds the sender's pid to each message."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def receive(line: socket.socket, seconds: float) -> tuple[bytes, int] | None:
    """Return the next message on a socket and its sender's pid; None after `seconds`, or if the socket is closed."""
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
    """Return whether a process has one thread and no children, so that a fork copies all of it."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    return len(threads) == 1 and processes.process_tree(pid) == [pid]


def becomes_single(pid: int) -> bool:
    """Return whether a process is single, or becomes so shortly: a joined thread exists for a moment longer."""
    deadline = time.monotonic() + _THREAD_EXIT_SECONDS
    while not is_single(pid):
        if time.monotonic() > deadline or processes.process_tree(pid) != [pid]:
            return False
        time.sleep(0.001)
    return True


def kill_all_but(spared: set[int], *, seconds: float = TEARDOWN_SECONDS) -> None:
    """Kill and reap all descendants of this process except `spared`.

    Waits for `seconds` until they are gone, and then until they execute no more code.
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
