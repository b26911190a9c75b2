"""The interface that every place to run code has: `Sandbox`, and the `Limits` of a run.

    with open_sandbox() as sandbox:
        execution = sandbox.run("print(6 * 7)")

A sandbox never raises for what a program does; `SandboxUnavailableError` means that the sandbox itself failed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from sandbox.execution import Execution, Tier


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one run may use. A run that goes over is stopped at once."""

    seconds: float = 10.0
    """Wall seconds; then everything that the program started is killed."""
    memory_mb: int = 1024
    """MiB of memory, all processes of the program together, beyond what the sandbox loaded for it."""
    output_bytes: int = 64 * 1024
    """Bytes on standard output and, counted on its own, on standard error."""
    file_mb: int = 64
    """MiB for one file, and for the scratch folder as a whole."""
    processes: int = 64
    """Processes and threads at once."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"seconds is {self.seconds!r}; give a positive number")
        for field in ("memory_mb", "output_bytes", "file_mb", "processes"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{field} is {value!r}; give a whole number of at least 1")

    def to_dict(self) -> dict[str, Any]:
        """The limits as JSON data."""
        return asdict(self)


class Sandbox(ABC):
    """A place to run programs that nobody vouches for. Safe to use from many threads at once."""

    backend: str
    """Its name, such as "local"."""
    tier: Tier
    """How well it locks programs in."""
    missing: tuple[str, ...] = ()
    """Why it isn't a higher tier, a sentence for each thing missing; empty at the highest."""

    @abstractmethod
    def run(self, code: str, *, limits: Limits | None = None) -> Execution:
        """Run `code` as a program of its own and wait for its end.

        limits: for this run, instead of the sandbox's own.
        Raises SandboxUnavailableError where the sandbox failed, never for what the program did.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop everything. Runs in flight raise SandboxUnavailableError. A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
