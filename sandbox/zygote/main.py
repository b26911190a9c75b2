"""The fork server's process, from its start to its loop.

The caller starts it with a clean environment and nothing but a socket. It finds the best tier, loads the solver
libraries once, moves to where programs may run, and serves.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import json
import os
import signal
import socket
import sys
from typing import Any

from sandbox import probe
from sandbox.base import Limits
from sandbox.execution import TIERS, Tier
from sandbox.probe.channel import Channel
from sandbox.zygote import confine, kernel, namespaces, processes
from sandbox.zygote.server import Server, exit_with


def main() -> None:
    """Serve on the socket and with the settings that the command line names."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    tier, missing = confine.best_tier(settings["tier"], settings["scratch"])
    if tier is None or TIERS.index(tier) > TIERS.index(settings["minimum_tier"]):
        _answer(control, tier=tier, missing=missing, refused=True)
        return
    channel = preload(settings["libraries"])
    _enter_and_serve(control, settings, channel, tier, missing)


def preload(libraries: list[str]) -> Channel:
    """Import what programs use most; every program then has it for the price of a fork.

    Returns the channel on which solves in them are reported.
    """
    hidden = sys.path.pop(0)  # Where this package was found: other code may lie beside it.
    for library in libraries:
        try:
            importlib.import_module(library)
        except ImportError:
            continue
    sys.modules.pop("__main__", None)
    allowed = namespaces.library_folders()
    sys.path[:] = [path for path in sys.path if path != hidden and path.startswith(tuple(allowed))]
    channel = probe.install()
    # Collected now and then left alone: a child that touched these objects would copy the pages they are on.
    gc.collect()
    gc.freeze()
    return channel


def _enter_and_serve(
    control: socket.socket, settings: dict[str, Any], channel: Channel, tier: Tier, missing: tuple[str, ...]
) -> None:
    ground = confine.enter(tier, settings["scratch"])
    if tier == "full":
        pid = os.fork()
        if pid:
            # Stays outside only to pass on how the fork server ended.
            control.close()
            exit_with(os.waitpid(pid, 0)[1])
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        namespaces.settle()
    ground = dataclasses.replace(ground, data_bytes=processes.data_bytes())
    server = Server(
        ground=ground,
        control=control,
        channel=channel,
        limits=Limits(**settings["limits"]),
        spare_count=settings["spares"],
    )
    _answer(control, tier=tier, missing=missing, inherited_bytes=server.inherited_bytes)
    server.serve()


def _answer(control: socket.socket, **message: Any) -> None:
    control.send(json.dumps(message).encode())
