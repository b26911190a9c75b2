"""The fork server's loop: start programs, watch them, kill them at a limit, and report how they ended.

One thread with one `poll`. Each program has its own channel to the caller. If the caller closes it or dies, the program
is killed; when the program has ended, its end is reported there. Code and output do not pass through the fork server:
they are in files that the caller created.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.zygote import child, isolation_levels, kernel, processes, remove_folder
from storm_calm.sandbox.zygote.forked_process import ForkedProcess
from storm_calm.sandbox.zygote.spares import RETRY_SECONDS, SparePool
from storm_calm.sandbox.zygote.timeout import CHECK_INTERVAL_SECONDS, exceeded_limit

EXIT_REQUEST = b"exit"  # sent on a program's channel if the program asked to be killed; other messages kill it too
_TEARDOWN_SECONDS = 0.1  # after which a killed program is reported, even if the kernel is still taking it down


@dataclass(slots=True)
class ZygoteServer:
    """Runs programs until the caller ends or closes `control`."""

    pool: SparePool
    control: socket.socket
    caller: int  # a pidfd of the process that started this one
    _programs: dict[int, ForkedProcess] = field(default_factory=dict)
    _supervisors: dict[int, ForkedProcess] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.PollSelector)
    _next_check: float = 0.0

    def serve(self) -> None:
        """Serve until the caller is gone, then kill every child."""
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
                # Only when idle: making a spare takes as long as the program start that it makes faster.
                if self.pool.can_refill() and not self._selector.select(0):
                    self.pool.refill()
        finally:
            self._end_everything()

    def _poll_timeout(self) -> float | None:
        if self.pool.can_refill():
            return 0
        if self._programs:
            return max(0.0, self._next_check - time.monotonic())
        return None if self.pool.is_full() else RETRY_SECONDS

    def _register(self, process: ForkedProcess) -> None:
        self._selector.register(process.pidfd, selectors.EVENT_READ, lambda: self._reap(process))

    def _accept(self) -> bool:
        """Receive a request from the caller and start it. Return False if the caller is gone."""
        message, files, _, _ = socket.recv_fds(self.control, 1 << 16, 1 + child.FILES)
        if not message:
            return False
        request: dict[str, Any] = json.loads(message)
        channel = socket.socket(fileno=files[0])
        limits = Limits(**request["limits"])
        try:
            session = request.get("session", False)
            process = self.pool.fork(limits, session=True) if session else self.pool.take(limits)
            process.limits = limits
            self.pool.warms_up = request.get("uncontended", False)
            socket.send_fds(process.line, [message], files[1:])
        except OSError as error:
            self._send_end(channel, {"fault": f"the program could not be started: {error}"}, [])
            channel.close()
            return True
        finally:
            for fd in files[1:]:
                os.close(fd)
        process.start(channel, results=request.get("results", False))
        (self._supervisors if session else self._programs)[process.pid] = process
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._listen(process))
        return True

    def _check_limits(self) -> None:
        """Kill the programs that exceed a limit, and report those that were killed but are not yet reaped."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_INTERVAL_SECONDS
        for process in list(self._programs.values()):
            if process.cause is None:
                if exceeded := exceeded_limit(process):
                    self._kill(process, exceeded)
                continue
            late = not process.reported and time.monotonic() - process.killed >= _TEARDOWN_SECONDS
            if late and process.is_doomed():
                self._report_early(process, sum(map(processes.cpu_seconds, processes.process_tree(process.pid))))

    def _listen(self, process: ForkedProcess) -> None:
        """Kill a program because its caller cancelled it, its caller is gone, or the program asked for it."""
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
            self._stop_polling(process.channel)
            self._kill(process, "exit_request")
            return
        # It is the program's only process and is killed before it can do anything else, so the report need not wait
        # for the teardown. Usage is read before the kill: a process being taken down answers late.
        process.peak_bytes = max(process.peak_bytes, processes.highest_bytes(report) - process.inherited_bytes)
        cpu = processes.cpu_seconds(process.pid)
        process.cause, process.killed = process.cause or "exit_request", time.monotonic()
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        self._report_early(process, cpu)

    def _kill(self, process: ForkedProcess, cause: str) -> None:
        """Kill a program and all processes that it started. `_reap` does the rest."""
        if process.reaped:  # It and its caller ended in the same poll.
            return
        if cause == "caller" and process.channel is not None:
            self._stop_polling(process.channel)
        process.kill(cause)

    def _report_early(self, process: ForkedProcess, cpu: float) -> None:
        """Report the end of a killed program that is still being taken down, without its files."""
        if process.channel is not None:
            self._stop_polling(process.channel)
            self._send_end(process.channel, process.early_end_report(cpu), [])
            process.channel.close()
            process.reported = True

    def _reap(self, process: ForkedProcess) -> None:
        """Wait for a child that ended, and report its end to the caller."""
        self._selector.unregister(process.pidfd)
        os.close(process.pidfd)
        process.reaped = True
        self.pool.recycle(process)
        _, status, usage = os.wait4(process.pid, 0)
        self._programs.pop(process.pid, None)
        supervised = self._supervisors.pop(process.pid, None) is not None
        if supervised and os.WIFSIGNALED(status) and self.pool.context.isolation != "full":
            self._end_strays()
        if process.reported:
            process.line.close()  # Also closes the folder's descriptor, which was never received.
            return
        messages, folder = process.startup_messages()
        process.line.close()
        if process.channel is None:
            self.pool.discard(process)
        else:
            self._stop_polling(process.channel)
            report = messages | process.end_report(status, usage)
            self._send_end(process.channel, report, folder if process.results else [])
            process.channel.close()
        for fd in folder:
            os.close(fd)

    def _stop_polling(self, channel: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(channel)

    @staticmethod
    def _send_end(channel: socket.socket, message: dict[str, Any], files: list[int]) -> None:
        with contextlib.suppress(OSError):  # The caller may be gone.
            socket.send_fds(channel, [json.dumps(message).encode()], files)

    def _children(self) -> list[ForkedProcess]:
        return [*self._programs.values(), *self._supervisors.values(), *self.pool.spares]

    def _end_everything(self) -> None:
        """Kill all children. In isolation level "full" they die with this process."""
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
        """Kill the states of a session whose supervisor was killed: they are stopped and would never end."""
        known = {process.pid for process in self._children()}
        while strays := [pid for pid in processes.children(os.getpid()) if pid not in known]:
            for pid in strays:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
