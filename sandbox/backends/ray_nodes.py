"""The nodes of a Ray cluster as workers for programs: which there are, what runs on them, and who goes where."""

from __future__ import annotations

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

SHUTDOWN_TIMEOUT_SECONDS = 8.0  # for the sandboxes to end in order; then their processes are killed
_CANCEL_POLL_SECONDS = 0.05  # between two looks at whether a run was cancelled

_log = logging.getLogger(__name__)


class SandboxActor:
    """What runs on a node: a sandbox, and the worker that answers out of it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._fault = ""
        try:
            self._sandbox = LocalSandbox(**settings)
            self._worker = Worker(self._sandbox)
        except SandboxUnavailableError as error:
            self._fault = str(error)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        return {"fault": self._fault} if self._fault else self._worker.answer(request)

    def close(self) -> None:
        """End all programs."""
        if not self._fault:
            self._sandbox.close()


class Node(RemoteWorker):
    """A node with its actor: the worker of all its slots at once."""

    def __init__(self, key: str, address: str, workers: int, settings: dict[str, Any]) -> None:
        self.key = key
        """Ray's id of the node."""
        self.address = address
        """For messages."""
        self.workers = workers
        """How many slots it has."""
        self.isolation: Isolation = "limits"
        self.lost = False
        """Whether it is not to be used any more."""
        self._numbers = itertools.count(1)
        self._actor = (
            ray.remote(SandboxActor)
            .options(
                num_cpus=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(key, soft=False),
                # One more, so that runs can be cancelled, and it can be closed, while it is busy.
                max_concurrency=workers + 1,
                # An actor that Ray starts anew has the name of the old one but none of its sessions.
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
        """The answer to a request that may be cancelled: then its run is ended there, and no other one."""
        number = next(self._numbers)
        answer = self._actor.answer.remote({**request, "number": number})
        deadline = time.monotonic() + timeout
        cancel_sent = False
        while not ray.wait([answer], timeout=_CANCEL_POLL_SECONDS)[0] and time.monotonic() < deadline:
            _check_connection()
            if cancellation.cancelled:
                # More than once, as the run may not have begun there.
                self._actor.answer.remote({"call": "cancel", "number": number})
                deadline = deadline if cancel_sent else min(deadline, time.monotonic() + SHUTDOWN_TIMEOUT_SECONDS)
                cancel_sent = True
        return ray.get(answer, timeout=max(0.0, deadline - time.monotonic()))

    def ping(self) -> Any:
        """A sign of life from the actor; what `ray.wait` can wait for."""
        return self._actor.answer.remote({"call": "hello"})

    def end(self) -> Any:
        """Ask the actor to end its programs; what `ray.wait` can wait for."""
        return self._actor.close.remote()

    def close(self) -> None:
        self.lost = True
        if ray.is_initialized():
            with contextlib.suppress(RayError, ValueError):
                ray.kill(self._actor)


def _check_connection() -> None:
    """Raise SandboxUnavailableError where there is none: Ray would connect anew by itself, and to something else."""
    if not ray.is_initialized():
        raise SandboxUnavailableError("ray was shut down under the sandbox; close the sandbox first")


class NoNode(RemoteWorker):
    """The worker that programs come to while there is no node for them."""

    def __init__(self, why: str) -> None:
        self.lost = False
        self._why = why

    def call(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        raise SandboxUnavailableError(self._why)

    def close(self) -> None:
        self.lost = True


class NodeSemaphore(FairSemaphore[WorkerSlot]):
    """The slots of all nodes. Whose turn it is gets one on the node that has most of them free."""

    def add(self, worker: Node | NoNode, number: int) -> None:
        """More slots."""
        with self._lock:
            self._free.extend(WorkerSlot(worker) for _ in range(number))
            self._dispatch()

    def remove_lost(self) -> None:
        """Take out the slots of lost workers; those who waited for one may go elsewhere now."""
        with self._lock:
            self._dispatch()

    def _dispatch(self) -> None:
        # Numbered within their node, the highest first: the next is always on the node with most free slots left.
        numbered: list[tuple[int, WorkerSlot]] = []
        seen: Counter[int] = Counter()
        for slot in self._free:
            if isinstance(slot.worker, Node | NoNode) and not slot.worker.lost:
                seen[id(slot.worker)] += 1
                numbered.append((seen[id(slot.worker)], slot))
        numbered.sort(key=lambda item: -item[0])
        self._free = deque(slot for _, slot in numbered)
        super()._dispatch()


def _last_line(error: RayError) -> str:
    """What happened, of the page that Ray writes about it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else 'no reason given'}"
