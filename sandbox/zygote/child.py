"""The process of a program, from its fork to the first line of the program.

It is forked ahead, as a spare: it isolates itself first, and only then waits for a program.
"""

import base64
import contextlib
import json
import os
import socket
import sys
import time
from typing import Any, NoReturn

from storm_calm.sandbox import error_help
from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.record_file import RecordWriter
from storm_calm.sandbox.zygote import preload, program, subreaper
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext, apply_isolation, apply_seccomp
from storm_calm.sandbox.zygote.program_cgroups import ProgramCgroup, join_cgroup

_LINE, _REPORTS, _NETWORK = 3, 3, 4
_RECORDS = 4
_exit = os._exit  # Bound early: if the program replaced it, this process would not end but act as a second fork server.
FILES = 4  # that come with a program: code and input files, stdout, stderr, pipe for solver reports


def run_spare(
    context: IsolationContext,
    folder: str,
    limits: Limits,
    channel: Channel,
    line: socket.socket,
    cgroup: ProgramCgroup | None,
    *,
    network: int,
    warm: str,
) -> NoReturn:
    """Isolate this process, wait for one program, and run it.

    line: the socket to the fork server. It sends the program. This process sends its folder as an open file, and
    then that the program has started or why it could not.
    network: the network namespace to join; -1 for a new one.
    warm: a library to solve a tiny model with while waiting, so that the pages this writes to, shared with the parent
    after the fork, are copied before the program starts.
    """
    exit_code = 1
    try:
        if cgroup is not None:
            join_cgroup(cgroup.entry_fds())
        if network >= 0:
            network = os.dup(network)  # Its number may be the one that the socket gets next.
        os.dup2(line.detach(), _LINE)
        if network >= 0:
            os.dup2(network, _NETWORK)
            network = _NETWORK
        os.closerange(max(_LINE, network) + 1, 1 << 16)
        line = socket.socket(fileno=_LINE)
        os.setsid()
        if context.isolation != "full":
            subreaper.split(context.shared)
        apply_isolation(context, folder, limits, network)
        os.closerange(_LINE + 1, _NETWORK + 1)
        # Through the open folder the caller reads results after the program and its mounts are gone. It is sent before
        # seccomp is applied, because programs can't send files.
        own = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        socket.send_fds(line, [b"{}"], [own])
        os.close(own)
        apply_seccomp(context)
        # Everything that does not depend on the program is done before it arrives.
        preload.warm(warm)
        initialize_program_state(context)
        order, files, _, _ = socket.recv_fds(line, 1 << 16, FILES)
        if order:
            exit_code = _start(json.loads(order), files, channel, line, full=context.isolation == "full")
    except BaseException as error:
        line.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
    finally:
        # Skip the interpreter's shutdown: tearing down the libraries of the fork server is slow and has no effect.
        _exit(exit_code)


def _start(order: dict[str, Any], files: list[int], channel: Channel, line: socket.socket, *, full: bool) -> int:
    """Run the program in `files` and return its exit code. full: whether the isolation level is "full"."""
    package, out, err, reports = files
    unpacked = unpack(package)
    os.dup2(out, 1)
    os.dup2(err, 2)
    line.send(b'{"started": true}')
    line.detach()
    os.dup2(reports, _REPORTS, inheritable=False)
    records = None
    if unpacked["record"]:
        if package != _RECORDS:
            os.dup2(package, _RECORDS, inheritable=False)
        records = RecordWriter(_RECORDS)
    os.closerange(_REPORTS + 1 + bool(records), 1 << 16)
    channel.open(_REPORTS, order["nonce"], time.monotonic() + order["limits"]["seconds"], records)
    error_help.set_limits(order["limits"])
    program.open_standard_streams()
    first = os.getpid()
    exit_code = program.run(unpacked["code"])
    # Only in the first process: a process that the program forked may get here too, and ends by itself.
    if full and not order["results"] and os.getpid() == first:
        # Taking down this process takes as long as a small solve. This message lets the caller continue without
        # waiting; the fork server then kills all processes of the program.
        with contextlib.suppress(Exception):  # If it fails, the caller waits for the process to end.
            channel.finish(exit_code)
    return exit_code


def unpack(fd: int) -> dict[str, Any]:
    """Read the program that the caller wrote to `fd`, and write its input files to the working folder."""
    with open(fd, "rb", closefd=False) as file:
        package: dict[str, Any] = json.load(file)
    for name, content in package["files"].items():
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(name, "wb") as file:
            file.write(base64.b64decode(content))
    return package


def initialize_program_state(context: IsolationContext) -> None:
    """Set the folder and the random seed that each program has to itself."""
    if context.isolation != "full":
        os.environ["HOME"] = os.environ["TMPDIR"] = os.getcwd()
    random = sys.modules.get("numpy.random")
    if random is not None:
        # Otherwise every program would draw the same numbers; the random module reseeds itself after a fork. With an
        # explicit seed, because numpy is slow to find one.
        random.seed(int.from_bytes(os.urandom(4), "little"))
    solver: Any = getattr(sys.modules.get("pulp"), "LpSolverDefault", None)
    if hasattr(solver, "setTmpDir"):
        solver.setTmpDir()  # It still has the folder of the fork server, where programs can't write.


def program_environment(home: str, libraries: str) -> dict[str, str]:
    """Return all environment variables of a program. libraries: the folder of the libraries that it can import."""
    return {
        # For interpreters that the program starts.
        "PYTHONPATH": libraries,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": home,
        "TMPDIR": home,
        # For getpass.getuser(), since the user's number has no entry in a password file.
        "USER": "user",
        "LOGNAME": "user",
        "LANG": "C.UTF-8",
        # One thread: programs run side by side, and a fork does not copy threads.
        **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        # Makes the order of sets the same in every run.
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Without a license, commercial solvers refuse models of more than about 2,000 variables. By default cvxpy
        # would choose one of them for any problem if it is installed.
        "CVXPY_DEFAULT_TO_COMMERCIAL_SOLVERS": "False",
    }
