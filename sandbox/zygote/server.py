"""The fork server's loop: fork programs, watch them, end them, and report how they ended.

One thread and one `poll`. Each run has a channel of its own to the caller: when it is shut from there, because the
caller has enough or is gone, the run is killed; when the run is over, its end is reported there. The code and the
output go past the fork server, in files that the caller made.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.zygote import child, isolation_levels, kernel, processes, remove_folder
from storm_calm.sandbox.zygote.forked_process import ForkedProcess
from storm_calm.sandbox.zygote.processes import cpu_seconds
from storm_calm.sandbox.zygote.spares import RETRY_SECONDS, SparePool
from storm_calm.sandbox.zygote.timeout import CHECK_INTERVAL_SECONDS, exceeded_limit

EXIT_REQUEST = b"exit"
"""What a caller sends on a run's channel if the program asked to be ended; anything else there ends the run too."""
_TEARDOWN_SECONDS = 0.1  # after which the end of a run that was killed is reported, although it is still taken down


@dataclass(slots=True)
class ZygoteServer:
    """Runs programs until the other end of `control` is gone."""

    pool: SparePool
    control: socket.socket
    caller: int
    """A pidfd of the process that started this one: with it all ends."""
    _runs: dict[int, ForkedProcess] = field(default_factory=dict)
    _supervisors: dict[int, ForkedProcess] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.PollSelector)
    _next_check: float = 0.0

    def serve(self) -> None:
        """Work until the caller is gone; then end every child."""
        isolation_levels.compile_seccomp(self.pool.context)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        self.pool.on_fork = self._register
        self._selector.register(self.control, selectors.EVENT_READ, self._accept)
        self._selector.register(self.caller, selectors.EVENT_READ, lambda: False)
        try:
            while True:
                for key, _ in self._selector.select(self._poll_timeout()):
                    if key.data() is False:
                        return
                self._check_limits()
                # Only when nobody waits: making a spare takes as long as the run that it makes cheaper.
                if self.pool.can_refill() and not self._selector.select(0):
                    self.pool.refill()
        finally:
            self._end_everything()

    def _poll_timeout(self) -> float | None:
        if self.pool.can_refill():
            return 0
        if self._runs:
            return max(0.0, self._next_check - time.monotonic())
        return None if self.pool.is_full() else RETRY_SECONDS

    def _register(self, process: ForkedProcess) -> None:
        self._selector.register(process.pidfd, selectors.EVENT_READ, lambda: self._reap(process))

    def _accept(self) -> bool:
        """Take an order from the caller and start it; False when the caller is gone."""
        order, files, _, _ = socket.recv_fds(self.control, 1 << 16, 1 + child.FILES)
        if not order:
            return False
        wanted: dict[str, Any] = json.loads(order)
        channel = socket.socket(fileno=files[0])
        limits = Limits(**wanted["limits"])
        try:
            session = wanted.get("session", False)
            process = self.pool.fork(limits, session=True) if session else self.pool.take(limits)
            process.limits = limits
            self.pool.warms_up = wanted.get("uncontended", False)
            socket.send_fds(process.line, [order], files[1:])
        except OSError as error:
            self._send_end(channel, {"fault": f"the program could not be started: {error}"}, [])
            channel.close()
            return True
        finally:
            for fd in files[1:]:
                os.close(fd)
        process.start(channel, results=wanted.get("results", False))
        (self._supervisors if session else self._runs)[process.pid] = process
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._listen(process))
        return True

    def _check_limits(self) -> None:
        """Kill the runs that are over a limit, and report the ends of those that were killed some time ago."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_INTERVAL_SECONDS
        for process in list(self._runs.values()):
            if process.cause is None:
                if exceeded := exceeded_limit(process):
                    self._kill(process, exceeded)
                continue
            late = not process.reported and time.monotonic() - process.killed >= _TEARDOWN_SECONDS
            if late and process.is_doomed():
                self._report_early(process, sum(map(cpu_seconds, processes.process_tree(process.pid))))

    def _listen(self, process: ForkedProcess) -> None:
        """End a run because its caller wants it, because the caller is gone, or because the program asked for it."""
        assert process.channel is not None
        try:
            message = process.channel.recv(16, socket.MSG_DONTWAIT)
        except OSError:
            message = b""
        if message != EXIT_REQUEST or process.reaped:
            self._kill(process, "caller")
            return
        report = processes.status(process.pid)
        if not processes.is_only_process(process.pid, report):
            self._forget(process.channel)
            self._kill(process, "exit_request")
            return
        # It is killed before it can do anything more, and there is nobody else: no need to see it taken down. What it
        # used is looked at before, as a process that is being taken down answers late.
        process.peak_bytes = max(process.peak_bytes, processes.highest_bytes(report) - process.inherited_bytes)
        cpu = cpu_seconds(process.pid)
        process.cause, process.killed = process.cause or "exit_request", time.monotonic()
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        self._report_early(process, cpu)

    def _kill(self, process: ForkedProcess, cause: str) -> None:
        """End a run and all that it started. What follows is up to `_reap`."""
        if process.reaped:  # Its end and its caller's came in one and the same look.
            return
        if cause == "caller" and process.channel is not None:
            self._forget(process.channel)
        process.kill(cause)

    def _report_early(self, process: ForkedProcess, cpu: float) -> None:
        """Tell the caller the end of a run that was killed but is still being taken down. Its files stay behind."""
        if process.channel is not None:
            self._forget(process.channel)
            self._send_end(process.channel, process.early_end_report(cpu), [])
            process.channel.close()
            process.reported = True

    def _reap(self, process: ForkedProcess) -> None:
        """Wait for a child that ended, and tell its caller how."""
        self._selector.unregister(process.pidfd)
        os.close(process.pidfd)
        process.reaped = True
        self.pool.recycle(process)
        _, status, usage = os.wait4(process.pid, 0)
        self._runs.pop(process.pid, None)
        supervised = self._supervisors.pop(process.pid, None) is not None
        if supervised and os.WIFSIGNALED(status) and self.pool.context.isolation != "full":
            self._end_strays()
        if process.reported:
            process.line.close()  # With the folder that nobody took from it.
            return
        messages, folder = process.startup_messages()
        process.line.close()
        if process.channel is None:
            self.pool.discard(process)
        else:
            self._forget(process.channel)
            report = messages | process.end_report(status, usage)
            self._send_end(process.channel, report, folder if process.results else [])
            process.channel.close()
        for fd in folder:
            os.close(fd)

    def _forget(self, channel: socket.socket) -> None:
        """Stop listening to a caller."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(channel)

    @staticmethod
    def _send_end(channel: socket.socket, message: dict[str, Any], files: list[int]) -> None:
        with contextlib.suppress(OSError):  # The caller may have gone away.
            socket.send_fds(channel, [json.dumps(message).encode()], files)

    def _children(self) -> list[ForkedProcess]:
        return [*self._runs.values(), *self._supervisors.values(), *self.pool.spares]

    def _end_everything(self) -> None:
        """With namespaces the children die with this process; else they are ended one by one."""
        if self.pool.context.isolation == "full":
            return
        for process in self._children():
            self._kill(process, "caller")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            time.sleep(0.005)
        self._end_strays()
        remove_folder.remove(self.pool.context.scratch)

    def _end_strays(self) -> None:
        """Kill the states of a session supervisor that was itself killed: they are stopped, and would stay for ever."""
        known = {process.pid for process in self._children()}
        while strays := [pid for pid in processes.children(os.getpid()) if pid not in known]:
            for pid in strays:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)


def exit_with(status: int) -> NoReturn:
    """End this process the way `status`, a wait status, tells of."""
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
