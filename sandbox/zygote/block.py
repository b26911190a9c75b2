"""The processes of a session: a state waits, forks for a block, and the fork runs the block and becomes the next state.

Each process sends messages of one byte to the supervisor on its own socket:

    READY    the first state is set up
    BEGIN    a block begins: each earlier block that runs again, then the requested one
    DONE     the block succeeded; the supervisor answers KEEP or END
    IDLE     the process is a state and waits for an order
    EXIT     the block has ended with the exit code in the next byte; the supervisor kills the process
    FAILED   an earlier block that ran again failed

A block can replace any function in its process. So all functions that are called between blocks are bound before the
first block, and the supervisor trusts only the sender's pid in a message.
"""

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
from dataclasses import dataclass, field
from typing import Any, NoReturn

from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.record_file import RecordWriter
from storm_calm.sandbox.zygote import child, isolation_levels, kernel, program
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext
from storm_calm.sandbox.zygote.program_cgroups import join_cgroup

READY, BEGIN, DONE, IDLE, EXIT, FAILED = b"R", b"B", b"D", b"I", b"X", b"F"
KEEP, END, ORDER = b"K", b"E", b"O"
FILES = 5  # that come with an order: blocks, stdout, stderr, pipe for solver reports, socket of the fork

_REPORTS, _LINE = 3, 4
_FIRST_ORDER_FD = 100  # the files of an order get numbers from here on, which programs rarely use
_MAX_FD = 256
_ALL_SIGNALS = frozenset(range(1, 65)) - {32, 33}  # without those that the C library uses

# Bound early: a program may replace them in their modules.
_fork = ctypes.PyDLL(None).fork
_exit, _close, _dup2, _open, _lseek, _waitpid = os._exit, os.close, os.dup2, os.open, os.lseek, os.waitpid
_receive, _send, _socket_of = _socket.socket.recvmsg, _socket.socket.send, _socket.socket
_mask, _handler, _set_handler = _signal.pthread_sigmask, _signal.getsignal, _signal.signal
_SET_MASK, _SIGCHLD, _SIGCHLD_DEFAULT = _signal.SIG_SETMASK, _signal.SIGCHLD, _signal.SIG_DFL
_set_trace, _set_profile, _fcntl, _unpack = sys.settrace, sys.setprofile, fcntl.fcntl, struct.unpack
_parse, _decode, _now = json.JSONDecoder().decode, binascii.a2b_base64, time.monotonic
_records_in = RecordWriter
_join, _folder_of, _make_folders, _open_file = os.path.join, os.path.dirname, os.makedirs, open
_ANCILLARY = _socket.CMSG_SPACE(FILES * 4)


def run_first_state(
    context: IsolationContext, folder: str, limits: Any, channel: Channel, line: int, seed: int, entry_fds: list[int]
) -> NoReturn:
    """Set up this process as the first state, isolate it if the supervisor is not isolated, and wait for blocks.

    line: the file descriptor of a socket to the supervisor. entry_fds: as in `join_cgroup`.
    seed: random seed, so that a session that is restarted draws the same numbers.
    """
    try:
        join_cgroup(entry_fds)
        os.setsid()  # Separates its processor share from the supervisor's, also without control groups.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        # If memory runs out, the kernel kills a block rather than the supervisor.
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


@dataclass(slots=True)
class SessionState:
    """This process, as a state and while it runs a block."""

    folder: str
    channel: Channel
    line: _socket.socket  # to the supervisor
    main: dict[str, Any]  # the namespace of `__main__`
    offsets: dict[int, int] = field(default_factory=dict)  # the position in each open file when it became a state

    def wait(self) -> None:
        """Wait for orders as a state, and fork for each. In the fork, run the block, and then wait likewise."""
        while True:
            _set_trace(None)
            _set_profile(None)
            # No code of the program runs in a state, so signal handlers must not either.
            mask = _block_signals()
            handler = _handler(_SIGCHLD)
            if handler != _SIGCHLD_DEFAULT:
                # If SIGCHLD were ignored, the supervisor could not read how a block ended.
                _set_handler(_SIGCHLD, _SIGCHLD_DEFAULT)
            self.offsets = _offsets()
            _send(self.line, IDLE)
            while True:
                files = self._order()
                _reap_children()
                # The C library's fork, because Python's would reseed random numbers and call hooks of the program.
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
        """Wait for an order, and return its files."""
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
        """Switch a new fork to its own socket, and restore the file positions."""
        self.line.detach()
        _move_fd(files.pop(), _LINE)
        self.line = _socket_of(fileno=_LINE)
        for fd, offset in self.offsets.items():
            _lseek(fd, offset, 0)  # Shared with the state, so an earlier block that failed may have moved it.
        with contextlib.suppress(Exception):
            threading.main_thread()._set_native_id()  # type: ignore[attr-defined]

    def _run(self, files: list[int]) -> None:
        """Run the blocks in `files`. Returns only if this process becomes a state."""
        package, out, err, reports = files
        with _open_file(package, encoding="ascii", closefd=False) as file:
            order = _parse(file.read())
        for earlier in order["before"]:
            _send(self.line, BEGIN)
            self.channel.open(-1, "", _now() + earlier["seconds"])
            if self._execute(earlier) != 0:
                _send(self.line, FAILED)
                _exit(1)
            program.guard(program.flush)
        _move_fd(out, 1)
        _move_fd(err, 2)
        _move_fd(reports, _REPORTS)
        os.set_inheritable(_REPORTS, False)
        _send(self.line, BEGIN)
        records = _records_in(package) if order["record"] else None
        self.channel.open(_REPORTS, order["nonce"], _now() + order["seconds"], records)
        exit_code = self._execute(order) or program.guard(_join_threads)
        exit_code = program.guard(program.flush) or exit_code
        if exit_code == 0 and self._is_kept():
            _release_streams()
            with contextlib.suppress(OSError):  # A block can have closed it.
                _close(package)
            return
        # It can't become a state, so it ends like a program: threads are joined, but atexit callbacks do not run.
        exit_code = exit_code or program.guard(threading._shutdown)  # type: ignore[attr-defined]
        exit_code = program.guard(program.flush) or exit_code
        with contextlib.suppress(OSError):
            _send(self.line, EXIT + bytes([exit_code]))
            _receive(self.line, 16)  # Blocks until it is killed. The supervisor does not wait for the slow teardown.
        _exit(exit_code)

    def _execute(self, block: dict[str, Any]) -> int:
        """Write a block's input files, run it, and return its exit code."""
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

    def _is_kept(self) -> bool:
        """Ask the supervisor whether this process is to become a state."""
        try:
            _send(self.line, DONE)
            return _receive(self.line, 16)[0] == KEEP
        except OSError:
            program.guard(lambda: sys.stderr.write(f"the block closed file {_LINE}, which its session needs\n"))
            program.guard(program.flush)
            _exit(1)


def _block_signals() -> set[int]:
    """Block all signals, and return those that were blocked before."""
    try:
        return set(_mask(_SET_MASK, _ALL_SIGNALS))
    except BaseException:  # A signal handler of the program ran at this point and raised.
        return set()


def _join_threads() -> None:
    """Wait for the program's threads, as python does at exit, except the idle threads of executors."""
    pools = sys.modules.get("concurrent.futures.thread")
    idle = pools._threads_queues if pools else ()
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread() and thread not in idle:
            thread.join()


def _release_streams() -> None:
    """Redirect the streams of a finished block to /dev/null."""
    null = _open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2, _REPORTS):
        if fd != null:
            _dup2(null, fd)
    if null > _REPORTS and null != _LINE:
        _close(null)


def _move_fd(fd: int, number: int) -> None:
    """Move the file `fd` to the descriptor `number`."""
    if fd != number:
        _dup2(fd, number, inheritable=number <= 2)
        _close(fd)


def _move_fd_high(fd: int) -> int:
    """Move the file `fd` to a free descriptor from `_FIRST_ORDER_FD` on, and return that."""
    moved = int(_fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_ORDER_FD))
    _close(fd)
    return moved


def _offsets() -> dict[int, int]:
    """Return the position in each open file."""
    found = {}
    for fd in range(_LINE + 1, _MAX_FD):
        try:
            found[fd] = _lseek(fd, 0, 1)
        except OSError:
            continue
    return found


def _reap_children() -> None:
    """Reap the forks whose blocks failed."""
    try:
        while _waitpid(-1, 1)[0]:
            pass
    except ChildProcessError:
        return
