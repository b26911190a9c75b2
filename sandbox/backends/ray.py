"""The "ray" sandbox: programs run on every node of a Ray cluster, in children of the same fork server as everywhere.

    python -c 'from storm_calm import open_sandbox; print(open_sandbox("ray").run("print(6 * 7)").stdout)'

Each node that has processors gets one actor, and in it one `LocalSandbox` with a slot for each of them. A program goes
to the node with the most free slots, and a node never has more under way than slots. What was under way on a node
that is lost is repeated on another one. Every few seconds, and at once when a node is lost, the cluster is looked
over: nodes that joined get an actor, and so do those whose actor alone died.

The actors ask Ray for no processors: a sandbox is open for long and mostly waits, and one that held the processors
would keep every other job on the cluster from starting. The price is that programs share them with what runs there;
pass `workers` to leave some free. Ray gives its workers niceness 15, and programs inherit it: on nodes that are busy
with other work they crawl and run into their deadlines, unless Ray is started there with RAY_worker_niceness=0.

This package must be installed on the nodes, in the version that the caller has. Shipping it with each connection would
cost seconds and could not bring the solver libraries along.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from storm_calm.sandbox.backends.remote import RemoteSandbox, RemoteSession, WorkerSlot
from storm_calm.sandbox.base import Limits, Program, Session
from storm_calm.sandbox.execution import Execution, Isolation, SandboxUnavailableError

try:
    import ray
    from ray._private import services
    from ray.exceptions import RayError

    from storm_calm.sandbox.backends.ray_cluster import Cluster
    from storm_calm.sandbox.backends.ray_nodes import Node
except ImportError as error:
    raise SandboxUnavailableError(
        f"the ray backend needs the ray package ({error}); pip install 'storm-calm[ray]'"
    ) from None

_CONNECT_TIMEOUT_SECONDS = 10.0  # for the head of a cluster to take a connection
_OBJECT_STORE_BYTES = 128 << 20  # where Ray is started here: results are small; Ray's default is 30 % of memory


class RaySandbox(RemoteSandbox):
    """Programs on the nodes of a Ray cluster. Made by `open_sandbox`.

    `isolation` is the weakest of the nodes' isolation levels; an Execution tells that of its own node. `workers` is the
    number of slots that there were at the start.
    """

    def __init__(
        self,
        *,
        minimum_isolation: Isolation,
        isolation: Isolation,
        workers: int | None,
        limits: Limits,
        address: str | None = None,
    ) -> None:
        """Start the actors on all nodes.

        workers: slots on all nodes together, spread over them by their processors; by default as many as processors.
            Those of a lost node go to the next one that comes.
        address: of the cluster, as `ray.init` takes it. Unless given: the cluster that this process is connected to,
            else the one that Ray finds (RAY_ADDRESS, or one on this machine), else one that is started here for as
            long as the sandbox is open. Ray ends a process that can't reach the head of its cluster for a minute.
        Raises SandboxUnavailableError where Ray can't be had, or no node can serve, with the reasons.
        """
        self._ends = contextlib.ExitStack()
        try:
            self._ends.enter_context(_connection(address))
            self.cluster = Cluster(
                workers, {"minimum_isolation": minimum_isolation, "isolation": isolation, "limits": limits}
            )
            self._ends.callback(self.cluster.close)
            super().__init__(
                backend="ray",
                open_worker=self.cluster.weakest,
                workers=self.cluster.slot_count(),
                minimum_isolation=minimum_isolation,
                limits=limits,
            )
        except BaseException:
            self._ends.close()
            raise
        self.slots = self.cluster.slots

    def session(self, *, limits: Limits | None = None) -> Session:
        return _RaySession(self, limits or self.limits)

    def drop(self, slot: WorkerSlot) -> None:
        # Its worker is the whole node. The slot is not filled again: a new actor brings slots of its own.
        if isinstance(slot.worker, Node):
            self.cluster.lose(slot.worker)

    def execution(self, value: dict[str, Any], program: Program) -> Execution:
        return dataclasses.replace(super().execution(value, program), isolation=value["isolation"])

    def close(self) -> None:
        self.slots.close()
        self._ends.close()


class _RaySession(RemoteSession):
    """A session on a node: any slot there will do."""

    def _accepts(self, slot: WorkerSlot) -> bool:
        node = self._node()
        return node is None or node.lost or slot.worker is node

    def _is_current(self, slot: WorkerSlot) -> bool:
        node = self._node()
        return node is not None and not node.lost and slot.worker is node

    def _node(self) -> Node | None:
        worker = self._location[0].worker if self._location else None
        return worker if isinstance(worker, Node) else None


_connecting = threading.Lock()
_connections = 0  # how many sandboxes stand on a connection that was made here


@contextlib.contextmanager
def _connection(address: str | None) -> Iterator[None]:
    """Be connected to Ray; what was connected or started here ends with the last sandbox that stands on it."""
    global _connections
    with _connecting:
        if not ray.is_initialized():
            _connections = 0
            _init(address)
            ours = True
        elif address not in (None, "auto", there := ray.get_runtime_context().gcs_address):
            raise ValueError(f"address is {address!r}, but this process is connected to Ray at {there!r}; leave it out")
        else:
            ours = _connections > 0
        _connections += ours
    try:
        yield
    finally:
        with _connecting:
            _connections -= ours
            if ours and _connections == 0:
                ray.shutdown()


def _init(address: str | None) -> None:
    """Connect to the cluster at `address`, or to the one that Ray finds, or to one that is started here."""
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    local = {
        "include_dashboard": False,
        "num_cpus": len(os.sched_getaffinity(0)),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "_system_config": {"worker_niceness": 0},
    }
    reports = os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        if address is None:
            try:
                address = services.canonicalize_bootstrap_address("auto")
            except ConnectionError:
                address = "local"
        if address == "local":
            ray.init(address=address, **quiet, **local)
            return
        _check(address)
        ray.init(address=address, **quiet)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise SandboxUnavailableError(
            f"no connection to Ray at {address!r} ({error}); start it there (ray start --head) in this version "
            f"({ray.__version__}), or pass address='local'"
        ) from None
    finally:
        if reports is None:
            del os.environ["RAY_USAGE_STATS_ENABLED"]
        else:
            os.environ["RAY_USAGE_STATS_ENABLED"] = reports


def _check(address: str) -> None:
    """Raise OSError or ValueError where nothing listens at `address`: Ray itself would try for minutes."""
    if address == "auto":
        address = services.canonicalize_bootstrap_address(address)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_SECONDS).close()
