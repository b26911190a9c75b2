"""A supervisor process between the fork server and a program, which kills the program's orphans.

It is needed without namespaces, because orphans would then outlive the program. The kernel reparents every orphan below
the supervisor to it, so at the end it kills until it has no children left.
"""

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterable
from typing import NoReturn

from storm_calm.sandbox.zygote import kernel, processes, remove_folder

_SIGNALS = {signal.SIGTERM, signal.SIGCHLD}
_SWEEP_TIMEOUT_SECONDS = 60.0  # until all are gone; they execute no code long before that


def split(shared: Iterable[str] = ()) -> None:
    """Fork, and return in the child only. The parent becomes its supervisor and never returns.

    When all its descendants are gone, it exits like the child. On SIGTERM it kills them all.
    shared: folders that the next program will also see; the supervisor empties them at the end.
    """
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    # Blocked before the fork, so that no signal is lost between the fork and the wait.
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
    _exit_like(status)


def _watch(pid: int) -> int:
    """Wait until the program ends, or kill it on SIGTERM. Return its wait status."""
    while True:
        received = signal.sigwait(_SIGNALS)
        if received == signal.SIGTERM:
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
    """Kill and reap all descendants of this process."""
    deadline = time.monotonic() + _SWEEP_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        for pid in processes.process_tree(os.getpid())[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _exit_like(status: int) -> NoReturn:
    """End this process with the exit code or the signal in the wait status `status`."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
