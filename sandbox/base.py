"""The interface that every place to run code has: `Sandbox`, its `Session`s, and the `Limits` of a run.

    with open_sandbox() as sandbox:
        execution = sandbox.run("print(6 * 7)")

A sandbox never raises for what a program does; `SandboxUnavailableError` means that the sandbox itself failed, and
`ValueError` that the caller asked for something that can't be.
"""

from __future__ import annotations

import base64
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self

from storm_calm.sandbox.cancellation import Cancellation
from storm_calm.sandbox.execution import Execution, Isolation

MAX_CODE_BYTES = 1 << 20
"""The longest program, in bytes of UTF-8. Longer text is data, and belongs into a file."""


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
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, int | float):
            raise ValueError(f"seconds is {self.seconds!r}; give a positive number")
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"seconds is {self.seconds!r}; give a positive number")
        for name in ("memory_mb", "output_bytes", "file_mb", "processes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}; give a whole number of at least 1")

    def to_dict(self) -> dict[str, Any]:
        """The limits as JSON data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What a sandbox is given to run. Raises ValueError for what can't be run anywhere, with the fix."""

    code: str
    """The program's text."""
    limits: Limits
    """What it may use."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that lie in its folder when it starts, by relative path."""
    results: tuple[str, ...] = ()
    """Files to bring back from its folder, by relative path."""

    def __post_init__(self) -> None:
        if not isinstance(self.code, str):
            raise ValueError(f"code is {type(self.code).__name__}; give text")
        size = len(self.code.encode("utf-8", errors="surrogatepass"))
        if size > MAX_CODE_BYTES:
            raise ValueError(
                f"code is {size} bytes long, more than {MAX_CODE_BYTES}; put its data into files={{name: content}}"
            )
        for name, content in self.files.items():
            _check_path(name)
            if not isinstance(content, bytes):
                raise ValueError(f"file {name!r} is {type(content).__name__}; give bytes")
            if len(content) > self.limits.file_mb << 20:
                raise ValueError(f"file {name!r} has {len(content)} bytes, over the limit of {self.limits.file_mb} MiB")
        for name in self.results:
            _check_path(name)

    def to_dict(self) -> dict[str, Any]:
        """The program as JSON data."""
        return {
            "code": self.code,
            "limits": self.limits.to_dict(),
            "files": {name: base64.b64encode(content).decode() for name, content in self.files.items()},
            "results": list(self.results),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The program that `to_dict` gave."""
        return cls(
            code=data["code"],
            limits=Limits(**data["limits"]),
            files={name: base64.b64decode(content) for name, content in data["files"].items()},
            results=tuple(data["results"]),
        )


class ProgramRunner(ABC):
    """What runs programs: a `Sandbox`, or a `Session` of it. Close it after use, or use it in a `with`."""

    limits: Limits
    """Of every program that brings none of its own."""

    def run(
        self,
        code: str,
        *,
        limits: Limits | None = None,
        files: Mapping[str, bytes] | None = None,
        results: Iterable[str] = (),
        cancellation: Cancellation | None = None,
    ) -> Execution:
        """Run `code` as a program and wait for its end; in a session, as its next block.

        limits: for this run, instead of the sandbox's own.
        files: what lies in the program's folder when it starts, by relative path.
        results: paths in that folder to bring back as `Execution.files`, also from a program that failed. What is
            missing, a link, or anything but a plain file, stays behind.
        cancellation: what ends the run from outside, also while it waits for its turn. Then nothing of the program is
            running any more, its slot is free, and RunCancelledError is raised. If the run had already finished, its
            Execution is returned as usual. A cancelled block of a session changes nothing, and counts as no block.
        Raises SandboxUnavailableError where the sandbox failed, never for what the program did, and ValueError for
        arguments that no program can have.
        """
        program = Program(code=code, limits=limits or self.limits, files=dict(files or {}), results=tuple(results))
        return self.execute(program, cancellation)

    @abstractmethod
    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        """Run `program`, as `run` does."""

    @abstractmethod
    def close(self) -> None:
        """End everything. Runs in flight raise SandboxUnavailableError. A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Sandbox(ProgramRunner):
    """A place to run untrusted programs. Safe to use from many threads at once."""

    backend: str
    """Its name, such as "local"."""
    isolation: Isolation
    """How well it locks programs in."""
    missing: tuple[str, ...] = ()
    """Why it isn't a higher isolation level, a sentence for each thing missing; empty at the highest."""
    resource_control: str = ""
    """What limits memory and processor time of its programs, in words."""
    workers: int
    """How many programs run at once; more wait for their turn, first come first served."""

    @abstractmethod
    def session(self, *, limits: Limits | None = None) -> Session:
        """Begin a session: blocks of code that see what earlier ones left, as in a notebook. Close it after use.

        limits: of every block that brings none of its own, instead of the sandbox's; its memory is for all blocks.
        """


class Session(ProgramRunner):
    """Blocks of code that share their state, one after the other. Not for several threads at once.

    A block that does not end with status "ok" changes nothing: the next one sees what was there before it, files in
    the folder included. Memory, processes and threads are those of the whole session. What a block leaves running is
    ended with the block. `Execution.replayed` tells how many earlier blocks had to run again for one, because a
    process that has more than one thread can't be copied, or because the sandbox lost the session.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._history: list[tuple[Program, bool]] = []
        """Each block, and whether it ended well and so is part of the state."""

    @property
    def blocks(self) -> int:
        """How many blocks ran, the failed ones included."""
        return len(self._history)

    def rewind(self, block: int) -> None:
        """Go back to the state after block number `block`; 0 is the beginning. Later blocks are forgotten.

        Raises ValueError for a block that there is not.
        """
        if isinstance(block, bool) or not isinstance(block, int) or not 0 <= block <= self.blocks:
            raise ValueError(f"block is {block!r}; there are blocks 0 to {self.blocks}")
        del self._history[block:]
        self._restore(block)

    @abstractmethod
    def _restore(self, block: int) -> None:
        """Bring back the state after `block`."""


def too_little_isolation(where: str, reached: str, minimum: str, missing: Iterable[str]) -> str:
    """Return the message for a place that can't isolate programs as well as asked for."""
    return (
        f"{where} gives isolation level {reached!r}, below minimum_isolation {minimum!r}: {'; '.join(missing)}. "
        f"Repair that, or pass minimum_isolation={reached!r} if you trust the programs that far"
    )


def _check_path(name: str) -> None:
    """Refuse a path that is not relative, leaves the folder, or is not one that a file can have."""
    path = PurePosixPath(name)
    if not isinstance(name, str) or not name or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"path {name!r} is not inside the program's folder; give a relative one without '..'")
    if not path.parts or len(name.encode("utf-8", errors="surrogateescape")) > 1024:
        raise ValueError(f"path {name!r} can't be a file's; give a short relative one")
