"""Cloud sandboxes at E2B, through its SDK: made and set up, kept alive, asked, and ended (`E2BCloud`, `CloudWorker`).

All of it runs in one event loop. Requests to E2B's API are retried by its SDK and by `E2BCloud.ask`, code in a kernel
by `CloudWorker`, whose calls are numbered so that none is done twice (`sandbox.backends.e2b_bootstrap`).
"""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import logging
import uuid
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import tenacity

import storm_calm
from storm_calm.sandbox.backends import e2b_bootstrap
from storm_calm.sandbox.backends.e2b_loop import BackgroundLoop, deadline
from storm_calm.sandbox.backends.remote import RemoteWorker, WorkerLostError
from storm_calm.sandbox.cancellation import Cancellation
from storm_calm.sandbox.execution import SandboxUnavailableError

T = TypeVar("T")

MAX_ATTEMPTS = 7
"""How often a request is made before it counts as failed. The pauses between come to 6 seconds at most, or to what
E2B's API asks for."""

LIFETIME_SECONDS = 120
"""Seconds after which a cloud sandbox ends by itself. It is renewed while it is open, so this is how long one outlives
a caller that was killed."""

_OPEN_TIMEOUT_SECONDS = 600.0  # to make a cloud sandbox, install the libraries there, and load them
_SHUTDOWN_TIMEOUT_SECONDS = 10.0  # for the API to end cloud sandboxes; then they are left to their own end
_REQUEST_TIMEOUT_SECONDS = 60.0  # for one request to the API, which works on it while one waits
_FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS = 0.1, 10.0
_MAX_CELL_CHARACTERS = 1 << 21  # what lies between refuses messages of 10 MiB
_INTERRUPTIONS = ("KeyboardInterrupt", "UnexpectedEndOfExecution")  # of a kernel, when its caller's line breaks
KEY_HELP = "set E2B_API_KEY to a key from https://e2b.dev/dashboard, or pass api_key="
"""What to do about the key."""

_log = logging.getLogger(__name__)


class E2BCloud:
    """E2B's API, for one key and one template."""

    def __init__(self, key: str, template: str | None, settings: dict[str, Any]) -> None:
        try:
            import e2b
            import httpx
            from e2b_code_interpreter import AsyncSandbox
        except ImportError as error:
            raise SandboxUnavailableError(
                f"backend 'e2b' needs E2B's SDK ({error}); install it with `pip install 'storm-calm[e2b]'`"
            ) from None
        self._sdk = AsyncSandbox
        self._refusal = e2b.AuthenticationException
        self._broken_line = (httpx.TransportError, json.JSONDecodeError)
        self._gone = (e2b.NotFoundException, e2b.SandboxNotRunningException)
        self._key = key
        self._template = template
        self._settings = settings
        self._workers: set[CloudWorker] = set()
        self.loop = BackgroundLoop()

    def open(self) -> RemoteWorker:
        """A new cloud sandbox, with everything in it. Raises SandboxUnavailableError where there is none to be had."""
        reasons = []
        for _ in range(2):
            try:
                return self.loop.run(self._open())
            except WorkerLostError as error:
                reasons.append(str(error))
        raise SandboxUnavailableError(f"E2B's sandbox was lost twice while it was set up: {'; '.join(reasons)}")

    def close(self) -> None:
        """End all cloud sandboxes. One that is being made at this moment ends by itself, after `LIFETIME_SECONDS`."""
        self.loop.close(self._end_all)

    async def _open(self) -> CloudWorker:
        worker = CloudWorker(self, await self._create())
        self._workers.add(worker)
        try:
            async with deadline(_OPEN_TIMEOUT_SECONDS):
                await self._set_up(worker)
        except BaseException:
            self.end(worker)
            raise
        return worker

    def end(self, worker: CloudWorker) -> asyncio.Task[None]:
        """Begin to end `worker`, or go on with it."""
        if worker.ending is None:
            worker.ending = asyncio.get_running_loop().create_task(worker.end())
            worker.ending.add_done_callback(lambda _: self._workers.discard(worker))
        return worker.ending

    async def _end_all(self) -> None:
        if self._workers:
            await asyncio.wait([self.end(worker) for worker in self._workers])

    async def _create(self) -> Any:
        once = str(uuid.uuid4())  # So that a request that is repeated makes no second one.

        def request(**options: Any) -> Awaitable[Any]:
            return self._sdk.create(
                template=self._template,
                timeout=LIFETIME_SECONDS,
                envs={},
                metadata={"made-by": "storm-calm"},
                allow_internet_access=self._settings["internet"],
                idempotency_key=once,
                **options,
            )

        try:
            async with deadline(_OPEN_TIMEOUT_SECONDS):
                return await self.ask(request)
        except WorkerLostError as error:
            reason = str(error)
        except self._refusal as error:
            raise SandboxUnavailableError(f"E2B refuses the key ({self.reason(error)}): {KEY_HELP}") from None
        except Exception as error:
            reason = self.reason(error)
        template = f"of template {self._template!r}" if self._template else "of its own template"
        raise SandboxUnavailableError(
            f"E2B made no sandbox {template}: {reason}. See https://status.e2b.dev and your account's limits, "
            "or pass another template= or fewer workers="
        )

    async def _set_up(self, worker: CloudWorker) -> None:
        problem = await worker.unpack(_packed())
        if problem:
            raise SandboxUnavailableError(
                f"E2B's template can't run this package ({problem}); it needs Python 3.11 or later, as "
                "code-interpreter-v1 has: pass another template="
            )
        answer = await worker.ask({"call": "begin", "settings": self._settings})
        if "fault" in answer:
            raise SandboxUnavailableError(f"in E2B's sandbox: {answer['fault']}{self._advice(answer['fault'])}")
        if self._settings["internet"]:
            try:
                await worker.cut_network()
            except Exception as error:
                raise SandboxUnavailableError(
                    f"E2B did not cut its sandbox off the network: {self.reason(error)}; pass template= with one that "
                    "holds the libraries, which needs no network"
                ) from None

    def _advice(self, fault: str) -> str:
        if not fault.startswith("pip could not"):
            return ""
        wanted = " ".join(f"'{library}'" for library in self._settings["libraries"])
        return (
            f". Pass template= with an E2B template made from code-interpreter-v1 by `pip install {wanted}`, or "
            "libraries= with what the programs need"
        )

    async def ask(self, request: Callable[..., Awaitable[T]]) -> T:
        """What E2B's API says. Raises what its SDK raises when all tries are over.

        The SDK itself tries again where there was a refusal, and waits as that says; broken lines, and answers that
        are none, such as a proxy's, are ours.
        """
        options = {"api_key": self._key, "retries": MAX_ATTEMPTS - 1, "request_timeout": _REQUEST_TIMEOUT_SECONDS}
        retrying = _retrying(self._broken_line, lambda error: _log.info("E2B's API: %s; retrying", self.reason(error)))
        return await retrying(request, **options)

    def is_gone(self, error: Exception) -> bool:
        """Whether the cloud sandbox is no more: then there is no use in asking it again."""
        words = str(error)
        return isinstance(error, self._gone) or "was not found" in words or "sandbox was killed" in words

    def reason(self, error: BaseException) -> str:
        """What `error` says, without the key, which a client may quote."""
        text = " ".join(str(error).replace(self._key, "***").split()) or "no reason given"
        return f"{type(error).__name__}: {text}"


class CloudWorker(RemoteWorker):
    """A cloud sandbox with a `KernelWorker` in its kernel."""

    def __init__(self, cloud: E2BCloud, cloud_sandbox: Any) -> None:
        self._cloud = cloud
        self.cloud_sandbox = cloud_sandbox
        self._numbers = itertools.count(1)
        self.ending: asyncio.Task[None] | None = None
        self._renewal = asyncio.get_running_loop().create_task(self._keep_alive())

    def call(self, request: dict[str, Any], timeout: float, cancellation: Cancellation | None = None) -> dict[str, Any]:
        return self._cloud.loop.run(self._call(request, timeout), cancellation)

    def close(self) -> None:
        self._cloud.loop.soon(lambda: self._cloud.end(self))

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
                await self._run(f"{number}.{index}", f"_kernel_worker.take({number}, {index}, {piece!r})")
            index = len(pieces) - 1
            return dict(
                await self._run(f"{number}.{index}", f"_kernel_worker.answer({number}, {index}, {pieces[-1]!r})")
            )
        except _KernelError as error:
            raise WorkerLostError(f"the kernel lost its worker: {error}") from None

    async def cut_network(self) -> None:
        """Let nothing out of the cloud sandbox any more."""
        await self._cloud.ask(
            lambda **options: self.cloud_sandbox.update_network({"allow_internet_access": False}, **options)
        )

    async def _run(self, key: str, code: str) -> Any:
        """The answer that `code` prints, as often as it takes to get it whole; its numbers make that safe."""
        name = self.cloud_sandbox.sandbox_id
        retrying = _retrying(_NoAnswerError, lambda error: _log.info("E2B's sandbox %s: %s; retrying", name, error))
        try:
            return await retrying(self._try, key, code)
        except _NoAnswerError as error:
            raise WorkerLostError(f"no answer in {MAX_ATTEMPTS} tries; the last: {error}") from None

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
        if failure is not None and self._cloud.is_gone(failure):
            raise WorkerLostError(self._cloud.reason(failure))
        if failure is not None:
            raise _NoAnswerError(self._cloud.reason(failure))
        if end is not None and end.error is not None and end.error.name not in _INTERRUPTIONS:
            raise _KernelError(f"{end.error.name}: {end.error.value}")
        raise _NoAnswerError("the answer did not come through whole")

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(LIFETIME_SECONDS / 3)
            try:
                await self._cloud.ask(lambda **options: self.cloud_sandbox.set_timeout(LIFETIME_SECONDS, **options))
            except Exception as error:  # Whoever calls next will find out.
                _log.info("E2B's sandbox %s: %s", self.cloud_sandbox.sandbox_id, self._cloud.reason(error))

    async def end(self) -> None:
        """End the cloud sandbox, or tell the log why it goes on for a while. Never raises."""
        self._renewal.cancel()
        try:
            async with asyncio.timeout(_SHUTDOWN_TIMEOUT_SECONDS):
                await self._cloud.ask(lambda **options: self.cloud_sandbox.kill(**options))
        except Exception as error:
            _log.warning(
                "E2B's sandbox %s could not be ended (%s); it ends by itself within %d seconds",
                self.cloud_sandbox.sandbox_id,
                self._cloud.reason(error),
                LIFETIME_SECONDS,
            )


class _NoAnswerError(Exception):
    """No answer came, and asking again may bring it."""


class _KernelError(Exception):
    """Code of ours failed in a kernel."""


def _retrying(
    errors: type[Exception] | tuple[type[Exception], ...], on_retry: Callable[[BaseException], None]
) -> tenacity.AsyncRetrying:
    """Retry a call on `errors`, with exponential backoff and up to a factor of 2 of jitter."""
    half = {"multiplier": _FIRST_BACKOFF_SECONDS / 2, "max": _MAX_BACKOFF_SECONDS / 2}

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if error:
            on_retry(error)

    return tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(MAX_ATTEMPTS),
        wait=tenacity.wait_exponential(**half) + tenacity.wait_random_exponential(**half),
        retry=tenacity.retry_if_exception_type(errors),
        before_sleep=before_sleep,
        reraise=True,
    )


def _packed() -> str:
    """The code of `storm_calm.sandbox` as a zip file, in base64."""
    root = Path(storm_calm.__file__).parent
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (root / "__init__.py", *sorted((root / "sandbox").rglob("*.py"))):
            archive.write(path, path.relative_to(root.parent))
    return base64.b64encode(packed.getvalue()).decode()
