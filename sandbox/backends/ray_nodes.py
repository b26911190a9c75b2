"""The nodes of a Ray cluster as remote workers, and the assignment of programs to them."""

import contextlib
import itertools
import logging
import time
from collections import Counter, deque
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from storm_calm.sandbox.backends.fair_semaphore import FairSemaphore
from storm_calm.sandbox.backends.local import LocalSandbox
from storm_calm.sandbox.backends.remote import RemoteWorker, WorkerLostError, WorkerSlot
from storm_calm.sandbox.backends.worker import Worker
from storm_calm.sandbox.cancellation import Cancellation
from storm_calm.sandbox.execution import Isolation, SandboxUnavailableError

SHUTDOWN_TIMEOUT_SECONDS = 8.0  # for the sandboxes to close; after that their processes are killed
_CANCEL_POLL_SECONDS = 0.05

_log = logging.getLogger(__name__)


class SandboxActor:
    """The actor on a node: a sandbox and its worker."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._fault = ""
        try:
            self._sandbox = LocalSandbox(**settings)
            self._worker = Worker(self._sandbox)
        except SandboxUnavailableError as error:
            self._fault = str(error)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"fault": self._fault} if self._fault else self._worker.answer(request)

    def close(self) -> None:
        if not self._fault:
            self._sandbox.close()


class Node(RemoteWorker):
    """A node with its actor, the worker of all its slots."""

    def __init__(self, key: str, address: str, workers: int, settings: dict[str, Any]) -> None:
        """key: Ray's id of the node. workers: number of slots."""
        self.key = key
        self.address = address
        self.workers = workers
        self.isolation: Isolation = "limits"
        self._numbers = itertools.count(1)
        self._actor = (
            ray.remote(SandboxActor)
            .options(
                num_cpus=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(key, soft=False),
                max_concurrency=workers + 1,  # One more, to cancel runs and to close it while it is busy.
                # A restarted actor would have lost the sessions.
                max_restarts=0,
                max_task_retries=0,
            )
            .remote({**settings, "workers": workers})
        )

    def call(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        if self.lost:
            raise WorkerLostError(f"node {self.address} is lost")
        _check_connection()
        try:
            if cancellation is None:
                return dict(ray.get(self._actor.answer.remote(request), timeout=timeout))
            return dict(self._cancellable(request, timeout, cancellation))
        except RayTaskError as error:
            raise SandboxUnavailableError(f"the sandbox on node {self.address} failed: {error.cause!r}") from None
        except RayError as error:
            raise WorkerLostError(f"node {self.address}: {_last_line(error)}") from None

    def _cancellable(self, request: dict[str, Any], timeout: float, cancellation: Cancellation) -> Any:
        """Return the answer to a request; on cancellation, ask the node to end only this run."""
        number = next(self._numbers)
        answer = self._actor.answer.remote({**request, "number": number})
        deadline = time.monotonic() + timeout
        cancel_sent = False
        while not ray.wait([answer], timeout=_CANCEL_POLL_SECONDS)[0] and time.monotonic() < deadline:
            _check_connection()
            if cancellation.cancelled:
                # Repeated, as the run may not have started there.
                self._actor.answer.remote({"call": "cancel", "number": number})
                deadline = deadline if cancel_sent else min(deadline, time.monotonic() + SHUTDOWN_TIMEOUT_SECONDS)
                cancel_sent = True
        return ray.get(answer, timeout=max(0.0, deadline - time.monotonic()))

    def ping(self) -> Any:
        """Return a reference to an answer of the actor, for `ray.wait`."""
        return self._actor.answer.remote({"call": "hello"})

    def end(self) -> Any:
        """Ask the actor to end its programs; return a reference for `ray.wait`."""
        return self._actor.close.remote()

    def close(self) -> None:
        self.lost = True
        if ray.is_initialized():
            with contextlib.suppress(RayError, ValueError):
                ray.kill(self._actor)


def _check_connection() -> None:
    """Raise SandboxUnavailableError without a connection; Ray would connect automatically, to another cluster."""
    if not ray.is_initialized():
        raise SandboxUnavailableError("ray was shut down while the sandbox was open; close the sandbox first")


class NodeSemaphore(FairSemaphore[WorkerSlot]):
    """The slots of all nodes. A caller gets a slot on the node with the most free ones."""

    def add(self, node: Node, number: int) -> None:
        with self._lock:
            self._free.extend(WorkerSlot(node) for _ in range(number))
            self._dispatch()

    def remove_lost(self) -> None:
        """Remove the slots of lost nodes; callers that wait for one may get another."""
        with self._lock:
            self._dispatch()

    def _dispatch(self) -> None:
        # Number the slots within each node and sort in descending order: the next is on the node with the most free.
        numbered: list[tuple[int, WorkerSlot]] = []
        seen: Counter[int] = Counter()
        for slot in self._free:
            if isinstance(slot.worker, Node) and not slot.worker.lost:
                seen[id(slot.worker)] += 1
                numbered.append((seen[id(slot.worker)], slot))
        numbered.sort(key=lambda item: -item[0])
        self._free = deque(slot for _, slot in numbered)
        super()._dispatch()


def _last_line(error: RayError) -> str:
    """Return the last line of Ray's long error message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else 'no reason given'}"
