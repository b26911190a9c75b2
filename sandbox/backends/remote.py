"""What all sandboxes have in common that run elsewhere: slots, each with a `sandbox.backends.worker.Worker` in it.

A backend says how a slot is opened, called and closed (`Slot`); this module shares the slots out, repeats on another
one what was under way when a slot was lost, and keeps the history of sessions so that they survive such a loss. A slot
whose program was cancelled is given up, unless its worker can end the program alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from storm_calm.sandbox.backends.fair_semaphore import Places
from storm_calm.sandbox.base import Limits, Program, Sandbox, Session
from storm_calm.sandbox.cancellation import Cancellation, RunCancelledError, abandonable, check
from storm_calm.sandbox.execution import ISOLATION_LEVELS, Execution, Isolation, SandboxUnavailableError

GRACE = 15.0
"""Seconds past all deadlines of a request after which its slot counts as lost."""


class SlotLostError(Exception):
    """A slot died or does not answer, through no fault of the request as far as anyone knows."""


class Slot(ABC):
    """One worker somewhere, for one request at a time."""

    @abstractmethod
    def call(
        self, request: dict[str, Any], patience: float, cancellation: Cancellation | None = None
    ) -> dict[str, Any]:
        """The worker's answer to `request`. Raises SlotLostError when there is none within `patience` seconds.

        cancellation: what ends the call at once, with SlotLostError where the slot is of no more use then, or with the
            worker's answer that the run was cancelled.
        """

    @abstractmethod
    def close(self) -> None:
        """End the worker and what it stands on, also one that was lost. Never raises."""


@dataclass(slots=True, eq=False)
class Place:
    """A place for a slot; the slot in it may die and be replaced."""

    slot: Slot | None = None
    generation: int = 0
    """How many slots there were in this place: a session belongs to one of them."""
    filling: threading.Lock = field(default_factory=threading.Lock)
    """Held while a slot is opened for it, also on behalf of one who was cancelled meanwhile."""


class RemoteSandbox(Sandbox):
    """Programs in slots. Backends derive from it, and hand over how to open one."""

    def __init__(
        self,
        *,
        backend: str,
        open_slot: Callable[[], Slot],
        workers: int,
        minimum_isolation: Isolation,
        limits: Limits,
    ) -> None:
        """Open the first slot; the others are opened when they are needed.

        open_slot: raises SandboxUnavailableError where there can't be one, with the way out. Its own retries are over
            by then.
        Raises SandboxUnavailableError where slots reach less than `minimum_isolation`.
        """
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ValueError(f"workers is {workers!r}; give a whole number of at least 1")
        self.backend = backend
        self.workers = workers
        self.limits = limits
        self._open_slot = open_slot
        self._lock = threading.Lock()
        self._closed = False
        self._all = [Place() for _ in range(workers)]
        self.places = Places(self._all)
        hello = self._hello(self._all[0])
        self.isolation: Isolation = hello["isolation"]
        self.missing = tuple(hello["missing"])
        self.resource_control = str(hello.get("resource_control", ""))
        if ISOLATION_LEVELS.index(self.isolation) > ISOLATION_LEVELS.index(minimum_isolation):
            self.close()
            raise SandboxUnavailableError(
                f"{backend} gives isolation level {self.isolation!r}, below minimum_isolation {minimum_isolation!r}: "
                f"{'; '.join(self.missing)}. "
                f"Mend that, or pass minimum_isolation={self.isolation!r} if you trust the programs that far"
            )

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        request = {"call": "run", "program": program.to_dict()}
        reasons = []
        for _ in range(2):
            with self.places.take(cancellation=cancellation) as place:
                try:
                    return self.execution(self.call(place, request, program.limits.seconds, cancellation), program)
                except SlotLostError as error:
                    # Not the program's fault, as far as anyone knows: it gets one more try.
                    reasons.append(str(error))
                    self.drop(place)
        check(cancellation)
        raise SandboxUnavailableError(f"{self.backend} was lost twice under this program: {'; '.join(reasons)}")

    def session(self, *, limits: Limits | None = None) -> Session:
        return RemoteSession(self, limits or self.limits)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            slots = [place.slot for place in self._all if place.slot is not None]
        self.places.close()
        for slot in slots:
            slot.close()

    def call(
        self,
        place: Place,
        request: dict[str, Any],
        seconds: float = 0.0,
        cancellation: Cancellation | None = None,
    ) -> Any:
        """What the worker in `place` answers. Raises SlotLostError, or SandboxUnavailableError for a fault there.

        seconds: that programs may run for this request.
        cancellation: what ends it, with RunCancelledError, or with SlotLostError where that took the slot.
        """
        slot = place.slot or abandonable(lambda: self._fill(place), cancellation)
        answer = slot.call(request, seconds + GRACE, cancellation)
        if "cancelled" in answer:
            raise RunCancelledError("the run was cancelled")
        if "fault" in answer:
            raise SandboxUnavailableError(answer["fault"])
        if "lost" in answer:
            raise SlotLostError(answer["lost"])
        return answer["value"]

    def drop(self, place: Place) -> None:
        """Give up the slot in `place`; the next who comes gets a new one there."""
        slot, place.slot = place.slot, None
        if slot is not None:
            slot.close()

    def _fill(self, place: Place) -> Slot:
        with place.filling:
            if place.slot is not None:
                return place.slot
            if self._closed:
                raise SandboxUnavailableError("the sandbox is closed")
            slot = self._open_slot()
            with self._lock:
                place.slot = slot
                place.generation += 1
                closed = self._closed
            if closed:  # While it was being opened.
                slot.close()
                raise SandboxUnavailableError("the sandbox is closed")
            return slot

    def _hello(self, place: Place) -> dict[str, Any]:
        try:
            return dict(self.call(place, {"call": "hello"}))
        except SlotLostError as error:
            self.close()
            raise SandboxUnavailableError(f"{self.backend} did not start: {error}") from None
        except SandboxUnavailableError:
            self.close()
            raise

    def execution(self, value: dict[str, Any], program: Program) -> Execution:
        """The Execution that a worker reported, as one of this sandbox. Raises SlotLostError if it is not one."""
        try:
            execution = Execution.from_dict(value)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise SlotLostError(f"what the worker answered is not an execution: {error}") from None
        return dataclasses.replace(execution, backend=self.backend, isolation=self.isolation, code=program.code)


class RemoteSession(Session):
    """A session in a slot; made anew in another one, block by block, should that slot be lost."""

    def __init__(self, sandbox: RemoteSandbox, limits: Limits) -> None:
        self.limits = limits
        self._sandbox = sandbox
        self._history: list[tuple[Program, bool]] = []
        """Each block, and whether it ended well and so is part of the state."""
        self._home: tuple[Place, int] | None = None
        """The place, and the generation of the slot in it, where the session lives."""
        self._number = 0

    @property
    def blocks(self) -> int:  # type: ignore[override]
        """How many blocks ran, the failed ones included."""
        return len(self._history)

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        reasons = []
        for _ in range(2):
            with self._sandbox.places.take(self._accepts, cancellation=cancellation) as place:
                try:
                    replayed = self._settle(place, cancellation)
                    request = {"call": "block", "session": self._number, "program": program.to_dict()}
                    # Over there earlier blocks may have to run again first.
                    seconds = program.limits.seconds + sum(
                        block.limits.seconds for block, kept in self._history if kept
                    )
                    value = self._sandbox.call(place, request, seconds, cancellation)
                except SlotLostError as error:
                    reasons.append(str(error))
                    self._home = None
                    self._sandbox.drop(place)
                    continue
            execution = self._sandbox.execution(value, program)
            self._history.append((program, execution.status == "ok"))
            return dataclasses.replace(execution, replayed=execution.replayed + replayed)
        check(cancellation)
        raise SandboxUnavailableError(f"{self._sandbox.backend} was lost twice under this block: {'; '.join(reasons)}")

    def rewind(self, block: int) -> None:
        if not 0 <= block <= self.blocks:
            raise ValueError(f"block is {block!r}; there are blocks 0 to {self.blocks}")
        del self._history[block:]
        if self._home is None:
            return
        with self._sandbox.places.take(self._accepts) as place:
            try:
                if self._alive(place):
                    self._sandbox.call(place, {"call": "rewind", "session": self._number, "block": block})
            except SlotLostError:
                self._home = None
                self._sandbox.drop(place)

    def close(self) -> None:
        if self._home is None:
            return
        # With the slot the session is gone anyway.
        with (
            contextlib.suppress(SlotLostError, SandboxUnavailableError),
            self._sandbox.places.take(self._accepts) as place,
        ):
            if self._alive(place):
                self._sandbox.call(place, {"call": "close", "session": self._number})
        self._home = None

    def _accepts(self, place: Place) -> bool:
        return self._home is None or self._home[0] is place

    def _alive(self, place: Place) -> bool:
        return self._home is not None and place.slot is not None and self._home == (place, place.generation)

    def _settle(self, place: Place, cancellation: Cancellation | None) -> int:
        """Make the session live in `place`, its state as it should be; how many blocks had to run for that."""
        if self._alive(place):
            return 0
        opening = {"call": "open", "limits": self.limits.to_dict()}
        self._number = self._sandbox.call(place, opening, cancellation=cancellation)
        try:
            self._replay(place, cancellation)
        except RunCancelledError:
            # What was made anew so far would be left there.
            self._sandbox.call(place, {"call": "close", "session": self._number})
            raise
        self._home = (place, place.generation)
        return sum(kept for _, kept in self._history)

    def _replay(self, place: Place, cancellation: Cancellation | None) -> None:
        """Run the history again."""
        for number, (program, kept) in enumerate(self._history, 1):
            # A failed block changed nothing; it only takes up its number.
            again = program if kept else dataclasses.replace(program, code="raise SystemExit(1)", files={})
            request = {"call": "block", "session": self._number, "program": again.to_dict()}
            value = self._sandbox.call(place, request, again.limits.seconds, cancellation)
            if (value["status"] == "ok") != kept:
                raise SandboxUnavailableError(
                    f"the session was lost, and its block {number} did not run again as it had: {value['status']}"
                )
