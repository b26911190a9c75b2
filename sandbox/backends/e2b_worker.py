"""A cloud sandbox at E2B as a remote worker.

Calls are numbered, which makes retries idempotent (`sandbox.backends.e2b_bootstrap`).
"""

import asyncio
import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

from storm_calm.sandbox.backends import e2b_api, e2b_bootstrap
from storm_calm.sandbox.backends.e2b_api import E2BApi
from storm_calm.sandbox.backends.e2b_loop import BackgroundLoop, deadline
from storm_calm.sandbox.backends.remote import RemoteWorker, WorkerLostError
from storm_calm.sandbox.cancellation import Cancellation

LIFETIME_SECONDS = 120
"""Seconds after which a cloud sandbox expires unless renewed: how long it outlives a caller that was killed."""

_SHUTDOWN_TIMEOUT_SECONDS = 10.0  # for the API to end cloud sandboxes; after that they expire
_MAX_CELL_CHARACTERS = 1 << 21  # E2B refuses messages of 10 MiB
_INTERRUPTIONS = ("KeyboardInterrupt", "UnexpectedEndOfExecution")  # errors of a kernel whose connection was lost

_log = logging.getLogger(__name__)


class KernelError(Exception):
    """The code of this backend failed in a kernel."""


class _NoAnswerError(Exception):
    """No answer arrived; a retry may help."""


class CloudWorker(RemoteWorker):
    """A cloud sandbox with a `KernelWorker` in its kernel."""

    def __init__(self, api: E2BApi, loop: BackgroundLoop, end: Callable[[Any], object], cloud_sandbox: Any) -> None:
        """end: starts to end this worker. cloud_sandbox: the SDK's object."""
        self._api = api
        self._loop = loop
        self._end = end
        self.cloud_sandbox = cloud_sandbox
        self._numbers = itertools.count(1)
        self.ending: asyncio.Task[None] | None = None
        self._renewal = asyncio.get_running_loop().create_task(self._keep_alive())

    def call(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        return self._loop.run(self._call(request, timeout), cancellation)

    def close(self) -> None:
        self._loop.call_soon(lambda: self._end(self))

    async def _call(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        async with deadline(timeout):
            return await self.ask(request)

    async def unpack(self, package: str) -> None:
        """Install this package in the kernel and create its worker. Raises KernelError."""
        ready = e2b_bootstrap.marked("0.0", "{}")
        code = f"""
import base64, io, sys, tempfile, zipfile
if "_kernel_worker" not in globals():
    _folder = tempfile.mkdtemp(prefix="sandbox-package-")
    zipfile.ZipFile(io.BytesIO(base64.b64decode({package!r}))).extractall(_folder)
    sys.path.insert(0, _folder)
    try:
        from storm_calm.sandbox.backends.e2b_bootstrap import KernelWorker
        _kernel_worker = KernelWorker()
    finally:
        sys.path.remove(_folder)
print({ready!r}, flush=True)
"""
        await self._run("0.0", code)

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        text = json.dumps(request)
        pieces = [text[start : start + _MAX_CELL_CHARACTERS] for start in range(0, len(text), _MAX_CELL_CHARACTERS)]
        try:
            for index, piece in enumerate(pieces[:-1]):
                await self._run(f"{number}.{index}", f"_kernel_worker.add_piece({number}, {index}, {piece!r})")
            index = len(pieces) - 1
            code = f"_kernel_worker.answer({number}, {index}, {pieces[-1]!r})"
            return dict(await self._run(f"{number}.{index}", code))
        except KernelError as error:
            raise WorkerLostError(f"the kernel lost its worker: {error}") from None

    async def disable_network(self) -> None:
        await self._api.ask(
            lambda **options: self.cloud_sandbox.update_network({"allow_internet_access": False}, **options)
        )

    async def _run(self, key: str, code: str) -> Any:
        """Return the answer that `code` prints, with retries."""
        name = self.cloud_sandbox.sandbox_id
        retry = e2b_api.retrying(_NoAnswerError, lambda error: _log.info("E2B's sandbox %s: %s; retrying", name, error))
        try:
            return await retry(self._try, key, code)
        except _NoAnswerError as error:
            raise WorkerLostError(f"no answer in {e2b_api.MAX_ATTEMPTS} attempts; the last: {error}") from None

    async def _try(self, key: str, code: str) -> Any:
        """Return the answer that `code` prints. Raises _NoAnswerError if a retry may help."""
        output: list[str] = []
        failure: Exception | None = None
        end = None
        try:
            # The SDK's timeout is unreliable; callers use `deadline`.
            end = await self.cloud_sandbox.run_code(code, on_stdout=lambda part: output.append(part.line), timeout=0)
        except Exception as error:
            failure = error
        answer = e2b_bootstrap.read("".join(output), key)
        if answer is not None:  # An error after the answer does not matter.
            return answer
        if failure is not None:
            kind = WorkerLostError if self._api.is_gone(failure) else _NoAnswerError
            raise kind(self._api.reason(failure))
        if end is not None and end.error is not None and end.error.name not in _INTERRUPTIONS:
            raise KernelError(f"{end.error.name}: {end.error.value}")
        raise _NoAnswerError("the answer is incomplete")

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(LIFETIME_SECONDS / 3)
            try:
                await self._api.ask(lambda **options: self.cloud_sandbox.set_timeout(LIFETIME_SECONDS, **options))
            except Exception as error:  # The next call will report it.
                _log.info("E2B's sandbox %s: %s", self.cloud_sandbox.sandbox_id, self._api.reason(error))

    async def end(self) -> None:
        """End the cloud sandbox; log a warning on failure. Never raises."""
        self._renewal.cancel()
        try:
            async with asyncio.timeout(_SHUTDOWN_TIMEOUT_SECONDS):
                await self._api.ask(lambda **options: self.cloud_sandbox.kill(**options))
        except Exception as error:
            name, reason = self.cloud_sandbox.sandbox_id, self._api.reason(error)
            _log.warning(
                "E2B's sandbox %s could not be ended (%s); it expires within %d seconds", name, reason, LIFETIME_SECONDS
            )
