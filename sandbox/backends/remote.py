"""Sandboxes on remote workers: slots, each with a `sandbox.backends.worker.Worker` at the other end.

A backend defines how a worker is opened, called and closed (`RemoteWorker`). This module assigns slots, retries on
another worker if one is lost, and keeps the history of sessions to replay them after such a loss. A worker whose
program is cancelled is dropped, unless it can end the program alone.
"""

import contextlib
import dataclasses
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from storm_calm.sandbox.backends.fair_semaphore import FairSemaphore
from storm_calm.sandbox.base import Limits, Program, Sandbox, Session, too_little_isolation
from storm_calm.sandbox.cancellation import Cancellation, RunCancelledError, raise_if_cancelled, run_abandonable
from storm_calm.sandbox.execution import ISOLATION_LEVELS, Execution, Isolation, SandboxUnavailableError

GRACE_SECONDS = 15.0
"""Seconds after the deadline of a request before its worker counts as lost."""


class WorkerLostError(Exception):
    """A worker died or does not answer. The request is not known to be the cause."""


class RemoteWorker(ABC):
    """A worker that handles one request at a time."""

    lost = False
    """Whether it was dropped, and its sessions with it."""

    @abstractmethod
    def call(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        """Return the worker's answer to `request`. Raises WorkerLostError after `timeout` seconds.

        Cancellation ends the call at once: with WorkerLostError if the worker has to be dropped, otherwise with the
        answer that the run was cancelled.
        """

    @abstractmethod
    def close(self) -> None:
        """End the worker and its resources, also after a loss. Never raises."""


@dataclass(slots=True, eq=False)
class WorkerSlot:
    """A slot for a worker, which is replaced if it is lost."""

    worker: RemoteWorker | None = None
    filling: threading.Lock = field(default_factory=threading.Lock)
    """Held while a worker is opened, also if the caller is cancelled meanwhile."""


class RemoteSandbox(Sandbox):
    """The base class of sandboxes with remote workers."""

    def __init__(
        self,
        *,
        backend: str,
        open_worker: Callable[[], RemoteWorker],
        workers: int,
        minimum_isolation: Isolation,
        limits: Limits,
    ) -> None:
        """Open the first worker. Raises SandboxUnavailableError if it does not reach `minimum_isolation`."""
        self.backend = backend
        self.workers = workers
        self.limits = limits
        self._open_worker = open_worker
        self._lock = threading.Lock()
        self._closed = False
        self._all_slots = [WorkerSlot() for _ in range(workers)]
        self.slots = FairSemaphore(self._all_slots)
        try:
            hello = self._hello(self._all_slots[0])
            self.isolation: Isolation = hello["isolation"]
            self.missing = tuple(hello["missing"])
            self.resource_control = str(hello.get("resource_control", ""))
            if ISOLATION_LEVELS.index(self.isolation) > ISOLATION_LEVELS.index(minimum_isolation):
                raise SandboxUnavailableError(
                    too_little_isolation(backend, self.isolation, minimum_isolation, self.missing)
                )
        except BaseException:
            self.close()
            raise

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        request = {"call": "run", "program": program.to_dict()}

        def attempt(slot: WorkerSlot) -> Execution:
            return self.execution(self.call(slot, request, program.limits.seconds, cancellation), program)

        return self.run_in_slot(attempt, cancellation=cancellation)

    def run_in_slot(
        self,
        attempt: Callable[[WorkerSlot], Execution],
        accepts: Callable[[WorkerSlot], bool] = lambda slot: True,
        *,
        cancellation: Cancellation | None,
    ) -> Execution:
        """Return the result of `attempt` in a free slot; retry once if the slot's worker is lost."""
        reasons = []
        for _ in range(2):
            with self.slots.acquire(accepts, cancellation=cancellation) as slot:
                try:
                    return attempt(slot)
                except WorkerLostError as error:
                    reasons.append(str(error))
                    self.drop(slot)
        raise_if_cancelled(cancellation)
        raise SandboxUnavailableError(f"the {self.backend} worker was lost twice in this run: {'; '.join(reasons)}")

    def session(self, *, limits: Limits | None = None) -> Session:
        return RemoteSession(self, limits or self.limits)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            workers = self.open_workers
        self.slots.close()
        for worker in workers:
            worker.close()

    @property
    def open_workers(self) -> list[RemoteWorker]:
        return [slot.worker for slot in self._all_slots if slot.worker is not None]

    def call(
        self, slot: WorkerSlot, request: dict[str, Any], seconds: float = 0.0, cancellation: Cancellation | None = None
    ) -> Any:
        """Return the answer of the worker in `slot`; open a worker first if necessary.

        seconds: the time limit of all programs of this request.
        Raises WorkerLostError, RunCancelledError, or SandboxUnavailableError for a fault of the worker's sandbox.
        """
        worker = slot.worker or run_abandonable(lambda: self._open_in(slot), cancellation)
        answer = worker.call(request, seconds + GRACE_SECONDS, cancellation)
        if "cancelled" in answer:
            raise RunCancelledError("the run was cancelled")
        if "fault" in answer:
            raise SandboxUnavailableError(answer["fault"])
        if "lost" in answer:
            raise WorkerLostError(answer["lost"])
        return answer["value"]

    def drop(self, slot: WorkerSlot) -> None:
        """Close the worker in `slot`; the slot's next user opens a new one."""
        worker, slot.worker = slot.worker, None
        if worker is not None:
            worker.lost = True
            worker.close()

    def _open_in(self, slot: WorkerSlot) -> RemoteWorker:
        with slot.filling:
            if slot.worker is not None:
                return slot.worker
            if self._closed:
                raise SandboxUnavailableError("the sandbox is closed")
            worker = self._open_worker()
            with self._lock:
                slot.worker = worker
                if not self._closed:
                    return worker
            worker.close()
            raise SandboxUnavailableError("the sandbox is closed")

    def _hello(self, slot: WorkerSlot) -> dict[str, Any]:
        try:
            return dict(self.call(slot, {"call": "hello"}))
        except WorkerLostError as error:
            raise SandboxUnavailableError(f"{self.backend} did not start: {error}") from None

    def execution(self, value: dict[str, Any], program: Program) -> Execution:
        """Parse the Execution that a worker reported. Raises WorkerLostError if it is invalid."""
        try:
            execution = Execution.from_dict(value)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise WorkerLostError(f"the worker's answer is not a valid execution: {error}") from None
        return dataclasses.replace(execution, backend=self.backend, isolation=self.isolation, code=program.code)


class RemoteSession(Session):
    """A session in a worker; if the worker is lost, all blocks run again in another one."""

    def __init__(self, sandbox: RemoteSandbox, limits: Limits) -> None:
        super().__init__(limits)
        self._sandbox = sandbox
        self._worker: RemoteWorker | None = None
        self._number = 0

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        # The worker may have to run earlier blocks again.
        seconds = program.limits.seconds + sum(block.limits.seconds for block, kept in self._history if kept)

        def attempt(slot: WorkerSlot) -> Execution:
            replayed = self._ensure_open(slot, cancellation)
            request = {"call": "block", "session": self._number, "program": program.to_dict()}
            execution = self._sandbox.execution(self._sandbox.call(slot, request, seconds, cancellation), program)
            return dataclasses.replace(execution, replayed=execution.replayed + replayed)

        execution = self._sandbox.run_in_slot(attempt, self._accepts, cancellation=cancellation)
        self._history.append((program, execution.status == "ok"))
        return execution

    def _restore(self, block: int) -> None:
        if not self._is_open():
            return
        with self._sandbox.slots.acquire(self._accepts) as slot:
            try:
                if self._is_open():
                    self._sandbox.call(slot, {"call": "rewind", "session": self._number, "block": block})
            except WorkerLostError:
                self._sandbox.drop(slot)

    def close(self) -> None:
        if not self._is_open():
            return
        with (
            contextlib.suppress(WorkerLostError, SandboxUnavailableError),
            self._sandbox.slots.acquire(self._accepts) as slot,
        ):
            if self._is_open():
                self._sandbox.call(slot, {"call": "close", "session": self._number})
        self._worker = None

    def _is_open(self) -> bool:
        """Return whether the session was opened in a worker that is not lost."""
        return self._worker is not None and not self._worker.lost

    def _accepts(self, slot: WorkerSlot) -> bool:
        return not self._is_open() or slot.worker is self._worker

    def _ensure_open(self, slot: WorkerSlot, cancellation: Cancellation | None) -> int:
        """Open the session in `slot` unless it is open; return the number of blocks replayed for that."""
        if self._is_open():
            return 0
        opening = {"call": "open", "limits": self.limits.to_dict()}
        self._number = self._sandbox.call(slot, opening, cancellation=cancellation)
        try:
            self._replay(slot, cancellation)
        except RunCancelledError:
            self._sandbox.call(slot, {"call": "close", "session": self._number})
            raise
        self._worker = slot.worker
        return sum(kept for _, kept in self._history)

    def _replay(self, slot: WorkerSlot, cancellation: Cancellation | None) -> None:
        """Run all blocks again."""
        for number, (program, kept) in enumerate(self._history, 1):
            # A failed block changed nothing and only takes up its number.
            block = program if kept else dataclasses.replace(program, code="raise SystemExit(1)", files={})
            request = {"call": "block", "session": self._number, "program": block.to_dict()}
            status = self._sandbox.call(slot, request, block.limits.seconds, cancellation)["status"]
            if (status == "ok") != kept:
                raise SandboxUnavailableError(
                    f"the session was lost, and block {number} ended with another status when it ran again: {status}"
                )
