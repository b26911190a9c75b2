"""STORM's sandbox as a sandbox provider of Inspect: `inspect eval ... --sandbox storm`.

Each sample has a session of STORM's sandbox, with a scratch folder of its own as the working directory. STORM's sandbox
runs Python programs, so each call is a small program in the session (`inside_operations`): `exec` starts a command in
the same isolation. There is one user, no network, and nothing outlives the call that started it.
"""

import json
from typing import Any, Literal, overload

import anyio
from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxEnvironment,
    SandboxEnvironmentConfigType,
    SandboxEnvironmentLimits,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
    sandboxenv,
)

from storm_calm import sandbox as storm
from storm_inspect import inside_operations as inside
from storm_inspect.shared_sandbox import in_thread, shared_sandbox

LIMITS = storm.Limits(seconds=60.0, memory_mb=2048, file_mb=256, processes=128)
"""The limits of a sample. `memory_mb` and `file_mb` are for all its processes, and for its whole folder."""
LONGEST = 3600
"""Seconds of a command without a timeout."""
GRACE = 20.0
"""Seconds for an operation besides the command."""


@sandboxenv(name="storm")
class StormSandboxEnvironment(SandboxEnvironment):
    """A sample's session of STORM's sandbox."""

    def __init__(self, session: storm.Session) -> None:
        super().__init__()
        self._session = session
        self._lock = anyio.Lock()

    @classmethod
    async def sample_init(
        cls, task_name: str, config: SandboxEnvironmentConfigType | None, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        try:
            sandbox = await in_thread(shared_sandbox, storm.Cancellation())
        except storm.SandboxUnavailableError as error:
            raise SandboxUnavailableError(str(error)) from error
        return {"default": cls(sandbox.session(limits=LIMITS))}

    @classmethod
    async def sample_cleanup(
        cls,
        task_name: str,
        config: SandboxEnvironmentConfigType | None,
        environments: dict[str, SandboxEnvironment],
        interrupted: bool,
    ) -> None:
        for environment in environments.values():
            environment.as_type(cls)._session.close()

    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        if user is not None:
            raise SandboxUserUnsupportedError(f"user {user!r}: STORM's sandbox has only one user; leave it out")
        given = {} if input is None else {inside.STDIN: input.encode() if isinstance(input, str) else input}
        seconds = float(timeout or LONGEST)
        order = {"command": cmd, "folder": cwd, "variables": env or {}, "seconds": seconds, "stdin": bool(given)}
        end, files = await self._run("exec", order, given, (inside.STDOUT, inside.STDERR), seconds)
        if end.get("timeout"):
            raise TimeoutError(f"{cmd[0]}: the command took more than {seconds:g} seconds")
        stdout, stderr = (_shown(files.get(name, b"")) for name in (inside.STDOUT, inside.STDERR))
        code = int(end.get("exit_code", 1))
        return ExecResult(success=code == 0, returncode=code, stdout=stdout, stderr=stderr or end.get("error", ""))

    async def write_file(self, file: str, contents: str | bytes) -> None:
        content = contents.encode() if isinstance(contents, str) else contents
        await self._run("write", {"path": file}, {inside.CONTENT: content}, (), 0)

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        order = {"path": file, "most": SandboxEnvironmentLimits.MAX_READ_FILE_SIZE}
        end, files = await self._run("read", order, {}, (inside.CONTENT,), 0)
        if end.get("too_large"):
            raise OutputLimitExceededError(SandboxEnvironmentLimits.MAX_READ_FILE_SIZE_STR, None)
        if inside.CONTENT not in files:
            raise SandboxUnavailableError(f"{file}: the sandbox returned no content")
        return files[inside.CONTENT].decode() if text else files[inside.CONTENT]

    async def _run(
        self, operation: str, order: dict[str, Any], given: dict[str, bytes], results: tuple[str, ...], seconds: float
    ) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Run an operation in the session, and return its report and result files.

        Raises the OSError that it reports, TimeoutError if it hangs, and SandboxUnavailableError if the sandbox fails.
        """
        order = {"operation": operation, "keep": sorted({*given, inside.ORDER}), **order}
        limits = storm.Limits(
            seconds=seconds + GRACE,
            memory_mb=LIMITS.memory_mb,
            file_mb=LIMITS.file_mb,
            processes=LIMITS.processes,
        )
        files = {**given, inside.ORDER: json.dumps(order).encode()}
        cancellation = storm.Cancellation()

        def run() -> storm.Execution:
            return self._session.run(
                inside.PROGRAM, limits=limits, files=files, results=results, cancellation=cancellation
            )

        try:
            async with self._lock:
                execution = await in_thread(run, cancellation)
        except storm.SandboxUnavailableError as error:
            raise SandboxUnavailableError(str(error)) from error
        if execution.status == "timeout":
            raise TimeoutError(f"{operation}: no end after {limits.seconds:g} seconds")
        if execution.status == "memory_limit" and operation == "exec":
            # The command's fault. It ended with all that it changed.
            return {"exit_code": 137, "error": f"killed: more than {LIMITS.memory_mb} MiB of memory"}, {}
        report = _report(execution)
        if (kind := report.get("raise")) is not None:
            raise _RAISED.get(kind, OSError)(report.get("error", ""))
        return report, dict(execution.files)


_RAISED: dict[str, type[OSError]] = {
    "FileNotFoundError": FileNotFoundError,
    "IsADirectoryError": IsADirectoryError,
    "PermissionError": PermissionError,
}


def _report(execution: storm.Execution) -> dict[str, Any]:
    """Return the last line that an operation printed. A command runs beside it, so it is read strictly."""
    try:
        report = json.loads(execution.stdout.rstrip().rpartition("\n")[2])
    except ValueError:
        report = None
    if execution.status != "ok" or not isinstance(report, dict):
        detail = execution.error_line or execution.reason or execution.status
        raise SandboxUnavailableError(f"the sandbox ended the operation: {detail}")
    return report


def _shown(content: bytes) -> str:
    """Return a command's output as text. Raises OutputLimitExceededError if there is too much."""
    most = SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE
    text = content[:most].decode("utf-8", errors="replace")
    if len(content) > most:
        raise OutputLimitExceededError(SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE_STR, text)
    return text
