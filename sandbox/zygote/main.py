"""The fork server's process, from its start to its loop.

The caller starts it with a clean environment and nothing but a socket. It finds the best isolation level, moves to
where programs may run, loads a family of libraries there, and serves.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import signal
import socket
import sys
from types import ModuleType
from typing import Any

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import ISOLATION_LEVELS
from storm_calm.sandbox.zygote import child, isolation_levels, kernel, namespaces, preload, processes
from storm_calm.sandbox.zygote.isolation_levels import Ground
from storm_calm.sandbox.zygote.program_cgroups import Groups
from storm_calm.sandbox.zygote.server import Server, exit_with


def main() -> None:
    """Serve on the socket and with the settings that the command line names."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    # The socket may live on in a process that the caller forked; the caller itself does not.
    caller = os.pidfd_open(settings["caller"])
    groups = None
    if settings["groups"]:
        version, trees = settings["groups"]
        groups = Groups.open(version, trees)
        for fd, _ in trees:
            os.set_inheritable(fd, False)
    _raise_open_files()
    scratch, alone, paths = settings["scratch"], settings["alone"], settings["paths"]
    isolation, missing = isolation_levels.best_isolation(settings["isolation"], scratch, alone=alone, libraries=paths)
    if isolation is None or ISOLATION_LEVELS.index(isolation) > ISOLATION_LEVELS.index(settings["minimum_isolation"]):
        _answer(control, isolation=isolation, missing=missing, refused=True)
        return
    group_folders = [tree.fd for tree in groups.trees] if groups else []
    ground = isolation_levels.enter(isolation, scratch, alone=alone, libraries=paths, groups=group_folders)
    ground = dataclasses.replace(ground, counted=groups is not None and groups.counts_processes)
    if isolation == "full":
        pid = os.fork()
        if pid:
            # Stays outside only to pass on how the fork server ended; it has loaded nothing, so it is small.
            control.close()
            exit_with(os.waitpid(pid, 0)[1])
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        namespaces.settle()
    _load_and_serve(control, caller, groups, settings, ground, missing)


def _raise_open_files() -> None:
    """Allow this process, not its programs, all the open files that it may have: each program takes some of them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _load_and_serve(
    control: socket.socket,
    caller: int,
    groups: Groups | None,
    settings: dict[str, Any],
    ground: Ground,
    missing: tuple[str, ...],
) -> None:
    channel = preload.load(settings["libraries"], ground.libraries)
    modules = _hide(ground)
    preload.settle()
    ground = dataclasses.replace(ground, data_bytes=processes.data_bytes())
    server = Server(
        ground=ground,
        control=control,
        caller=caller,
        groups=groups,
        channel=channel,
        limits=Limits(**settings["limits"]),
        spare_count=settings["spares"],
        chief=settings["libraries"][-1] if settings["libraries"] else "",
    )
    _answer(control, isolation=ground.isolation, missing=missing, inherited_bytes=server.inherited_bytes)
    server.serve()
    del modules


def _hide(ground: Ground) -> list[ModuleType]:
    """Leave nothing of the fork server for programs to find: once here, instead of in every child, where it is dear.

    Returns the modules that must go on living although nobody can import them any more.
    """
    os.environ.clear()
    os.environ.update(child.program_environment(ground.scratch, ground.libraries))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # The caller may block some, and hand that on.
    ours = [name for name in sys.modules if name.partition(".")[0] == "storm_calm"]
    return [sys.modules.pop(name) for name in ours]


def _answer(control: socket.socket, **message: Any) -> None:
    control.send(json.dumps(message).encode())
