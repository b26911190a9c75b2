"""The interface of all backends: `Sandbox`, its `Session`s, and the `Limits` of a run.

    with open_sandbox() as sandbox:
        execution = sandbox.run("print(6 * 7)")

A program's behaviour never raises an exception. `SandboxUnavailableError` is a fault of the sandbox itself, and
`ValueError` an invalid argument.
"""

from __future__ import annotations

import base64
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from storm_calm.sandbox.cancellation import Cancellation
from storm_calm.sandbox.execution import Execution, Isolation
from storm_calm.sandbox.file_names import check_distinct, normalized_path

MAX_CODE_BYTES = 1 << 20
"""Maximum length of a program, in bytes of UTF-8. Pass data in files instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The resource limits of one run. A run that exceeds one is stopped at once."""

    seconds: float = 10.0
    """Wall seconds, after which all processes of the program are killed."""
    memory_mb: int = 1024
    """MiB of memory of all processes of the program together, without the libraries that the sandbox preloads."""
    output_bytes: int = 64 * 1024
    """Maximum bytes of standard output and of standard error, counted separately."""
    file_mb: int = 64
    """MiB of one file, and of the scratch folder as a whole."""
    processes: int = 64
    """Maximum number of processes and threads at once."""

    def __post_init__(self) -> None:
        number = isinstance(self.seconds, int | float) and not isinstance(self.seconds, bool)
        if not (number and math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"seconds is {self.seconds!r}; give a positive number")
        for name in ("memory_mb", "output_bytes", "file_mb", "processes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}; give a whole number of at least 1")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program to run. Raises ValueError if no sandbox can run it."""

    code: str
    limits: Limits
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files to write into its folder before it starts, by relative path; names are normalized (NFC)."""
    results: tuple[str, ...] = ()
    """Relative paths of files to return from its folder."""
    record: bool = False
    """Whether to record its solves."""

    def __post_init__(self) -> None:
        if not isinstance(self.code, str):
            raise ValueError(f"code is {type(self.code).__name__}; give text")
        size = len(self.code.encode("utf-8", errors="surrogatepass"))
        if size > MAX_CODE_BYTES:
            raise ValueError(
                f"code is {size} bytes long, more than {MAX_CODE_BYTES}; put its data into files={{name: content}}"
            )
        paths = [normalized_path(name) for name in self.files]
        check_distinct(paths)
        object.__setattr__(self, "files", dict(zip(paths, self.files.values(), strict=True)))
        for name, content in self.files.items():
            if name == "main.py":
                raise ValueError("main.py is the name of the program itself; rename the file")
            if not isinstance(content, bytes):
                raise ValueError(f"file {name!r} is {type(content).__name__}; give bytes")
            if len(content) > self.limits.file_mb << 20:
                raise ValueError(f"file {name!r} has {len(content)} bytes, over the limit of {self.limits.file_mb} MiB")
        for name in self.results:
            normalized_path(name)

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "limits": self.limits.to_dict(),
            "files": {name: base64.b64encode(content).decode() for name, content in self.files.items()},
            "results": list(self.results),
            "record": self.record,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the program that `to_dict` serialized."""
        return cls(
            code=data["code"],
            limits=Limits(**data["limits"]),
            files={name: base64.b64decode(content) for name, content in data["files"].items()},
            results=tuple(data["results"]),
            record=data["record"],
        )


class ProgramRunner(ABC):
    """The base class of `Sandbox` and `Session`. Close it after use, or use it in a `with` statement."""

    limits: Limits
    """The default limits of a program."""

    def run(
        self,
        code: str,
        *,
        limits: Limits | None = None,
        files: Mapping[str, bytes] | None = None,
        results: Iterable[str] = (),
        record: bool = False,
        cancellation: Cancellation | None = None,
    ) -> Execution:
        """Run `code` as a program, or as the next block of a session, and return its Execution.

        limits: the limits of this run instead of the default.
        files: contents of files to write into the program's folder before it starts, by relative path. Names may be in
            any script; they are normalized to composed Unicode (NFC).
        results: relative paths of files to return as `Execution.files`, also if the program fails. Links, folders,
            special files and missing files are left out.
        record: record the program's last solves as `Execution.solve_records`: model, solution, names.
        cancellation: cancels the run, also while it is queued. RunCancelledError is raised after all processes of the
            program have ended. If the run had already finished, its Execution is returned as usual. A cancelled block
            of a session changes nothing and is not counted.
        Raises SandboxUnavailableError if the sandbox fails, ValueError for invalid arguments.
        """
        program = Program(
            code=code, limits=limits or self.limits, files=dict(files or {}), results=tuple(results), record=record
        )
        return self.execute(program, cancellation)

    @abstractmethod
    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        """Run `program` as `run` does."""

    @abstractmethod
    def close(self) -> None:
        """End all programs; their runs raise SandboxUnavailableError. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Sandbox(ProgramRunner):
    """A runner of untrusted programs. Thread-safe."""

    backend: str
    isolation: Isolation
    missing: tuple[str, ...] = ()
    """The reasons why the isolation level is not higher; empty at the highest."""
    resource_control: str = ""
    """A description of how memory and CPU time are limited."""
    workers: int
    """Number of programs that run at once; further ones wait in a FIFO queue."""

    @abstractmethod
    def session(self, *, limits: Limits | None = None) -> Session:
        """Open a session: blocks of code that share their state, as in a notebook. Close it after use.

        limits: the default limits of a block; `memory_mb` is for all blocks together.
        """


class Session(ProgramRunner):
    """Blocks of code that run one after the other and share their state. Not thread-safe.

    A block that does not end with status "ok" changes nothing, neither variables nor files. The limits on memory,
    processes and threads are for the whole session. Processes that a block leaves running are killed.
    `Execution.replayed` counts the earlier blocks that ran again for a block: because the process had several threads,
    and so could not be forked, or because the sandbox lost the session.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._history: list[tuple[Program, bool]] = []
        """Each block, and whether its effects are part of the state."""

    @property
    def blocks(self) -> int:
        """The number of blocks that ran, including failed ones."""
        return len(self._history)

    def rewind(self, block: int) -> None:
        """Restore the state after block `block` (0: the start). Raises ValueError for an unknown block."""
        if isinstance(block, bool) or not isinstance(block, int) or not 0 <= block <= self.blocks:
            raise ValueError(f"block is {block!r}; there are blocks 0 to {self.blocks}")
        del self._history[block:]
        self._restore(block)

    @abstractmethod
    def _restore(self, block: int) -> None:
        """Restore the state after `block`."""


def too_little_isolation(where: str, reached: str, minimum: str, missing: Iterable[str]) -> str:
    """Return the error message for an isolation level below `minimum`."""
    return (
        f"{where} gives isolation level {reached!r}, below minimum_isolation {minimum!r}: {'; '.join(missing)}. "
        f"Fix that, or pass minimum_isolation={reached!r} if you trust the programs that far"
    )
