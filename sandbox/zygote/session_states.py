"""The states of a session: stopped processes, each with a snapshot of the folder as it was after its block."""

from __future__ import annotations

from storm_calm.sandbox.zygote import scratch_snapshot
from storm_calm.sandbox.zygote.session_process import SessionProcess

MAX_STATES = 12
"""How many states a session keeps; of more, the oldest go, and their blocks run again if they are needed."""


class StateGoneError(Exception):
    """A state is gone, or does not do what it should."""


class SessionStates:
    """The states by the number of the block that each comes after, and which of them is the newest."""

    def __init__(self, folder: int, room: int) -> None:
        """folder: the blocks' folder, open. room: bytes that the snapshots may hold together."""
        self._folder = folder
        self._room = room
        self._processes: dict[int, SessionProcess] = {}
        self._snapshots: dict[int, scratch_snapshot.ScratchSnapshot] = {}
        self.newest = 0
        self.dirty = False
        """Whether the folder may be another than the newest state's."""

    def pids(self) -> set[int]:
        """The processes that are states."""
        return {process.pid for process in self._processes.values()}

    def live(self) -> list[int]:
        """The numbers of the states from which a block can go on."""
        for number, process in list(self._processes.items()):
            if process.is_dead():
                self.drop(number)
        return sorted(self._processes)

    def process(self, number: int) -> SessionProcess:
        """The process of a state. Raises StateGoneError."""
        if number not in self._processes:
            raise StateGoneError(f"the state after block {number} is gone")
        return self._processes[number]

    def drop(self, number: int) -> None:
        """Kill a state."""
        self._processes.pop(number).close()
        self._snapshots.pop(number)

    def clear(self) -> None:
        """Forget all states, without killing them."""
        self._processes.clear()

    def rewind(self, number: int) -> None:
        """Make `number` the newest state, and the folder what it was. Raises StateGoneError."""
        self.process(number)
        for later in [other for other in self._processes if other > number]:
            self.drop(later)
            self.dirty = True
        if self.dirty or self.newest != number:
            scratch_snapshot.restore(self._folder, self._snapshots[number])
        self.newest, self.dirty = number, False

    def keep(self, number: int, process: SessionProcess) -> bool:
        """Make `process` the newest state, with the folder as it is; False if that can't be remembered."""
        try:
            snapshot = scratch_snapshot.take_snapshot(self._folder, self._snapshots.get(self.newest), self._room)
        except scratch_snapshot.TooMuchError:
            return False
        self._processes[number], self._snapshots[number] = process, snapshot
        self.newest, self.dirty = number, False
        for old in sorted(self._processes)[1:-1]:
            held = scratch_snapshot.held_bytes(self._snapshots.values())
            if len(self._processes) <= MAX_STATES and held <= self._room:
                break
            self.drop(old)
        return True
