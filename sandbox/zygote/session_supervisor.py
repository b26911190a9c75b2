"""The supervisor of a session: it keeps the states and lets one of them run each block.

To the fork server, a session is one program. The supervisor is its first process: of its pid namespace or, without one,
the subreaper of all orphans, outside the isolation of the blocks. The caller talks to it directly:

    {"call": "block", "on": 1, "number": 2, "seconds": [10], "memory_mb": 512}     with 4 files
        {"outcome": "kept", "live": [0, 1, 2], "exit_code": 0, ...}, or {"lost": "why", "live": [0]}
    {"call": "stop"}                kills the running block
    {"call": "rewind", "block": 1}
        {"live": [0, 1]}

`seconds` has the time limit of each earlier block that runs again first, and of the block itself. Outcomes:

    kept    the block's process is now a state
    again   the block succeeded, but its process can't be forked, so the block runs again before the next one
    undone  the block failed, so the session continues from the state before it
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.zygote import block, isolation_levels, kernel, namespaces, remove_folder, session_process
from storm_calm.sandbox.zygote.block_monitor import BlockMonitor, SessionEndedError
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext
from storm_calm.sandbox.zygote.program_cgroups import ProgramCgroup
from storm_calm.sandbox.zygote.session_process import SessionProcess, kill_all_but, line_pair, receive
from storm_calm.sandbox.zygote.session_states import SessionStates, StateGoneError

FILES = 4  # that come with a block: code and input files, stdout, stderr, pipe for solver reports

_LINE = 3
_FIRST_ENTRY_FD = 200  # the files through which the first state enters its control group get numbers from here on
_START_TIMEOUT_SECONDS = 20.0  # until the first state is ready
_FORK_TIMEOUT_SECONDS = 10.0  # until a state has forked
_CLEANUP_TIMEOUT_SECONDS = 4.0  # until killed processes are gone, before the next block


def run_supervisor(
    context: IsolationContext,
    folder: str,
    limits: Limits,
    channel: Channel,
    line: socket.socket,
    cgroup: ProgramCgroup | None,
    inherited: int,
) -> NoReturn:
    """Run the supervisor of a session until its caller is gone.

    line: the socket to the fork server. It sends one request, with a socket to the caller.
    cgroup: the control group for the blocks. inherited: bytes of memory that each process starts with.
    """
    exit_code = 1
    try:
        # The supervisor is not in the control group of the blocks, so that they can't starve or kill it.
        opened = cgroup.entry_fds() if cgroup is not None else []
        entry_fds = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_ENTRY_FD) for fd in opened]
        os.dup2(line.detach(), _LINE)
        os.closerange(_LINE + 1, _FIRST_ENTRY_FD)
        os.closerange(_FIRST_ENTRY_FD + len(entry_fds), 1 << 16)
        line = socket.socket(fileno=_LINE)
        os.setsid()
        if context.isolation != "full":
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
        else:
            isolation_levels.apply_isolation(context, folder, limits)
            isolation_levels.apply_seccomp(context, sends_files=True)
        # The blocks run as the same user. Without this they could read the memory of the supervisor.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        order, files, _, _ = socket.recv_fds(line, 1 << 16, 1)
        if order:
            caller = socket.socket(fileno=files[0])
            seed = json.loads(order)["seed"]
            supervisor = SessionSupervisor(context, folder, limits, channel, caller, entry_fds, inherited, seed)
            try:
                with contextlib.suppress(SessionEndedError):
                    supervisor.serve()
            finally:
                supervisor.end()
        exit_code = 0
    except BaseException as error:
        with contextlib.suppress(OSError):
            line.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(exit_code)


def _termination_socket(context: IsolationContext) -> socket.socket:
    """Return a socket that is readable after SIGTERM. With namespaces, SIGKILL from outside is used instead."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    wakeup_fd = theirs.detach()
    if context.isolation == "full":
        # Without a handler, a signal from inside the pid namespace does not reach its first process.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    else:
        # A handler that raises could interrupt the cleanup.
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)
    return ours


@dataclass(slots=True)
class SessionSupervisor:
    """Runs the blocks of a session, each on one of its states."""

    context: IsolationContext
    folder: str
    limits: Limits
    channel: Channel
    caller: socket.socket
    entry_fds: list[int]
    inherited: int
    seed: int
    termination: socket.socket = field(init=False)
    top: int = field(init=False)
    states: SessionStates = field(init=False)

    def __post_init__(self) -> None:
        self.termination = _termination_socket(self.context)
        self.top = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # The snapshots of all states are in the supervisor's memory.
        snapshots_mb = min(2 * self.limits.file_mb, max(1, self.limits.memory_mb // 2))
        kept = namespaces.writable_folder() if self.context.isolation == "full" else self.folder
        self.states = SessionStates(os.open(kept, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), snapshots_mb << 20)

    def serve(self) -> None:
        """Serve the caller until it is gone."""
        self._first_state()
        socket.send_fds(self.caller, [json.dumps({"live": [0]}).encode()], [self.top])
        while True:
            ready, _, _ = select.select([self.caller, self.termination], [], [])
            if self.termination in ready:
                return
            message, files, _, _ = socket.recv_fds(self.caller, 1 << 16, FILES)
            if not message:
                return
            order = json.loads(message)
            answer: dict[str, Any] = {}
            try:
                if order["call"] == "block":
                    answer = self._block(order, files)
                elif order["call"] == "rewind":
                    self.states.rewind(order["block"])
                else:
                    continue  # A stop that arrived after the block had ended.
            except StateGoneError as error:
                kill_all_but(self.states.pids())
                answer = {"lost": str(error)}
            finally:
                for fd in files:
                    os.close(fd)
            self.caller.send(json.dumps(answer | {"live": self.states.live()}).encode())

    def end(self) -> None:
        """Kill all processes of the session. With namespaces, the kernel does that when this process ends."""
        if self.context.isolation == "full":
            return
        self.states.clear()
        kill_all_but(set())
        # Reap all of them: the rest would become children of the fork server, which does not know them.
        with contextlib.suppress(ChildProcessError):
            deadline = time.monotonic() + session_process.KILL_TIMEOUT_SECONDS
            while time.monotonic() < deadline:
                if not os.waitpid(-1, os.WNOHANG)[0]:
                    time.sleep(0.0005)
        for folder in self.context.shared:
            with contextlib.suppress(OSError):
                remove_folder.empty(folder)

    def _first_state(self) -> None:
        ours, theirs = line_pair()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            block.run_first_state(
                self.context, self.folder, self.limits, self.channel, theirs.detach(), self.seed, self.entry_fds
            )
        theirs.close()
        for fd in self.entry_fds:
            os.close(fd)
        process = SessionProcess(pid, os.pidfd_open(pid), ours)
        for wanted in (block.READY, block.IDLE):
            received = receive(ours, _START_TIMEOUT_SECONDS)
            if received is None or received[0][:1] != wanted:
                raise OSError(received[0][1:].decode(errors="replace") if received else "the first state died")
        process.signal(signal.SIGSTOP)
        if not self.states.keep(0, process):
            raise OSError("the session's folder can't be remembered")

    def _block(self, order: dict[str, Any], files: list[int]) -> dict[str, Any]:
        """Run a block on the state `order["on"]`, and return how it ended."""
        kill_all_but(self.states.pids(), seconds=_CLEANUP_TIMEOUT_SECONDS)
        self.states.rewind(order["on"])
        self.states.dirty = True
        process = self._fork(self.states.process(order["on"]), files)
        monitor = BlockMonitor(process, order["seconds"], order["memory_mb"] << 20, self.inherited)
        try:
            monitor.follow(self.caller, self.termination)
        except SessionEndedError:
            process.close()
            raise
        monitor.stop()
        # A process that waits does nothing more, so its teardown need not be awaited.
        kill_all_but(self.states.pids() | ({process.pid} if monitor.waits else set()))
        outcome = "undone"
        if monitor.ended_well and monitor.is_done:
            kept = monitor.waits and monitor.is_idle and self.states.keep(order["number"], process)
            outcome = "kept" if kept else "again"
        if outcome != "kept":
            process.close()
        return monitor.report(outcome)

    def _fork(self, state: SessionProcess, files: list[int]) -> SessionProcess:
        """Let the newest state fork. The first message of the fork shows its pid. Raises StateGoneError."""
        number = self.states.newest
        ours, theirs = line_pair()
        with theirs:
            state.signal(signal.SIGCONT)
            try:
                socket.send_fds(state.line, [block.ORDER], [*files, theirs.fileno()], socket.MSG_DONTWAIT)
            except OSError as error:
                ours.close()
                self.states.drop(number)
                raise StateGoneError(f"the state after block {number} takes no orders ({error})") from None
        received = receive(ours, _FORK_TIMEOUT_SECONDS)
        if received is None or received[1] == state.pid:
            ours.close()
            self.states.drop(number)
            raise StateGoneError(f"the state after block {number} does not fork")
        state.signal(signal.SIGSTOP)
        try:
            return SessionProcess(received[1], os.pidfd_open(received[1]), ours)
        except OSError as error:
            ours.close()
            raise StateGoneError(f"a block's process is gone ({error})") from None
