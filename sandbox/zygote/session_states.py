"""The states of a session: stopped processes, each with a snapshot of the folder after its block."""

from dataclasses import dataclass, field

from storm_calm.sandbox.zygote import scratch_snapshot
from storm_calm.sandbox.zygote.session_process import SessionProcess

MAX_STATES = 12  # beyond that the oldest are dropped, and their blocks run again if needed


class StateGoneError(Exception):
    """A state is gone or does not respond."""


@dataclass(slots=True)
class SessionStates:
    """The states of a session, by the number of the last block that each contains."""

    folder: int  # the open folder that the blocks can write to
    max_bytes: int  # the limit on all snapshots together
    newest: int = 0
    dirty: bool = False  # whether the folder may differ from the snapshot of the newest state
    _processes: dict[int, SessionProcess] = field(default_factory=dict)
    _snapshots: dict[int, scratch_snapshot.ScratchSnapshot] = field(default_factory=dict)

    def pids(self) -> set[int]:
        return {process.pid for process in self._processes.values()}

    def live(self) -> list[int]:
        """Return the numbers of the states whose process is alive."""
        for number, process in list(self._processes.items()):
            if process.is_dead():
                self.drop(number)
        return sorted(self._processes)

    def process(self, number: int) -> SessionProcess:
        """Return the process of a state. Raises StateGoneError."""
        if number not in self._processes:
            raise StateGoneError(f"the state after block {number} is gone")
        return self._processes[number]

    def drop(self, number: int) -> None:
        """Kill a state."""
        self._processes.pop(number).close()
        self._snapshots.pop(number)

    def clear(self) -> None:
        """Forget all states without killing them."""
        self._processes.clear()

    def rewind(self, number: int) -> None:
        """Drop the states after `number`, and restore the folder. Raises StateGoneError."""
        self.process(number)
        for later in [other for other in self._processes if other > number]:
            self.drop(later)
            self.dirty = True
        if self.dirty or self.newest != number:
            scratch_snapshot.restore(self.folder, self._snapshots[number])
        self.newest, self.dirty = number, False

    def keep(self, number: int, process: SessionProcess) -> bool:
        """Make `process` the newest state, with a snapshot of the folder. Return False if the folder is too large."""
        try:
            snapshot = scratch_snapshot.take_snapshot(self.folder, self._snapshots.get(self.newest), self.max_bytes)
        except scratch_snapshot.TooMuchError:
            return False
        self._processes[number], self._snapshots[number] = process, snapshot
        self.newest, self.dirty = number, False
        for old in sorted(self._processes)[1:-1]:
            held = scratch_snapshot.held_bytes(self._snapshots.values())
            if len(self._processes) <= MAX_STATES and held <= self.max_bytes:
                break
            self.drop(old)
        return True
