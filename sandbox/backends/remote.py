"""Sandboxes that run elsewhere: slots for workers, each with a `sandbox.backends.worker.Worker` at the other end.

A backend says how a worker is opened, called and closed (`RemoteWorker`); this module shares the slots out, runs again
on another worker what was under way when one was lost, and keeps the history of sessions so that they survive such a
loss. A worker whose program was cancelled is given up, unless it can end the program alone.
"""

from __future__ import annotations

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
"""Seconds past all deadlines of a request after which its worker counts as lost."""


class WorkerLostError(Exception):
    """A worker died or does not answer, through no fault of the request as far as anyone knows."""


class RemoteWorker(ABC):
    """One worker somewhere, for one request at a time."""

    @abstractmethod
    def call(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        """The worker's answer to `request`. Raises WorkerLostError when there is none within `timeout` seconds.

        cancellation: what ends the call at once, with WorkerLostError if the worker is of no more use then, or with its
            answer that the run was cancelled.
        """

    @abstractmethod
    def close(self) -> None:
        """End the worker and what it stands on, also one that was lost. Never raises."""


@dataclass(slots=True, eq=False)
class WorkerSlot:
    """A slot for a worker; the worker in it may die and be replaced."""

    worker: RemoteWorker | None = None
    generation: int = 0
    """How many workers there were in this slot: a session belongs to one of them."""
    filling: threading.Lock = field(default_factory=threading.Lock)
    """Held while a worker is opened for it, also on behalf of one who was cancelled meanwhile."""


class RemoteSandbox(Sandbox):
    """Programs in remote workers. Backends derive from it, and hand over how to open one."""

    def __init__(
        self,
        *,
        backend: str,
        open_worker: Callable[[], RemoteWorker],
        workers: int,
        minimum_isolation: Isolation,
        limits: Limits,
    ) -> None:
        """Open the first worker; the others are opened when they are needed.

        open_worker: raises SandboxUnavailableError where there can't be one, with the way out. Its own retries are over
            by then.
        Raises SandboxUnavailableError where workers reach less than `minimum_isolation`.
        """
        self.backend = backend
        self.workers = workers
        self.limits = limits
        self._open_worker = open_worker
        self._lock = threading.Lock()
        self._closed = False
        self._all_slots = [WorkerSlot() for _ in range(workers)]
        self.slots = FairSemaphore(self._all_slots)
        hello = self._hello(self._all_slots[0])
        self.isolation: Isolation = hello["isolation"]
        self.missing = tuple(hello["missing"])
        self.resource_control = str(hello.get("resource_control", ""))
        if ISOLATION_LEVELS.index(self.isolation) > ISOLATION_LEVELS.index(minimum_isolation):
            self.close()
            raise SandboxUnavailableError(
                too_little_isolation(backend, self.isolation, minimum_isolation, self.missing)
            )

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        request = {"call": "run", "program": program.to_dict()}
        reasons = []
        for _ in range(2):
            with self.slots.acquire(cancellation=cancellation) as slot:
                try:
                    return self.execution(self.call(slot, request, program.limits.seconds, cancellation), program)
                except WorkerLostError as error:
                    # Not the program's fault, as far as anyone knows: it gets one more try.
                    reasons.append(str(error))
                    self.drop(slot)
        raise_if_cancelled(cancellation)
        raise SandboxUnavailableError(f"{self.backend} was lost twice under this program: {'; '.join(reasons)}")

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
        """The workers that are open now."""
        return [slot.worker for slot in self._all_slots if slot.worker is not None]

    def call(
        self,
        slot: WorkerSlot,
        request: dict[str, Any],
        seconds: float = 0.0,
        cancellation: Cancellation | None = None,
    ) -> Any:
        """What the worker in `slot` answers. Raises WorkerLostError, or SandboxUnavailableError for a fault there.

        seconds: that programs may run for this request.
        cancellation: what ends it, with RunCancelledError, or with WorkerLostError where that took the worker.
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
        """Give up the worker in `slot`; the next who comes gets a new one there."""
        worker, slot.worker = slot.worker, None
        if worker is not None:
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
                slot.generation += 1
                closed = self._closed
            if closed:  # While it was being opened.
                worker.close()
                raise SandboxUnavailableError("the sandbox is closed")
            return worker

    def _hello(self, slot: WorkerSlot) -> dict[str, Any]:
        try:
            return dict(self.call(slot, {"call": "hello"}))
        except WorkerLostError as error:
            self.close()
            raise SandboxUnavailableError(f"{self.backend} did not start: {error}") from None
        except SandboxUnavailableError:
            self.close()
            raise

    def execution(self, value: dict[str, Any], program: Program) -> Execution:
        """The Execution that a worker reported, as one of this sandbox. Raises WorkerLostError if it is not one."""
        try:
            execution = Execution.from_dict(value)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise WorkerLostError(f"what the worker answered is not an execution: {error}") from None
        return dataclasses.replace(execution, backend=self.backend, isolation=self.isolation, code=program.code)


class RemoteSession(Session):
    """A session in a worker; made anew in another one, block by block, should that worker be lost."""

    def __init__(self, sandbox: RemoteSandbox, limits: Limits) -> None:
        super().__init__(limits)
        self._sandbox = sandbox
        self._location: tuple[WorkerSlot, int] | None = None
        """The slot, and the generation of the worker in it, where the session lives."""
        self._number = 0

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        reasons = []
        for _ in range(2):
            with self._sandbox.slots.acquire(self._accepts, cancellation=cancellation) as slot:
                try:
                    replayed = self._ensure_open(slot, cancellation)
                    request = {"call": "block", "session": self._number, "program": program.to_dict()}
                    # Over there earlier blocks may have to run again first.
                    seconds = program.limits.seconds + sum(
                        block.limits.seconds for block, kept in self._history if kept
                    )
                    value = self._sandbox.call(slot, request, seconds, cancellation)
                except WorkerLostError as error:
                    reasons.append(str(error))
                    self._location = None
                    self._sandbox.drop(slot)
                    continue
            execution = self._sandbox.execution(value, program)
            self._history.append((program, execution.status == "ok"))
            return dataclasses.replace(execution, replayed=execution.replayed + replayed)
        raise_if_cancelled(cancellation)
        raise SandboxUnavailableError(f"{self._sandbox.backend} was lost twice under this block: {'; '.join(reasons)}")

    def _restore(self, block: int) -> None:
        if self._location is None:
            return
        with self._sandbox.slots.acquire(self._accepts) as slot:
            try:
                if self._is_current(slot):
                    self._sandbox.call(slot, {"call": "rewind", "session": self._number, "block": block})
            except WorkerLostError:
                self._location = None
                self._sandbox.drop(slot)

    def close(self) -> None:
        if self._location is None:
            return
        # With the worker the session is gone anyway.
        with (
            contextlib.suppress(WorkerLostError, SandboxUnavailableError),
            self._sandbox.slots.acquire(self._accepts) as slot,
        ):
            if self._is_current(slot):
                self._sandbox.call(slot, {"call": "close", "session": self._number})
        self._location = None

    def _accepts(self, slot: WorkerSlot) -> bool:
        return self._location is None or self._location[0] is slot

    def _is_current(self, slot: WorkerSlot) -> bool:
        return self._location is not None and slot.worker is not None and self._location == (slot, slot.generation)

    def _ensure_open(self, slot: WorkerSlot, cancellation: Cancellation | None) -> int:
        """Make the session live in `slot`, its state as it should be; how many blocks had to run for that."""
        if self._is_current(slot):
            return 0
        opening = {"call": "open", "limits": self.limits.to_dict()}
        self._number = self._sandbox.call(slot, opening, cancellation=cancellation)
        try:
            self._replay(slot, cancellation)
        except RunCancelledError:
            # What was made anew so far would be left there.
            self._sandbox.call(slot, {"call": "close", "session": self._number})
            raise
        self._location = (slot, slot.generation)
        return sum(kept for _, kept in self._history)

    def _replay(self, slot: WorkerSlot, cancellation: Cancellation | None) -> None:
        """Run the history again."""
        for number, (program, kept) in enumerate(self._history, 1):
            # A failed block changed nothing; it only takes up its number.
            again = program if kept else dataclasses.replace(program, code="raise SystemExit(1)", files={})
            request = {"call": "block", "session": self._number, "program": again.to_dict()}
            value = self._sandbox.call(slot, request, again.limits.seconds, cancellation)
            if (value["status"] == "ok") != kept:
                raise SandboxUnavailableError(
                    f"the session was lost, and its block {number} did not run again as it had: {value['status']}"
                )
