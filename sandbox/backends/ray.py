"""The "ray" sandbox: programs run on every node of a Ray cluster, in children of the same fork server as locally.

    python -c 'from storm_calm import open_sandbox; print(open_sandbox("ray").run("print(6 * 7)").stdout)'

Each node with processors has one actor with a `LocalSandbox`, by default with one slot per processor. A program runs on
the node with the most free slots. If a node is lost, its programs run again on another one. The cluster is scanned
every few seconds, and immediately after a loss: new nodes get an actor, as do nodes whose actor died.

The actors reserve no processors: a sandbox is mostly idle, and a reservation would block all other jobs. So programs
compete with those jobs; set `workers` to leave processors free. They inherit niceness 15 from Ray's workers and may
time out on busy nodes, unless Ray is started there with RAY_worker_niceness=0.

The nodes must have the same version of this package installed: an upload could not include the solver libraries.
"""

import contextlib
import dataclasses
import logging
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from storm_calm.sandbox.backends.remote import RemoteSandbox, WorkerSlot
from storm_calm.sandbox.base import Limits, Program
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

_CONNECT_TIMEOUT_SECONDS = 10.0  # to connect to the head of a cluster
_OBJECT_STORE_BYTES = 128 << 20  # of a cluster started here; results are small, and Ray's default is 30 % of memory


class RaySandbox(RemoteSandbox):
    """Programs on the nodes of a Ray cluster. Made by `open_sandbox`.

    `isolation` is the weakest level of all nodes; an Execution has that of its node. `workers` is the initial number.
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

        workers: total number of slots, shared among the nodes by their processors; by default one per processor. The
            slots of a lost node are given to the next new one.
        address: the cluster's address for `ray.init`. Default: the cluster that this process is connected to, or the
            one that Ray finds (RAY_ADDRESS, or on this machine), or one that is started here while the sandbox is
            open. Ray ends a process that can't reach the head of its cluster for a minute.
        Raises SandboxUnavailableError if Ray is unavailable, or no node can run programs.
        """
        self._ends = contextlib.ExitStack()
        try:
            self._ends.enter_context(connected(address))
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

    def drop(self, slot: WorkerSlot) -> None:
        # All slots of the node are lost with it; a new actor adds new slots.
        if isinstance(slot.worker, Node):
            self.cluster.lose(slot.worker)

    def execution(self, value: dict[str, Any], program: Program) -> Execution:
        return dataclasses.replace(super().execution(value, program), isolation=value["isolation"])

    def close(self) -> None:
        self.slots.close()
        self._ends.close()


_connecting = threading.Lock()
_connections = 0  # number of sandboxes that use the connection made here


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to Ray, unless this process is connected. The last sandbox that uses the connection ends it."""
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
    """Connect to the cluster at `address`, or to the one that Ray finds, or start one here."""
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    local = {
        "include_dashboard": False,
        "num_cpus": len(os.sched_getaffinity(0)),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "_system_config": {"worker_niceness": 0},
    }
    usage_stats = os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        if address is None:
            try:
                address = services.canonicalize_bootstrap_address("auto")
            except ConnectionError:
                address = "local"
        if address != "local":
            _check(address)
        ray.init(address=address, **quiet, **(local if address == "local" else {}))
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise SandboxUnavailableError(
            f"no connection to Ray at {address!r} ({error}); start Ray {ray.__version__} there (ray start --head), or "
            "pass address='local'"
        ) from None
    finally:
        del os.environ["RAY_USAGE_STATS_ENABLED"]
        if usage_stats is not None:
            os.environ["RAY_USAGE_STATS_ENABLED"] = usage_stats


def _check(address: str) -> None:
    """Raise OSError or ValueError if nothing listens at `address`; Ray itself would retry for minutes."""
    if address == "auto":
        address = services.canonicalize_bootstrap_address(address)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_SECONDS).close()
