"""Without namespaces a program's orphans would outlive it: a process between it and the fork server that sees to them.

The kernel hands every orphan below the supervisor to it, so at the end it can kill and count until none is left.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterable
from typing import NoReturn

from storm_calm.sandbox.zygote import kernel, processes, remove_folder

_SIGNALS = {signal.SIGTERM, signal.SIGCHLD}
_SWEEP_TIMEOUT_SECONDS = 60.0  # for all to be gone; they run no more code long before


def split(shared: Iterable[str] = ()) -> None:
    """Go on as a child of this process, which stays behind as its supervisor and never comes back from here.

    It ends as the child ended, when all below it are gone. SIGTERM makes it end everything.
    shared: folders that the next program will see too; they are emptied then.
    """
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    # Blocked before the fork, so that none is lost between it and the wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return
    os.closerange(0, 1 << 16)
    status = _watch(pid)
    _sweep()
    for folder in shared:
        with contextlib.suppress(OSError):
            remove_folder.empty(folder)
    _end_like(status)


def _watch(pid: int) -> int:
    """Wait for the program's end, or for the order to end it; its wait status."""
    while True:
        order = signal.sigwait(_SIGNALS)
        if order == signal.SIGTERM:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            return status
        while True:
            found, status = os.waitpid(-1, os.WNOHANG)
            if found == pid:
                return status
            if found == 0:
                break


def _sweep() -> None:
    """Kill and bury all that descends from this process."""
    deadline = time.monotonic() + _SWEEP_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        for pid in processes.process_tree(os.getpid())[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _end_like(status: int) -> NoReturn:
    """End with the exit code or the signal that `status` tells of."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
