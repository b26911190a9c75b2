"""The fork server's loop: fork programs, watch them, end them, and say how they ended.

One thread and one `poll`. Each run has a channel of its own to the caller: when it is shut from there, because the
caller has enough or is gone, the run is killed; when the run is over, its end is reported there. The code and the
output go past the fork server, in files that the caller made.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.zygote import (
    child,
    isolation_levels,
    kernel,
    namespaces,
    processes,
    remove_folder,
    session_supervisor,
)
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext
from storm_calm.sandbox.zygote.program_cgroups import CgroupPool, ProgramCgroup
from storm_calm.sandbox.zygote.session_process import cpu_seconds

_TEARDOWN_SECONDS = (
    0.1  # seconds after which the end of a run that was killed is reported although it is still being taken down
)
_WATCH_INTERVAL_SECONDS = 0.02  # seconds between two looks at the memory of running programs
EXIT_REQUEST = b"exit"
"""What a caller sends on a run's channel if the program asked to be ended; anything else there ends the run too."""
_SPARE_RETRY_SECONDS = 0.05  # seconds to wait before a spare is made again after one failed


@dataclass(slots=True)
class ForkedProcess:
    """A child: a spare at first, then a run; or the supervisor of a session, which has no limits here."""

    pid: int
    pidfd: int
    line: socket.socket
    limits: Limits
    folder: str
    """Where it works."""
    cgroup: ProgramCgroup | None = None
    """Its control group, if there are any."""
    network: int = -1
    """Its network namespace, if it has one of its own."""
    channel: socket.socket | None = None
    """Where the end is reported; None for a spare."""
    started: float = 0.0
    cpu_before: float = 0.0
    """Processor seconds that it had taken by then."""
    peak_bytes: int = 0
    cause: str | None = None
    """Why it was killed: "timeout", "memory_limit", "caller" or "exit_request", at its own request."""
    sockets_before: int = 0
    """Bytes that sockets could hold before it started, if it shares its network namespace."""
    killed: float = 0.0
    """When that was, by time.monotonic()."""
    reaped: bool = False
    results: bool = False
    """Whether the caller wants its folder."""
    reported: bool = False
    """Whether the caller knows its end already."""


@dataclass(slots=True)
class ZygoteServer:
    """Forks programs on `context` until the other end of `control` is gone."""

    context: IsolationContext
    control: socket.socket
    caller: int
    """A pidfd of the process that started this one: with it all ends."""
    cgroups: CgroupPool | None
    """Control groups for programs, if they can be had."""
    channel: Channel
    """Where the probe in a program reports its solves."""
    limits: Limits
    """Of the spares; a run with others gets a child of its own."""
    spare_count: int
    """Children to keep ready."""
    main_library: str
    """The library that most programs here solve with."""
    inherited_bytes: int = field(default_factory=lambda: processes.private_bytes("self"))
    """Bytes of memory that each child starts with."""
    _spares: collections.deque[ForkedProcess] = field(default_factory=collections.deque)
    _runs: dict[int, ForkedProcess] = field(default_factory=dict)
    _supervisors: dict[int, ForkedProcess] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.PollSelector)
    _own_namespace: int = field(default_factory=lambda: os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC))
    _networks: list[int] = field(default_factory=list)
    """Network namespaces in which there is nobody."""
    _folders: int = 0
    _uncontended: bool = False
    """Whether the last order came alone: spares then have time to warm up; else they would take it from others."""
    _next_spare: float = 0.0
    _next_look: float = 0.0

    def serve(self) -> None:
        """Work until the caller is gone; then end every child."""
        isolation_levels.compile_seccomp(self.context)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        self._selector.register(self.control, selectors.EVENT_READ, self._accept)
        self._selector.register(self.caller, selectors.EVENT_READ, lambda: False)
        try:
            while True:
                for key, _ in self._selector.select(self._timeout()):
                    if key.data() is False:
                        return
                self._watch()
                # Only when nobody waits: making a spare takes as long as the run that it makes cheaper.
                if self._lacks_spares() and not self._selector.select(0):
                    self._make_spare()
        finally:
            self._end_everything()

    def _timeout(self) -> float | None:
        if self._lacks_spares():
            return 0
        if self._runs:
            return max(0.0, self._next_look - time.monotonic())
        return None if len(self._spares) >= self.spare_count else _SPARE_RETRY_SECONDS

    def _lacks_spares(self) -> bool:
        return len(self._spares) < self.spare_count and time.monotonic() >= self._next_spare

    # A run's beginning.

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
            process = self._fork(limits, session=True) if session else self._spare_for(limits)
            process.limits = limits
            self._uncontended = wanted.get("uncontended", False)
            socket.send_fds(process.line, [order], files[1:])
        except OSError as error:
            self._send_end(channel, {"fault": f"the program could not be started: {error}"}, [])
            channel.close()
            return True
        finally:
            for fd in files[1:]:
                os.close(fd)
        process.channel = channel
        process.cpu_before = cpu_seconds(process.pid)
        process.results = wanted.get("results", False)
        process.sockets_before = 0 if self.context.isolation == "full" else self._socket_bytes(process)
        process.started = time.monotonic()
        (self._supervisors if session else self._runs)[process.pid] = process
        if process.cgroup is not None:
            process.cgroup.start()
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._listen(process))
        return True

    def _spare_for(self, limits: Limits) -> ForkedProcess:
        """A spare that was made for such limits, or a new child."""
        if self._spares and _prepared_alike(self._spares[0].limits, limits):
            return self._spares.popleft()
        return self._fork(limits)

    def _make_spare(self) -> None:
        try:
            self._spares.append(self._fork(self.limits, spare=True))
        except OSError:
            self._next_spare = time.monotonic() + _SPARE_RETRY_SECONDS

    def _fork(self, limits: Limits, *, spare: bool = False, session: bool = False) -> ForkedProcess:
        """A new child that locks itself in for `limits`. spare: it waits for a program; session: it is a supervisor."""
        cgroup = self.cgroups.take(limits, together=not session) if self.cgroups else None
        network = self._take_network() if self.context.isolation == "full" and not session else -1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = self._new_folder()
        if self.context.isolation == "full":
            # The child is the first of a pid namespace: it takes all that it started with it, in one fork.
            kernel.unshare(kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0 and session:
            session_supervisor.run_supervisor(
                self.context, folder, limits, self.channel, theirs, cgroup, self.inherited_bytes
            )
        if pid == 0:
            warm = self.main_library if spare and self._uncontended else ""
            child.run_spare(self.context, folder, limits, self.channel, theirs, cgroup, network=network, warm=warm)
        if self.context.isolation == "full":
            kernel.join_namespace(self._own_namespace, kernel.CLONE_NEWPID)
        theirs.close()
        process = ForkedProcess(pid, os.pidfd_open(pid), ours, limits, folder, cgroup, network)
        self._selector.register(process.pidfd, selectors.EVENT_READ, lambda: self._reap(process))
        return process

    def _take_network(self) -> int:
        """A network namespace in which there is nobody."""
        return self._networks.pop() if self._networks else namespaces.new_network()

    def _new_folder(self) -> str:
        if self.context.isolation == "full":
            return self.context.scratch
        self._folders += 1
        folder = os.path.join(self.context.scratch, str(self._folders))
        os.mkdir(folder, 0o700)
        return folder

    # A run's course and its end.

    def _watch(self) -> None:
        """Look after the time and the memory of all runs, every `_WATCH_INTERVAL_SECONDS` seconds."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _WATCH_INTERVAL_SECONDS
        for process in list(self._runs.values()):
            now = time.monotonic()
            if process.cause is not None:
                if not process.reported and now - process.killed >= _TEARDOWN_SECONDS and self._doomed(process):
                    self._report_early(process, sum(map(cpu_seconds, processes.process_tree(process.pid))))
                continue
            if now - process.started >= process.limits.seconds:
                self._kill(process, "timeout")
                continue
            used = self._used_bytes(process)
            if used > process.limits.memory_mb << 20 or (process.cgroup and process.cgroup.ran_out()):
                self._kill(process, "memory_limit")
            process.peak_bytes = max(process.peak_bytes, used)

    def _socket_bytes(self, process: ForkedProcess) -> int:
        """Bytes that sockets can hold in the run's network namespace, if that is its own, or its container's."""
        own = self.context.isolation == "full" or self.context.dedicated
        return processes.socket_bytes(process.pid) if own else 0

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
        process.peak_bytes = max(process.peak_bytes, processes.highest_bytes(report) - self.inherited_bytes)
        cpu = cpu_seconds(process.pid)
        process.cause, process.killed = process.cause or "exit_request", time.monotonic()
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        self._report_early(process, cpu)

    def _doomed(self, process: ForkedProcess) -> bool:
        """Whether nothing of a run that was killed runs any code of its own."""
        if self.context.isolation == "full":
            return True  # The end of its first process is that of all.
        # Its supervisor may have yet to kill some. If all are doomed, a second look finds what they forked before.
        members = processes.process_tree(process.pid)
        doomed = all(map(processes.is_doomed, members[1:]))
        return doomed and set(processes.process_tree(process.pid)) <= set(members)

    def _report_early(self, process: ForkedProcess, cpu: float) -> None:
        """Tell the caller the end of a run that was killed but is still being taken down. Its files stay behind."""
        if process.channel is None:
            return
        ending = {
            "exit_code": None,
            "signal": signal.SIGKILL.value,
            "cause": process.cause,
            "wall": process.killed - process.started,
            "cpu": cpu - process.cpu_before,
            "peak_bytes": process.peak_bytes,
            "maxrss_bytes": 0,
        }
        if self.context.isolation != "full":
            ending["folder"] = int(os.path.basename(process.folder))
        self._send_end(process.channel, ending, [])
        self._forget(process.channel)
        process.channel.close()
        process.reported = True

    def _used_bytes(self, process: ForkedProcess) -> int:
        """Bytes of memory that a run holds beyond what was loaded for it."""
        if process.cgroup is not None:
            return process.cgroup.used_bytes()
        used = processes.own_bytes(process.pid, self.inherited_bytes)
        sockets = self._socket_bytes(process) - process.sockets_before
        most = process.limits.memory_mb << 20
        if most < used + sockets <= 4 * most:
            # Pages that its processes share were counted once for each: look again. Far above, it takes too long.
            exact = processes.proportional_bytes(process.pid)
            used = used if exact is None else exact
        return used + sockets

    def _kill(self, process: ForkedProcess, cause: str) -> None:
        """End a run and all that it started. What follows is up to `_reap`."""
        if process.reaped:  # Its end and its caller's came in one and the same look.
            return
        if process.cause is None:
            process.cause, process.killed = cause, time.monotonic()
        if cause == "caller" and process.channel is not None:
            self._forget(process.channel)
        # Without namespaces the child is a supervisor, which must live to sweep up.
        order = signal.SIGKILL if self.context.isolation == "full" else signal.SIGTERM
        with contextlib.suppress(ProcessLookupError):
            if self.context.isolation == "full" and process.cgroup is not None:
                process.cgroup.kill()
            elif self.context.isolation == "full":
                # Taking down the first process of a namespace can take long, and the others live until it is done.
                for pid in processes.process_tree(process.pid)[1:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            signal.pidfd_send_signal(process.pidfd, order)
            signal.pidfd_send_signal(process.pidfd, signal.SIGCONT)  # Without walls a program may have stopped it.

    def _reap(self, process: ForkedProcess) -> None:
        """Take leave of a child that ended, and tell its caller how."""
        self._selector.unregister(process.pidfd)
        os.close(process.pidfd)
        process.reaped = True
        if process.cgroup is not None and self.cgroups is not None:
            if process.cause is None and process.cgroup.ran_out():
                process.cause = "memory_limit"
            self.cgroups.give_back(process.cgroup, empty=self.context.isolation == "full")
        if process.network >= 0:
            self._networks.append(process.network)
        _, status, usage = os.wait4(process.pid, 0)
        self._runs.pop(process.pid, None)
        if self._supervisors.pop(process.pid, None) and os.WIFSIGNALED(status) and self.context.isolation != "full":
            self._end_strays()
        if process.reported:
            process.line.close()  # With the folder that nobody took from it.
            return
        first_words, folder = _startup_messages(process.line)
        process.line.close()
        if process.channel is None:
            for fd in folder:
                os.close(fd)
            # A spare that failed: whoever comes next tries again, and hears why.
            self._spares = collections.deque(spare for spare in self._spares if spare is not process)
            self._next_spare = time.monotonic() + _SPARE_RETRY_SECONDS
            return
        self._forget(process.channel)
        ending = first_words | _end_report(process, status, usage)
        if self.context.isolation != "full":
            ending["folder"] = int(os.path.basename(process.folder))  # Removed by the caller, who can wait for it.
        self._send_end(process.channel, ending, folder if process.results else [])
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

    def _end_everything(self) -> None:
        """With namespaces the children die with this process; else they are ended one by one."""
        if self.context.isolation == "full":
            return
        for process in [*self._runs.values(), *self._supervisors.values(), *self._spares]:
            self._kill(process, "caller")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            time.sleep(0.005)
        self._end_strays()
        remove_folder.remove(self.context.scratch)

    def _end_strays(self) -> None:
        """Kill the states of a session supervisor that was itself killed: they are stopped, and would stay for ever."""
        known = {process.pid for process in (*self._runs.values(), *self._supervisors.values(), *self._spares)}
        while strays := [pid for pid in processes.children(os.getpid()) if pid not in known]:
            for pid in strays:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)


def _prepared_alike(some: Limits, others: Limits) -> bool:
    """Whether a child made for one can run the other: time and output are not its own business."""
    return (some.memory_mb, some.file_mb, some.processes) == (others.memory_mb, others.file_mb, others.processes)


def _startup_messages(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What a child sent before its program began, and its folder, held open."""
    said: dict[str, Any] = {}
    folder: list[int] = []
    try:
        while True:
            message, files, _, _ = socket.recv_fds(line, 1 << 16, 1, socket.MSG_DONTWAIT)
            if not message:
                break
            folder += files
            said |= json.loads(message)
    except OSError:
        pass
    if not said:
        said = {"fault": "the program's process died before it started"}
    return said, folder


def _end_report(process: ForkedProcess, status: int, usage: resource.struct_rusage) -> dict[str, Any]:
    """How a run ended and what it used, as the caller is told."""
    return {
        "exit_code": os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "cause": process.cause,
        "wall": time.monotonic() - process.started,
        "cpu": usage.ru_utime + usage.ru_stime - process.cpu_before,
        "peak_bytes": process.peak_bytes,
        "maxrss_bytes": usage.ru_maxrss << 10,
    }


def exit_with(status: int) -> NoReturn:
    """End this process the way `status`, a wait status, tells of."""
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
