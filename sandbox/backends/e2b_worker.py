"""A cloud sandbox at E2B as a remote worker: kept alive, asked, and ended.

Calls are numbered, so that none is done twice when it is retried (`sandbox.backends.e2b_bootstrap`).
"""

from __future__ import annotations

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
"""Seconds after which a cloud sandbox ends by itself. It is renewed while it is open, so this is how long one outlives
a caller that was killed."""

_SHUTDOWN_TIMEOUT_SECONDS = 10.0  # for the API to end cloud sandboxes; then they are left to their own end
_MAX_CELL_CHARACTERS = 1 << 21  # what lies between refuses messages of 10 MiB
_INTERRUPTIONS = ("KeyboardInterrupt", "UnexpectedEndOfExecution")  # of a kernel, when its caller's line breaks

_log = logging.getLogger(__name__)


class CloudWorker(RemoteWorker):
    """A cloud sandbox with a `KernelWorker` in its kernel."""

    def __init__(
        self, api: E2BApi, loop: BackgroundLoop, end: Callable[[CloudWorker], object], cloud_sandbox: Any
    ) -> None:
        """end: begins to end this worker. cloud_sandbox: the SDK's."""
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

    async def unpack(self, package: str) -> str | None:
        """Put this package into the kernel, with a worker; what kept it from there, or None."""
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
        try:
            await self._run("0.0", code)
        except _KernelError as error:
            return str(error)
        return None

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The kernel worker's answer to `request`."""
        number = next(self._numbers)
        text = json.dumps(request)  # ASCII, which stays what it is on the way through a kernel.
        pieces = [text[start : start + _MAX_CELL_CHARACTERS] for start in range(0, len(text), _MAX_CELL_CHARACTERS)]
        try:
            for index, piece in enumerate(pieces[:-1]):
                await self._run(f"{number}.{index}", f"_kernel_worker.add_piece({number}, {index}, {piece!r})")
            index = len(pieces) - 1
            return dict(
                await self._run(f"{number}.{index}", f"_kernel_worker.answer({number}, {index}, {pieces[-1]!r})")
            )
        except _KernelError as error:
            raise WorkerLostError(f"the kernel lost its worker: {error}") from None

    async def cut_network(self) -> None:
        """Let nothing out of the cloud sandbox any more."""
        await self._api.ask(
            lambda **options: self.cloud_sandbox.update_network({"allow_internet_access": False}, **options)
        )

    async def _run(self, key: str, code: str) -> Any:
        """The answer that `code` prints, as often as it takes to get it whole; its numbers make that safe."""
        name = self.cloud_sandbox.sandbox_id
        retry = e2b_api.retrying(_NoAnswerError, lambda error: _log.info("E2B's sandbox %s: %s; retrying", name, error))
        try:
            return await retry(self._try, key, code)
        except _NoAnswerError as error:
            raise WorkerLostError(f"no answer in {e2b_api.MAX_ATTEMPTS} tries; the last: {error}") from None

    async def _try(self, key: str, code: str) -> Any:
        """The answer that `code` prints. Raises _NoAnswerError where it is worth another try."""
        heard: list[str] = []
        failure: Exception | None = None
        end = None
        try:
            # No timeout of the SDK's, which does not keep to the time given; there is one around all this.
            end = await self.cloud_sandbox.run_code(
                code, on_stdout=lambda message: heard.append(message.line), timeout=0
            )
        except Exception as error:
            failure = error
        answer = e2b_bootstrap.read("".join(heard), key)
        if answer is not None:  # Whatever happened after it.
            return answer
        if failure is not None and self._api.is_gone(failure):
            raise WorkerLostError(self._api.reason(failure))
        if failure is not None:
            raise _NoAnswerError(self._api.reason(failure))
        if end is not None and end.error is not None and end.error.name not in _INTERRUPTIONS:
            raise _KernelError(f"{end.error.name}: {end.error.value}")
        raise _NoAnswerError("the answer did not come through whole")

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(LIFETIME_SECONDS / 3)
            try:
                await self._api.ask(lambda **options: self.cloud_sandbox.set_timeout(LIFETIME_SECONDS, **options))
            except Exception as error:  # Whoever calls next will find out.
                _log.info("E2B's sandbox %s: %s", self.cloud_sandbox.sandbox_id, self._api.reason(error))

    async def end(self) -> None:
        """End the cloud sandbox, or tell the log why it goes on for a while. Never raises."""
        self._renewal.cancel()
        try:
            async with asyncio.timeout(_SHUTDOWN_TIMEOUT_SECONDS):
                await self._api.ask(lambda **options: self.cloud_sandbox.kill(**options))
        except Exception as error:
            _log.warning(
                "E2B's sandbox %s could not be ended (%s); it ends by itself within %d seconds",
                self.cloud_sandbox.sandbox_id,
                self._api.reason(error),
                LIFETIME_SECONDS,
            )


class _NoAnswerError(Exception):
    """No answer came, and asking again may bring it."""


class _KernelError(Exception):
    """Code of ours failed in a kernel."""
