"""A program's process, from its birth to the program's first line.

It is born ahead of its program, as a spare: it locks itself in first, and only then waits for something to run.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import sys
import time
from typing import Any, NoReturn

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.zygote import preload, program, subreaper
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext, apply_isolation, apply_seccomp
from storm_calm.sandbox.zygote.program_cgroups import ProgramCgroup, join_cgroup

_LINE, _REPORTS, _NETWORK = 3, 3, 4
_exit = os._exit  # Bound now: a program that replaced it would not end, and go on as a second fork server.
FILES = 4
"""How many files come with a program: itself with its input files, stdout, stderr, and the way for solver reports."""


def run_spare(
    context: IsolationContext,
    folder: str,
    limits: Limits,
    channel: Channel,
    line: socket.socket,
    cgroup: ProgramCgroup | None = None,
    *,
    network: int = -1,
    warm: str = "",
) -> NoReturn:
    """Be a spare and then a program. `line` leads to the fork server and brings one program.

    cgroup: the control group to run in. network: the network namespace to join; by default a new one.
    warm: a library to solve something tiny with while there is no program: the pages that this touches, and that a
    fork shares with its parent, are then copied ahead as well.
    On `line` it sends its folder, held open; then that it has started, or what kept it from that.
    """
    exit_code = 1
    try:
        if cgroup is not None:
            join_cgroup(cgroup.entry_fds())
        if network >= 0:
            network = os.dup(network)  # It may have the number that the line gets now.
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
        # Through its own folder, held open, the caller reads the results when the program and its mounts are long gone.
        # Sent ahead, as programs can't send files.
        own = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        socket.send_fds(line, [b"{}"], [own])
        os.close(own)
        apply_seccomp(context)
        # All that doesn't depend on the program is done before there is one.
        preload.warm(warm)
        initialize_program_state(context)
        order, files, _, _ = socket.recv_fds(line, 1 << 16, FILES)
        if order:
            exit_code = _start(json.loads(order), files, channel, line, in_pid_namespace=context.isolation == "full")
    except BaseException as error:
        line.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
    finally:
        # Not through the interpreter's own end: taking down what the fork server loaded is slow and changes nothing.
        _exit(exit_code)


def _start(
    order: dict[str, Any], files: list[int], channel: Channel, line: socket.socket, *, in_pid_namespace: bool
) -> int:
    """Become the program that `files` hold, and run it; its exit code. in_pid_namespace: in one of its own."""
    given, out, err, reports = files
    code = unpack(given)["code"]
    os.dup2(out, 1)
    os.dup2(err, 2)
    line.send(b'{"started": true}')
    line.detach()
    os.dup2(reports, _REPORTS, inheritable=False)
    os.closerange(_REPORTS + 1, 1 << 16)
    channel.open(_REPORTS, order["nonce"], time.monotonic() + order["limits"]["seconds"])
    program.open_standard_streams()
    first = os.getpid()
    exit_code = program.run(code)
    # A process that the program forked, and that got to its end too, ends by itself.
    if in_pid_namespace and not order["results"] and os.getpid() == first:
        # Taking this process down takes as long as a small solve: the caller need not wait for it. Once this is sent,
        # this process and all others of the program are killed.
        with contextlib.suppress(Exception):  # As above; then the caller waits.
            channel.finish(exit_code)
    return exit_code


def unpack(fd: int) -> dict[str, Any]:
    """What the caller put into `fd`: a program's code and what else comes with it. Its input files are written here."""
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
    """Take on what each program has of its own: a folder, and random numbers."""
    if context.isolation != "full":
        os.environ["HOME"] = os.environ["TMPDIR"] = os.getcwd()
    random = sys.modules.get("numpy.random")
    if random is not None:
        # Else every program would draw the same numbers; the random module reseeds itself. With a number, as without
        # one numpy goes a long way round to find it.
        random.seed(int.from_bytes(os.urandom(4), "little"))
    solver: Any = getattr(sys.modules.get("pulp"), "LpSolverDefault", None)
    if hasattr(solver, "setTmpDir"):
        solver.setTmpDir()  # It was made with the fork server's folder, where programs can't write.


def program_environment(home: str, libraries: str) -> dict[str, str]:
    """All the environment variables that a program has. libraries: the folder of those that it can import."""
    return {
        # For the interpreters that it starts.
        "PYTHONPATH": libraries,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        # One thread: programs run side by side, and a fork carries no threads along.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # The order of sets is then the same in every run.
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
