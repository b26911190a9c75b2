"""A session's process: it waits as a state, forks for a block, and runs it there; what comes out is the next state.

What it says to the supervisor, one byte each, on a line of its own for each process:

    ready      the first state is set up
    begin      a block begins: each earlier one that runs again, then the one that was asked for
    done       the block ended well; the supervisor answers keep or end
    idle       it is a state now, and waits for an order
    exit       the block is over, and its process would end with the exit code in the next byte; the supervisor ends it
    failed     an earlier block did not run again as it had

Once blocks have run here nothing is certain any more: a program
may have replaced what it likes. So all that is called between blocks is bound before the first one, and the supervisor
trusts nothing of what is said here but who said it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import binascii
import contextlib
import ctypes
import fcntl
import json
import os
import random
import struct
import sys
import threading
import time
import types
from typing import Any, NoReturn

from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.zygote import child, isolation_levels, kernel, program
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext
from storm_calm.sandbox.zygote.kernel import PR_SET_DUMPABLE
from storm_calm.sandbox.zygote.program_cgroups import join_cgroup

READY, BEGIN, DONE, IDLE, EXIT, FAILED = b"R", b"B", b"D", b"I", b"X", b"F"
KEEP, END, ORDER = b"K", b"E", b"O"
FILES = 5
"""How many files come with an order: the blocks, stdout, stderr, the way for solver reports, and a line."""

_NULL = "/dev/null"
_REPORTS, _LINE = 3, 4
_FIRST_ORDER_FD = 100  # from here on are the files of an order, out of the way of the program's own
_MAX_FD = 256
_ALL_SIGNALS = frozenset(range(1, 65)) - {32, 33}  # without the C library's own

# Bound now: a program may replace them in their modules.
_fork = ctypes.PyDLL(None).fork
_exit, _close, _dup2, _open, _lseek, _waitpid = os._exit, os.close, os.dup2, os.open, os.lseek, os.waitpid
_receive, _send, _socket_of = _socket.socket.recvmsg, _socket.socket.send, _socket.socket
_mask, _handler, _set_handler = _signal.pthread_sigmask, _signal.getsignal, _signal.signal
_SET_MASK, _SIGCHLD, _SIGCHLD_DEFAULT = _signal.SIG_SETMASK, _signal.SIGCHLD, _signal.SIG_DFL
_set_trace, _set_profile, _fcntl, _unpack = sys.settrace, sys.setprofile, fcntl.fcntl, struct.unpack
_parse, _decode, _now = json.JSONDecoder().decode, binascii.a2b_base64, time.monotonic
_join, _folder_of, _make_folders, _open_file = os.path.join, os.path.dirname, os.makedirs, open
_ANCILLARY = _socket.CMSG_SPACE(FILES * 4)


def run_first_state(
    context: IsolationContext, folder: str, limits: Any, channel: Channel, line: int, seed: int, entry_fds: list[int]
) -> NoReturn:
    """Be the first state: lock this process in where the supervisor has not done it, and wait for blocks.

    line: a socket to the supervisor. seed: of the random numbers, so that a session that is made anew draws the same.
    entry_fds: to the control group, see `join_cgroup`.
    """
    try:
        join_cgroup(entry_fds)
        os.setsid()  # A share of the processor apart from the supervisor's, also without control groups.
        kernel.prctl(PR_SET_DUMPABLE, 1)
        # If memory runs out, a block is to die before the supervisor.
        with contextlib.suppress(OSError), _open_file("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
        _move_fd(line, _LINE)
        _release_streams()
        os.closerange(_LINE + 1, 1 << 16)
        own = _socket_of(fileno=_LINE)
        if context.isolation != "full":
            isolation_levels.apply_isolation(context, folder, limits)
        isolation_levels.apply_seccomp(context)
        child.initialize_program_state(context)
        random.seed(seed)
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed(seed)
        program.open_standard_streams()
        sys.argv[:] = [""]
        sys.path.insert(0, folder)
        main = types.ModuleType("__main__")
        main.__dict__.update(__builtins__=sys.modules["builtins"], __annotations__={})
        sys.modules["__main__"] = main
        _send(own, READY)
        SessionState(folder, channel, own, main.__dict__).wait()
    except BaseException as error:
        with contextlib.suppress(BaseException):
            own.send(FAILED + f"{type(error).__name__}: {error}".encode())
    finally:
        _exit(1)


class SessionState:
    """This process, as a state and as a block under way."""

    __slots__ = ("channel", "folder", "line", "main", "offsets")

    def __init__(self, folder: str, channel: Channel, line: _socket.socket, main: dict[str, Any]) -> None:
        self.folder = folder
        self.channel = channel
        self.line = line
        self.main = main
        self.offsets: dict[int, int] = {}

    def wait(self) -> None:
        """Be a state: fork for each order. In the fork, run the block and be a state in turn."""
        while True:
            _set_trace(None)
            _set_profile(None)
            # Nothing of the program runs in a state: no handler either.
            mask = _block_signals()
            handler = _handler(_SIGCHLD)
            if handler != _SIGCHLD_DEFAULT:
                # Ignored, it would take the end of a block from the supervisor.
                _set_handler(_SIGCHLD, _SIGCHLD_DEFAULT)
            self.offsets = _offsets()
            _send(self.line, IDLE)
            while True:
                files = self._order()
                _reap_children()
                # The C library's fork, not Python's, which would reseed random numbers and call the program's hooks.
                if _fork() == 0:
                    break
                for fd in files:
                    _close(fd)
            if handler is not None and handler != _SIGCHLD_DEFAULT:
                _set_handler(_SIGCHLD, handler)
            self._begin(files)
            _mask(_SET_MASK, mask)
            self._run(files)

    def _order(self) -> list[int]:
        """Wait for an order; its files."""
        while True:
            message, ancillary, _, _ = _receive(self.line, 16, _ANCILLARY)
            if not message:
                _exit(0)
            files = [fd for _, _, data in ancillary for fd in _unpack(f"{len(data) // 4}i", data[: len(data) & ~3])]
            if message == ORDER and len(files) == FILES:
                return [_move_fd_high(fd) for fd in files]
            for fd in files:
                _close(fd)

    def _begin(self, files: list[int]) -> None:
        """The first that a fork does: speak for itself."""
        self.line.detach()
        _move_fd(files.pop(), _LINE)
        self.line = _socket_of(fileno=_LINE)
        for fd, offset in self.offsets.items():
            _lseek(fd, offset, 0)  # Shared with the state: an earlier block that failed may have moved it.
        with contextlib.suppress(Exception):
            threading.main_thread()._set_native_id()  # type: ignore[attr-defined]

    def _run(self, files: list[int]) -> None:
        """Run what the files hold; come back only as a state."""
        given, out, err, reports = files
        with _open_file(given, encoding="ascii") as file:
            order = _parse(file.read())
        for earlier in order["before"]:
            _send(self.line, BEGIN)
            self.channel.open(-1, "", _now() + earlier["seconds"])
            if self._execute(earlier) != 0:
                _send(self.line, FAILED)
                _exit(1)
            self.finish_streams()
        _move_fd(out, 1)
        _move_fd(err, 2)
        _move_fd(reports, _REPORTS)
        os.set_inheritable(_REPORTS, False)
        _send(self.line, BEGIN)
        self.channel.open(_REPORTS, order["nonce"], _now() + order["seconds"])
        exit_code = self._execute(order) or program.guard(_join_threads)
        exit_code = self.finish_streams() or exit_code
        if exit_code == 0 and self._is_kept():
            _release_streams()
            return
        # It can't be a state: it ends as a program does, its threads included, but for what runs at the exit of Python.
        exit_code = exit_code or program.guard(threading._shutdown)  # type: ignore[attr-defined]
        exit_code = self.finish_streams() or exit_code
        with contextlib.suppress(OSError):
            _send(self.line, EXIT + bytes([exit_code]))
            _receive(self.line, 16)  # To be taken down takes a while, which nobody has to wait for.
        _exit(exit_code)

    def _execute(self, block: dict[str, Any]) -> int:
        """Write a block's input files and run it; the exit code."""
        name = f"block_{block['number']}.py"
        files = {path: _decode(content) for path, content in block["files"].items()}
        files[name] = block["code"].encode("utf-8", "surrogatepass")
        self.main["__file__"] = name

        def write_and_run() -> None:
            for path, content in files.items():
                path = _join(self.folder, path)
                _make_folders(_folder_of(path), exist_ok=True)
                with _open_file(path, "wb") as file:
                    file.write(content)
            program.execute(block["code"], name, self.main)

        return program.guard(write_and_run)

    def finish_streams(self) -> int:
        """Write out what is still buffered; the exit code."""
        return program.guard(program.flush)

    def _is_kept(self) -> bool:
        """Ask the supervisor whether this process can be a state."""
        try:
            _send(self.line, DONE)
            return _receive(self.line, 16)[0] == KEEP
        except OSError:
            program.guard(lambda: sys.stderr.write(f"the block closed file {_LINE}, which its session needs\n"))
            self.finish_streams()
            _exit(1)


def _block_signals() -> set[int]:
    """Let no signal through any more; which ones were stopped before."""
    try:
        return set(_mask(_SET_MASK, _ALL_SIGNALS))
    except BaseException:  # What a handler of the program's raised, for a signal that came before.
        return set()


def _join_threads() -> None:
    """Wait for the program's threads, as python does at its end; not for those of pools, which wait for work."""
    pools = sys.modules.get("concurrent.futures.thread")
    idle = pools._threads_queues if pools else ()
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread() and thread not in idle:
            thread.join()


def _release_streams() -> None:
    """Let go of the streams of a block that is over."""
    null = _open(_NULL, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2, _REPORTS):
        if fd != null:
            _dup2(null, fd)
    if null > _REPORTS and null != _LINE:
        _close(null)


def _move_fd(fd: int, number: int) -> None:
    """Have the file `fd` under `number` alone."""
    if fd != number:
        _dup2(fd, number, inheritable=number <= 2)
        _close(fd)


def _move_fd_high(fd: int) -> int:
    """The file `fd` under a number that no order needs for anything else."""
    moved = int(_fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_ORDER_FD))
    _close(fd)
    return moved


def _offsets() -> dict[int, int]:
    """How far each open file has been read or written."""
    found = {}
    for fd in range(_LINE + 1, _MAX_FD):
        try:
            found[fd] = _lseek(fd, 0, 1)
        except OSError:
            continue
    return found


def _reap_children() -> None:
    """Take leave of the blocks that failed here."""
    try:
        while _waitpid(-1, 1)[0]:
            pass
    except ChildProcessError:
        return
