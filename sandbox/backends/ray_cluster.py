"""The nodes of a Ray cluster: discovery, start of their actors, and loss."""

import logging
import threading
import time
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from storm_calm.sandbox.backends.ray_nodes import SHUTDOWN_TIMEOUT_SECONDS, Node, NodeSemaphore
from storm_calm.sandbox.backends.remote import RemoteWorker, WorkerLostError
from storm_calm.sandbox.execution import ISOLATION_LEVELS, SandboxUnavailableError

SCAN_INTERVAL_SECONDS = 5.0
"""Seconds between two scans of the cluster."""

_STARTUP_TIMEOUT_SECONDS = 120.0  # for an actor to start and load the solver libraries
_RETRY_AFTER_SECONDS = 60.0  # before a node whose sandbox did not open is retried
_HEARTBEAT_TIMEOUT_SECONDS = 1.0  # a node without an answer may be busy; a dead actor is reported at once

_log = logging.getLogger(__name__)


class Cluster:
    """The active nodes of the connected cluster, and their slots."""

    def __init__(self, workers: int | None, settings: dict[str, Any]) -> None:
        """Start the actors. Raises SandboxUnavailableError if none starts."""
        self.slots = NodeSemaphore([])
        self._workers = workers
        self._settings = settings
        self._lock = threading.Lock()
        self._nodes: dict[str, Node] = {}
        self._starting: dict[str, tuple[Node, threading.Thread]] = {}
        self._refused: dict[str, tuple[float, str]] = {}
        """Nodes that failed to start: when to retry, and why they failed."""
        self._closed = False
        self._wake = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="ray-nodes", daemon=True)
        try:
            self._scan()
            for _, thread in list(self._starting.values()):
                thread.join()
            if not self._nodes:
                raise SandboxUnavailableError(self._why_no_node())
            self._watcher.start()
        except BaseException:
            self.close()
            raise

    def weakest(self) -> RemoteWorker:
        """Return the node with the weakest isolation level."""
        with self._lock:
            nodes = list(self._nodes.values())
        if not nodes:
            raise SandboxUnavailableError(self._why_no_node())
        return max(nodes, key=lambda node: ISOLATION_LEVELS.index(node.isolation))

    def slot_count(self) -> int:
        return sum(node.workers for node in list(self._nodes.values()))

    def lose(self, node: Node) -> None:
        """Remove a node; if it is still alive, the next scan starts a new actor on it."""
        with self._lock:
            if node.lost or self._closed:
                return
            node.lost = True
            self._nodes.pop(node.key, None)
        _log.warning("the sandbox lost node %s with %d slots", node.address, node.workers)
        self.slots.remove_lost()
        node.close()
        self._wake.set()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            nodes = list(self._nodes.values())
            starting = list(self._starting.values())
        self._wake.set()
        if self._watcher.is_alive():
            self._watcher.join()
        if ray.is_initialized():
            ends = [node.end() for node in nodes]
            if ends:
                ray.wait(ends, num_returns=len(ends), timeout=SHUTDOWN_TIMEOUT_SECONDS)
            for node in [*nodes, *(node for node, _ in starting)]:
                node.close()
            for _, thread in starting:
                thread.join(SHUTDOWN_TIMEOUT_SECONDS)

    def _watch(self) -> None:
        while not self._closed:
            try:
                self._scan()
            except Exception:  # The next scan may succeed.
                _log.warning("could not list the nodes of the Ray cluster", exc_info=True)
            self._wake.wait(SCAN_INTERVAL_SECONDS)
            self._wake.clear()

    def _scan(self) -> None:
        """Remove lost nodes, and start actors on new ones in background threads."""
        if not ray.is_initialized():
            return
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        for node in list(self._nodes.values()):
            if node.key not in alive:
                self.lose(node)
        self.lose_the_dead()
        processors = {key: int(node["Resources"].get("CPU", 0)) for key, node in alive.items()}
        with self._lock:
            if self._closed:
                return
            now = time.monotonic()
            self._refused = {key: (until, why) for key, (until, why) in self._refused.items() if now < until}
            taken = {**self._nodes, **self._starting, **self._refused}
            new = {key: number for key, number in processors.items() if number and key not in taken}
            held = [*self._nodes.values(), *(node for node, _ in self._starting.values())]
            left = None if self._workers is None else self._workers - sum(node.workers for node in held)
            for key, workers in shares(new, left).items():
                node = Node(key, alive[key]["NodeManagerAddress"], workers, self._settings)
                thread = threading.Thread(target=self._start, args=(node,), name="ray-start", daemon=True)
                self._starting[key] = (node, thread)
                thread.start()
        self._update_refusal()

    def lose_the_dead(self) -> None:
        """Remove nodes whose actors died while idle, before a program is assigned to them."""
        pings = {node.ping(): node for node in list(self._nodes.values())}
        if not pings:
            return
        answered, _ = ray.wait(list(pings), num_returns=len(pings), timeout=_HEARTBEAT_TIMEOUT_SECONDS)
        for ping in answered:
            try:
                ray.get(ping)
            except RayTaskError:
                pass  # The actor is alive.
            except RayError:
                self.lose(pings[ping])

    def _start(self, node: Node) -> None:
        """Wait for a node's actor and add the node's slots, or store the reason of its failure."""
        wait = _RETRY_AFTER_SECONDS
        try:
            answer = node.call({"call": "hello"}, _STARTUP_TIMEOUT_SECONDS)
            why = f"node {node.address}: {answer['fault']}" if "fault" in answer else None
        except WorkerLostError as error:
            wait, why = SCAN_INTERVAL_SECONDS, str(error)  # probably a temporary failure
        except SandboxUnavailableError as error:
            why = str(error)
        with self._lock:
            del self._starting[node.key]
            if why is None and not self._closed:
                node.isolation = answer["value"]["isolation"]
                self._nodes[node.key] = node
            else:
                self._refused[node.key] = (time.monotonic() + wait, why or "the sandbox is closed")
        self._update_refusal()
        if node.key in self._nodes:
            self.slots.add(node, node.workers)
        else:
            if not self._closed:
                _log.warning("a node can't run programs: %s", why)
            node.close()

    def _update_refusal(self) -> None:
        """Make programs fail instead of wait while no node is active or starting."""
        with self._lock:
            self.slots.refuse("" if self._nodes or self._starting else self._why_no_node())

    def _why_no_node(self) -> str:
        reasons = "; ".join(why for _, why in self._refused.values()) or "no live node has processors"
        return (
            f"no node of the Ray cluster can run programs: {reasons}. Fix that, or join a node to the cluster "
            f"(ray start --address ...); it is found within {SCAN_INTERVAL_SECONDS:.0f} seconds"
        )


def shares(processors: dict[str, int], workers: int | None) -> dict[str, int]:
    """Return the slots per node: one per processor, or its share of `workers`. Nodes without slots are left out."""
    if workers is None or not processors:
        return dict(processors)
    parts = dict.fromkeys(processors, 0)
    for _ in range(workers):
        parts[min(parts, key=lambda key: parts[key] / processors[key])] += 1
    return {key: part for key, part in parts.items() if part}
