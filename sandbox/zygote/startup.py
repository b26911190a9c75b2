"""The fork server's process, from its start to its loop.

The caller starts it with a clean environment and one socket. It finds the best isolation level, enters it, loads an
import group there, and serves.
"""

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
from storm_calm.sandbox.zygote.best_isolation import best_isolation
from storm_calm.sandbox.zygote.isolation_levels import IsolationContext
from storm_calm.sandbox.zygote.program_cgroups import CgroupPool
from storm_calm.sandbox.zygote.server import ZygoteServer
from storm_calm.sandbox.zygote.spares import SparePool


def main() -> None:
    """Serve with the socket and the settings in the first argument, a JSON object."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    # A process that the caller forked may keep the socket open after the caller has ended; the pidfd reports that end.
    caller = os.pidfd_open(settings["caller"])
    cgroups = None
    if settings["cgroups"]:
        version, trees = settings["cgroups"]
        cgroups = CgroupPool.open(version, trees)
        for fd, _ in trees:
            os.set_inheritable(fd, False)
    # This process, unlike its programs, may open as many files as the machine allows: each program needs a few here.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    scratch, dedicated, paths = settings["scratch"], settings["dedicated"], settings["paths"]
    isolation, missing = best_isolation(settings["isolation"], scratch, dedicated=dedicated, libraries=paths)
    if isolation is None or ISOLATION_LEVELS.index(isolation) > ISOLATION_LEVELS.index(settings["minimum_isolation"]):
        _answer(control, isolation=isolation, missing=missing, refused=True)
        return
    cgroup_folders = [tree.fd for tree in cgroups.trees] if cgroups else []
    context = isolation_levels.enter(isolation, scratch, dedicated=dedicated, libraries=paths, groups=cgroup_folders)
    context = dataclasses.replace(context, counted=cgroups is not None and cgroups.counts_processes)
    if isolation == "full":
        pid = os.fork()
        if pid:
            # Stays outside only to pass on the exit code of the fork server. It has loaded nothing, so it is small.
            control.close()
            os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        namespaces.mount_proc()

    channel = preload.load(settings["libraries"], context.libraries)
    modules = _hide(context)
    preload.freeze_memory()
    context = dataclasses.replace(context, data_bytes=processes.data_bytes())
    limits, size = Limits(**settings["limits"]), settings["spares"]
    main_library = settings["libraries"][-1] if settings["libraries"] else ""
    pool = SparePool(context, cgroups, channel, limits, size, main_library)
    _answer(control, isolation=context.isolation, missing=missing, inherited_bytes=pool.inherited_bytes)
    ZygoteServer(pool, control, caller).serve()
    del modules


def _hide(context: IsolationContext) -> list[ModuleType]:
    """Hide the fork server from its children. Return its modules, which must stay alive but can't be imported."""
    # Once here, because it would be slow in every child.
    os.environ.clear()
    os.environ.update(child.program_environment(context.scratch, context.libraries))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # Signals that the caller blocks are inherited as blocked.
    ours = [name for name in sys.modules if name.partition(".")[0] == "storm_calm"]
    return [sys.modules.pop(name) for name in ours]


def _answer(control: socket.socket, **message: Any) -> None:
    control.send(json.dumps(message).encode())
