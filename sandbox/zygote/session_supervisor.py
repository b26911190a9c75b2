"""The supervisor of a session: it never runs a block itself, but keeps the states, and hands each block to one of them.

A session is one long run of the fork server. The supervisor is its first process: of its pid namespace or, without one,
above the program's lock, where all orphans come to it. The caller talks to it directly:

    {"call": "block", "on": 1, "number": 2, "seconds": [10], "memory_mb": 512}     with 4 files
        {"outcome": "kept", "live": [0, 1, 2], "exit_code": 0, ...}, or {"lost": "why", "live": [0]}
    {"call": "stop"}            while a block runs: it is killed
    {"call": "rewind", "block": 1}
        {"live": [0, 1]}

`seconds` has one number for each earlier block that runs again first, and one for the block itself.

A block's outcome is "kept": its process is a state now; "again": it ended well but left no process that can be
copied, and runs again before the next one; "undone": the state is the one before it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import time
from typing import Any, NoReturn

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.zygote import block, isolation_levels, kernel, processes, remove_folder, scratch_snapshot
from storm_calm.sandbox.zygote.block_progress import BlockProgress
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext
from storm_calm.sandbox.zygote.program_cgroups import ProgramCgroup
from storm_calm.sandbox.zygote.session_process import (
    SessionProcess,
    becomes_single,
    cpu_seconds,
    is_single,
    line_pair,
    receive,
    stat,
    wait_status,
)

FILES = 4
"""How many files come with a block: its code and input files, stdout, stderr, and the way for solver reports."""
MAX_STATES = 12
"""How many states a session keeps; of more, the oldest go, and their blocks run again if they are needed."""

_LINE = 3
_FIRST_ENTRY_FD = 200  # where the files lie through which the first state enters its control group
_WATCH_INTERVAL_SECONDS = 0.02  # seconds between two looks at the memory of a block
_FORK_TIMEOUT_SECONDS = 5.0  # seconds for a state to fork, or for a storm of forks to be killed
_TEARDOWN_SECONDS = 0.1  # seconds for what was killed to be gone; the end of a block does not wait longer for that
_CLEANUP_TIMEOUT_SECONDS = 4.0  # seconds that the next block waits for it
_MAX_MESSAGES = 1000  # more than a line can hold


class _EndedError(Exception):
    """The session is over."""


class _StateGoneError(Exception):
    """A state is gone, or does not do what it should."""


def run_supervisor(
    context: IsolationContext,
    folder: str,
    limits: Limits,
    channel: Channel,
    line: socket.socket,
    cgroup: ProgramCgroup | None,
    inherited: int,
) -> NoReturn:
    """Be a supervisor. `line` leads to the fork server and brings one order, with the caller's end of a socket.

    cgroup: the control group for its blocks.
    inherited: bytes of memory that each process starts with.
    """
    exit_code = 1
    try:
        # The supervisor stays outside of the cgroup: it must get its turn, and live, whatever the blocks do.
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
        # The program's processes are of the same user: this keeps them from this one's memory.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        order, files, _, _ = socket.recv_fds(line, 1 << 16, 1)
        if order:
            caller = socket.socket(fileno=files[0])
            supervisor = _SessionSupervisor(
                context, folder, limits, channel, caller, entry_fds, inherited, json.loads(order)["seed"]
            )
            try:
                supervisor.serve()
            finally:
                supervisor.end()
        exit_code = 0
    except _EndedError:
        exit_code = 0
    except BaseException as error:
        with contextlib.suppress(OSError):
            line.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(exit_code)


def _termination_socket(context: IsolationContext) -> socket.socket:
    """Return what becomes readable when SIGTERM comes; a handler that raises could strike while this process clears up.

    With namespaces it never comes: the end is SIGKILL from outside.
    """
    ours, written = socket.socketpair()
    written.setblocking(False)
    waking = written.detach()
    if context.isolation == "full":
        # The first process of a pid namespace gets no signal from inside that it has no handler for.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    else:
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    return ours


class _SessionSupervisor:
    """The states of a session, and the block that runs."""

    def __init__(
        self,
        context: IsolationContext,
        folder: str,
        limits: Limits,
        channel: Channel,
        caller: socket.socket,
        entry_fds: list[int],
        inherited: int,
        seed: int,
    ) -> None:
        self.context = context
        self.folder = folder
        self.limits = limits
        self.channel = channel
        self.caller = caller
        self.entry_fds = entry_fds
        self.inherited = inherited
        self.seed = seed
        self.ends = _termination_socket(context)
        self.top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.states: dict[int, SessionProcess] = {}
        self.copies: dict[int, scratch_snapshot.ScratchSnapshot] = {}
        self.newest = 0
        self.dirty = False
        """Whether the folder may be another than the newest state's."""
        # What the folders of all states may hold together, in the supervisor's memory.
        self.room = min(2 * limits.file_mb, max(1, limits.memory_mb // 2)) << 20

    def serve(self) -> None:
        """Do what the caller says until it is gone."""
        self._first_state()
        socket.send_fds(self.caller, [json.dumps({"live": [0]}).encode()], [self.top])
        while True:
            ready, _, _ = select.select([self.caller, self.ends], [], [])
            if self.ends in ready:
                return
            message, files, _, _ = socket.recv_fds(self.caller, 1 << 16, FILES)
            if not message:
                return
            order = json.loads(message)
            try:
                if order["call"] == "block":
                    answer = self._block(order, files)
                elif order["call"] == "rewind":
                    answer = self._rewind(order["block"])
                else:
                    continue  # A stop that came when the block was over.
            except _StateGoneError as error:
                self._sweep()
                answer = {"lost": str(error)}
            finally:
                for fd in files:
                    os.close(fd)
            self.caller.send(json.dumps(answer | {"live": self._live_states()}).encode())

    def end(self) -> None:
        """Kill all. With namespaces the end of this process does."""
        if self.context.isolation == "full":
            return
        self.states.clear()
        self._sweep()
        # To the last: what is left to bury would go to the fork server, which does not know it.
        with contextlib.suppress(ChildProcessError):
            deadline = time.monotonic() + _FORK_TIMEOUT_SECONDS
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
            said = receive(ours, _FORK_TIMEOUT_SECONDS * 4)
            if said is None or said[0][:1] != wanted:
                raise OSError(said[0][1:].decode(errors="replace") if said else "the first state died")
        process.signal(signal.SIGSTOP)
        self.states[0] = process
        self.copies[0] = scratch_snapshot.take_snapshot(self.top, None, self.room)

    def _live_states(self) -> list[int]:
        """The numbers of the states that can be gone on from."""
        for number, state in list(self.states.items()):
            if select.select([state.pidfd], [], [], 0)[0]:
                self._drop(number)
        return sorted(self.states)

    def _drop(self, number: int) -> None:
        self.states.pop(number).close()
        self.copies.pop(number)

    def _rewind(self, number: int) -> dict[str, Any]:
        """Make `number` the newest state, and the folder what it was."""
        if number not in self.states:
            raise _StateGoneError(f"the state after block {number} is gone")
        for later in [other for other in self.states if other > number]:
            self._drop(later)
            self.dirty = True
        if self.dirty or self.newest != number:
            scratch_snapshot.restore(self.top, self.copies[number])
        self.newest, self.dirty = number, False
        return {}

    # A block.

    def _block(self, order: dict[str, Any], files: list[int]) -> dict[str, Any]:
        """Run a block on the state `order["on"]`; how it ended."""
        self._sweep(seconds=_CLEANUP_TIMEOUT_SECONDS)
        self._rewind(order["on"])
        self.dirty = True
        progress = BlockProgress(order["seconds"], order["memory_mb"] << 20)
        process = self._fork(self.states[order["on"]], files)
        try:
            self._follow(process, progress)
        except _EndedError:
            process.close()
            raise
        return self._end_block(order["number"], process, progress)

    def _fork(self, state: SessionProcess, files: list[int]) -> SessionProcess:
        """Let a state fork; the fork, from the first word that it said."""
        ours, theirs = line_pair()
        with theirs:
            state.signal(signal.SIGCONT)
            try:
                socket.send_fds(state.line, [block.ORDER], [*files, theirs.fileno()], socket.MSG_DONTWAIT)
            except OSError as error:
                ours.close()
                self._drop(self.newest)
                raise _StateGoneError(f"the state after block {self.newest} takes no orders ({error})") from None
        said = receive(ours, _FORK_TIMEOUT_SECONDS * 2)
        if said is None or said[1] == state.pid:
            ours.close()
            self._drop(self.newest)
            raise _StateGoneError(f"the state after block {self.newest} does not fork")
        state.signal(signal.SIGSTOP)
        try:
            return SessionProcess(said[1], os.pidfd_open(said[1]), ours)
        except OSError as error:
            ours.close()
            raise _StateGoneError(f"a block's process is gone ({error})") from None

    def _follow(self, process: SessionProcess, progress: BlockProgress) -> None:
        """Watch a block until its process is dead or a state, and everything that it left running is gone."""
        self._begin(process, progress)
        poller = select.poll()
        for fd in (process.pidfd, process.line.fileno(), self.caller.fileno(), self.ends.fileno()):
            poller.register(fd, select.POLLIN)
        while not progress.idle and progress.exit_code is None:
            left = progress.seconds_left()
            if left <= 0:
                progress.cause = progress.cause or "timeout"
            if progress.cause:
                break
            ready = {fd for fd, _ in poller.poll(1000 * min(left, _WATCH_INTERVAL_SECONDS))}
            if self.ends.fileno() in ready:
                raise _EndedError
            if self.caller.fileno() in ready:
                self._handle_caller(progress)
            if process.line.fileno() in ready and not self._handle_message(process, progress):
                poller.unregister(process.line.fileno())
            if process.pidfd in ready:
                for _ in range(_MAX_MESSAGES):  # What it said last.
                    if not self._handle_message(process, progress):
                        break
                break
            self._measure_memory(process, progress)
        if progress.idle:
            process.signal(signal.SIGSTOP)

    def _begin(self, process: SessionProcess, progress: BlockProgress) -> None:
        progress.phase += 1
        progress.begun = time.monotonic()
        progress.cpu_before = cpu_seconds(process.pid)

    def _handle_caller(self, progress: BlockProgress) -> None:
        """The caller has enough, or is gone."""
        if not self.caller.recv(1 << 16):
            raise _EndedError
        progress.cause = progress.cause or "caller"

    def _handle_message(self, process: SessionProcess, progress: BlockProgress) -> bool:
        """Take what the block's process says; False when nobody can say anything any more."""
        said = receive(process.line, 0)
        if said is None:
            return False
        word, pid = said
        if pid != process.pid:  # A child of the block's, with its line.
            return True
        if word[:1] == block.EXIT and progress.at_last:
            progress.exit_code = word[-1]
        elif word == block.BEGIN and not progress.at_last:
            self._begin(process, progress)
        elif word == block.DONE and progress.at_last:
            progress.said_done = True
            with contextlib.suppress(OSError):
                answer = block.KEEP if becomes_single(pid) else block.END
                process.line.send(answer, socket.MSG_DONTWAIT)
        elif word == block.IDLE and progress.said_done:
            progress.idle = True
        elif word == block.FAILED:
            progress.failed = True
        return True

    def _measure_memory(self, process: SessionProcess, progress: BlockProgress) -> None:
        """See to the memory of the session."""
        now = time.monotonic()
        if now < progress.next_look:
            return
        used = self._used(progress.memory_bytes)
        progress.peak_bytes = max(progress.peak_bytes, used)
        progress.highest_bytes = max(progress.highest_bytes, processes.highest_bytes(processes.status(process.pid)))
        if used > progress.memory_bytes:
            progress.cause = progress.cause or "memory_limit"
        progress.next_look = now + max(_WATCH_INTERVAL_SECONDS, 5 * (time.monotonic() - now))

    def _used(self, enough: int) -> int:
        """Bytes that the session holds beyond what was loaded for it; exact only above `enough`."""
        members = [pid for pid in processes.process_tree(os.getpid()) if not processes.is_doomed(pid)]
        own = [max(0, processes.private_bytes(pid) - self.inherited) for pid in members]
        if sum(own) <= enough:
            return sum(own)
        # States share pages with each other, which count once, and with the fork server, which count not at all.
        shared = processes.proportional_bytes(os.getpid())
        return sum(own) if shared is None else max(shared - self.inherited, *own)

    def _end_block(self, number: int, process: SessionProcess, progress: BlockProgress) -> dict[str, Any]:
        """Clear up after a block, and tell how it ended."""
        wall = time.monotonic() - progress.begun
        progress.next_look = 0.0
        self._measure_memory(process, progress)
        dead = bool(select.select([process.pidfd], [], [], 0)[0])
        cpu = cpu_seconds(process.pid) - progress.cpu_before
        single = not dead and is_single(process.pid)
        # One that waits for word from here does nothing any more, dead or not: no need to see it taken down.
        waits = single and (progress.idle or progress.exit_code is not None)
        if not dead and not waits:
            process.signal(signal.SIGKILL)
            dead = bool(select.select([process.pidfd], [], [], _TEARDOWN_SECONDS)[0])
        said = 0 if progress.idle else progress.exit_code
        status = (wait_status(process.pid) if dead else signal.SIGKILL) if said is None else said << 8
        self._sweep(process.pid if waits else 0)
        ended_well = progress.cause is None and (
            progress.idle or (os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0)
        )
        outcome = "undone"
        if ended_well and progress.said_done:
            outcome = "kept" if waits and progress.idle and self._keep(number, process) else "again"
        if outcome != "kept":
            process.close()
        return {
            "outcome": outcome,
            "failed_before": progress.failed or not progress.at_last,
            "exit_code": os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "cause": progress.cause,
            "wall": wall,
            "cpu": cpu,
            "peak_bytes": progress.peak_bytes,
            "maxrss_bytes": progress.highest_bytes,
        }

    def _keep(self, number: int, process: SessionProcess) -> bool:
        """Make `process` the newest state, with the folder as it is; False where the folder can't be remembered."""
        try:
            copy = scratch_snapshot.take_snapshot(self.top, self.copies[self.newest], self.room)
        except scratch_snapshot.TooMuchError:
            return False
        self.states[number], self.copies[number] = process, copy
        self.newest, self.dirty = number, False
        for old in sorted(self.states)[1:-1]:
            held = {
                id(entry.content): len(entry.content)
                for copy in self.copies.values()
                for entry in copy.entries.values()
            }
            if len(self.states) <= MAX_STATES and sum(held.values()) <= self.room:
                break
            self._drop(old)
        return True

    def _sweep(self, spared: int = 0, *, seconds: float = _TEARDOWN_SECONDS) -> None:
        """Kill and bury all processes but the states and `spared`.

        seconds: to wait for them to be gone. After that it is enough that they run no more code.
        """
        kept = {state.pid for state in self.states.values()} | {spared, os.getpid()}
        begin = time.monotonic()
        while True:
            found = [pid for pid in processes.process_tree(os.getpid()) if pid not in kept and stat(pid)[0] not in "ZX"]
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            waited = time.monotonic() - begin
            if not found or (waited > seconds and all(map(processes.is_doomed, found))):
                return
            if waited > max(seconds, _FORK_TIMEOUT_SECONDS):
                raise OSError("the block's processes can't be killed")
            time.sleep(0.0005 if waited < _TEARDOWN_SECONDS else 0.01)
