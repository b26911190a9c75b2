"""A program's process, from its birth to the program's first line.

It is born ahead of its program, as a spare: it locks itself in first, and only then waits for something to run.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from sandbox.base import Limits
from sandbox.probe.channel import Channel
from sandbox.zygote import program, supervisor
from sandbox.zygote.confine import Ground, confine

_LINE, _REPORTS = 3, 3
FILES = 4
"""How many files come with a program: its code, stdout, stderr, and the channel for solver reports."""


def live(ground: Ground, folder: str, limits: Limits, channel: Channel, line: socket.socket) -> NoReturn:
    """Be a spare and then a program. `line` leads to the fork server and brings one program.

    On it the child says "started", with the processor seconds spent so far, or what kept it from starting.
    """
    exit_code = 1
    try:
        os.dup2(line.detach(), _LINE)
        os.closerange(_LINE + 1, 1 << 16)
        line = socket.socket(fileno=_LINE)
        os.setsid()
        if ground.tier != "full":
            supervisor.split(folder)
        confine(ground, folder, limits)
        # All that doesn't depend on the program is done before there is one.
        _forget_the_server()
        order, files, _, _ = socket.recv_fds(line, 1 << 16, FILES)
        if order:
            exit_code = _start(json.loads(order), files, channel, line)
    except BaseException as error:
        line.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
    finally:
        # Not through the interpreter's own end: taking down what the fork server loaded is slow and changes nothing.
        os._exit(exit_code)


def _start(order: dict[str, Any], files: list[int], channel: Channel, line: socket.socket) -> int:
    """Become the program that `files` hold, and run it; its exit code."""
    code_file, out, err, reports = files
    code = _read_all(code_file)
    os.dup2(out, 1)
    os.dup2(err, 2)
    line.send(json.dumps({"started": time.process_time()}).encode())
    line.detach()
    os.dup2(reports, _REPORTS, inheritable=False)
    os.closerange(_REPORTS + 1, 1 << 16)
    channel.open(_REPORTS, order["word"], time.monotonic() + order["limits"]["seconds"])
    program.open_standard_streams()
    return program.run(code)


def _read_all(fd: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        return file.read()


def _forget_the_server() -> None:
    """Leave nothing of the fork server in sight: its environment, modules, signal handlers and random numbers."""
    os.environ.clear()
    os.environ.update(program_environment(os.getcwd()))
    for name in [name for name in sys.modules if name.partition(".")[0] == "sandbox"]:
        del sys.modules[name]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()  # Else every program would draw the same numbers; the random module reseeds itself.


def program_environment(home: str) -> dict[str, str]:
    """All the environment variables that a program has."""
    return {
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
