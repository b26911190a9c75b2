"""The Ray cluster: which nodes there are, which of them serve, and which are lost."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from storm_calm.sandbox.backends.ray_nodes import SHUTDOWN_TIMEOUT_SECONDS, Node, NodeSemaphore, NoNode
from storm_calm.sandbox.backends.remote import RemoteWorker, WorkerLostError
from storm_calm.sandbox.execution import ISOLATION_LEVELS, SandboxUnavailableError

SCAN_INTERVAL_SECONDS = 5.0
"""Seconds between two looks at which nodes there are."""

_STARTUP_TIMEOUT_SECONDS = 120.0  # for an actor's process to start and to load the solver libraries
_RETRY_AFTER_SECONDS = 60.0  # after which a node whose sandbox did not open is tried again
_HEARTBEAT_TIMEOUT_SECONDS = 1.0  # a node that is silent may be busy; one whose actor died says so at once

_log = logging.getLogger(__name__)


class Cluster:
    """Which nodes of the cluster that this process is connected to serve, and their slots."""

    def __init__(self, workers: int | None, settings: dict[str, Any]) -> None:
        """Start the actors. Raises SandboxUnavailableError where none can be had."""
        self.slots = NodeSemaphore([])
        self._workers = workers
        self._settings = settings
        self._lock = threading.Lock()
        self._nodes: dict[str, Node] = {}
        self._starting: dict[str, tuple[Node, threading.Thread]] = {}
        self._refused: dict[str, tuple[float, str]] = {}
        """Nodes that could not serve: until when they are left alone, and why."""
        self._no_node: NoNode | None = None
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
        """The node that locks programs in least."""
        with self._lock:
            nodes = list(self._nodes.values())
        if not nodes:
            raise SandboxUnavailableError(self._why_no_node())
        return max(nodes, key=lambda node: ISOLATION_LEVELS.index(node.isolation))

    def slot_count(self) -> int:
        """How many slots all nodes have."""
        return sum(node.workers for node in list(self._nodes.values()))

    def lose(self, node: Node) -> None:
        """Take a node out; if it is still there it comes back with a new actor."""
        with self._lock:
            if node.lost or self._closed:
                return
            node.lost = True
            self._nodes.pop(node.key, None)
        _log.warning("node %s is lost to the sandbox, with %d slots", node.address, node.workers)
        self.slots.remove_lost()
        node.close()
        self._wake.set()

    def close(self) -> None:
        """End all actors and programs. A second call does nothing."""
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
        while True:
            self._wake.wait(SCAN_INTERVAL_SECONDS)
            self._wake.clear()
            if self._closed:
                return
            try:
                self._scan()
            except Exception:  # Whatever it is, the next look may fare better.
                _log.warning("could not list the nodes of the Ray cluster", exc_info=True)

    def _scan(self) -> None:
        """See which nodes there are; begin to start actors on new ones."""
        if not ray.is_initialized():
            return
        there = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        for node in list(self._nodes.values()):
            if node.key not in there:
                self.lose(node)
        self.lose_the_dead()
        processors = {key: int(node["Resources"].get("CPU", 0)) for key, node in there.items()}
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
                node = Node(key, there[key]["NodeManagerAddress"], workers, self._settings)
                thread = threading.Thread(target=self._start, args=(node,), name="ray-start", daemon=True)
                self._starting[key] = (node, thread)
                thread.start()
        self._update_no_node()

    def lose_the_dead(self) -> None:
        """Take out nodes whose actors died while nothing ran on them, before a program comes to one."""
        signs = {node.ping(): node for node in list(self._nodes.values())}  # Others come and go meanwhile.
        if not signs:
            return
        ended, _ = ray.wait(list(signs), num_returns=len(signs), timeout=_HEARTBEAT_TIMEOUT_SECONDS)
        for sign in ended:
            try:
                ray.get(sign)
            except RayTaskError:
                pass  # It lives.
            except RayError:
                self.lose(signs[sign])

    def _start(self, node: Node) -> None:
        """Wait until a node's actor is ready, and let programs go there; or note why it is not."""
        wait = _RETRY_AFTER_SECONDS
        try:
            answer = node.call({"call": "hello"}, _STARTUP_TIMEOUT_SECONDS)
            why = f"node {node.address}: {answer['fault']}" if "fault" in answer else None
        except WorkerLostError as error:
            wait, why = SCAN_INTERVAL_SECONDS, str(error)  # An accident, as far as anyone knows.
        except SandboxUnavailableError as error:
            why = str(error)
        with self._lock:
            del self._starting[node.key]
            if why is None and not self._closed:
                node.isolation = answer["value"]["isolation"]
                self._nodes[node.key] = node
            else:
                self._refused[node.key] = (time.monotonic() + wait, why or "the sandbox is closed")
        if node.key in self._nodes:
            self.slots.add(node, node.workers)
        else:
            if not self._closed:
                _log.warning("a node does not serve: %s", why)
            node.close()
        self._update_no_node()

    def _update_no_node(self) -> None:
        """While no node serves and none is about to, programs are turned away rather than kept waiting."""
        with self._lock:
            no_node = self._no_node
            if self._nodes and no_node is not None:
                no_node.close()
                self._no_node = None
            elif not self._nodes and not self._starting and no_node is None and not self._closed:
                self._no_node = NoNode(self._why_no_node())
                self.slots.add(self._no_node, 1)
            else:
                return
        self.slots.remove_lost()

    def _why_no_node(self) -> str:
        reasons = "; ".join(why for _, why in self._refused.values()) or "none that is alive has processors"
        return (
            f"no node of the Ray cluster can run programs: {reasons}. Mend that, or join a node to it "
            f"(ray start --address ...); it is found within {SCAN_INTERVAL_SECONDS:.0f} seconds"
        )


def shares(processors: dict[str, int], workers: int | None) -> dict[str, int]:
    """How many slots each node gets: one a processor, or its part of `workers`. Nodes without any are left out."""
    if workers is None or not processors:
        return dict(processors)
    parts = dict.fromkeys(processors, 0)
    for _ in range(workers):
        parts[min(parts, key=lambda key: parts[key] / processors[key])] += 1
    return {key: part for key, part in parts.items() if part}
