"""Creation, setup and end of E2B's cloud sandboxes, in one event loop."""

import asyncio
import base64
import io
import uuid
import zipfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import storm_calm
from storm_calm.sandbox.backends import e2b_worker
from storm_calm.sandbox.backends.e2b_api import E2BApi
from storm_calm.sandbox.backends.e2b_loop import BackgroundLoop, deadline
from storm_calm.sandbox.backends.e2b_worker import CloudWorker, KernelError
from storm_calm.sandbox.backends.remote import RemoteWorker, WorkerLostError
from storm_calm.sandbox.execution import SandboxUnavailableError

_OPEN_TIMEOUT_SECONDS = 600.0  # to create a cloud sandbox, or to install and load the libraries
KEY_HELP = "set E2B_API_KEY to a key from https://e2b.dev/dashboard, or pass api_key="


class E2BCloud:
    """The cloud sandboxes of one key and one template."""

    def __init__(self, key: str, template: str | None, settings: dict[str, Any]) -> None:
        self._api = E2BApi(key)
        self._template = template
        self._settings = settings
        self._workers: set[CloudWorker] = set()
        self.loop = BackgroundLoop()

    def open(self) -> RemoteWorker:
        """Create a cloud sandbox and set it up. Raises SandboxUnavailableError on failure."""
        reasons = []
        for _ in range(2):
            try:
                return self.loop.run(self._open())
            except WorkerLostError as error:
                reasons.append(str(error))
        raise SandboxUnavailableError(f"E2B's sandbox was lost twice during setup: {'; '.join(reasons)}")

    def close(self) -> None:
        """End all cloud sandboxes. One that is just being created expires after its lifetime."""
        self.loop.close(self._end_all)

    async def _open(self) -> CloudWorker:
        worker = CloudWorker(self._api, self.loop, self.end, await self._create())
        self._workers.add(worker)
        try:
            async with deadline(_OPEN_TIMEOUT_SECONDS):
                await self._set_up(worker)
        except BaseException:
            self.end(worker)
            raise
        return worker

    def end(self, worker: CloudWorker) -> asyncio.Task[None]:
        """Start the task that ends `worker`, or return the running one."""
        if worker.ending is None:
            worker.ending = asyncio.get_running_loop().create_task(worker.end())
            worker.ending.add_done_callback(lambda _: self._workers.discard(worker))
        return worker.ending

    async def _end_all(self) -> None:
        if self._workers:
            await asyncio.wait([self.end(worker) for worker in self._workers])

    async def _create(self) -> Any:
        idempotency_key = str(uuid.uuid4())  # A retried request creates no second sandbox.

        def request(**options: Any) -> Awaitable[Any]:
            return self._api.sandbox_class.create(
                template=self._template,
                timeout=e2b_worker.LIFETIME_SECONDS,
                envs={},
                metadata={"made-by": "storm-calm"},
                allow_internet_access=self._settings["internet"],
                idempotency_key=idempotency_key,
                **options,
            )

        try:
            async with deadline(_OPEN_TIMEOUT_SECONDS):
                return await self._api.ask(request)
        except self._api.refused_key as error:
            raise SandboxUnavailableError(f"E2B refuses the key ({self._api.reason(error)}): {KEY_HELP}") from None
        except Exception as error:
            reason = self._api.reason(error)
        template = f"template {self._template!r}" if self._template else "its own template"
        raise SandboxUnavailableError(
            f"E2B did not create a sandbox from {template}: {reason}. Check https://status.e2b.dev and your account's "
            "limits, or pass another template= or fewer workers="
        )

    async def _set_up(self, worker: CloudWorker) -> None:
        try:
            await worker.unpack(_packed())
        except KernelError as error:
            raise SandboxUnavailableError(
                f"E2B's template can't run this package ({error}); pass a template= with Python 3.11 or later, such as "
                "one built from code-interpreter-v1"
            ) from None
        answer = await worker.ask({"call": "begin", "settings": self._settings})
        if "fault" in answer:
            raise SandboxUnavailableError(f"setup of E2B's sandbox failed: {answer['fault']}")
        if self._settings["internet"]:
            try:
                await worker.disable_network()
            except Exception as error:
                raise SandboxUnavailableError(
                    f"E2B did not disable the network of its sandbox: {self._api.reason(error)}; pass a template= "
                    "that contains the libraries, which needs no network"
                ) from None


def _packed() -> str:
    """Return the source of `storm_calm.sandbox` as a zip file, in base64."""
    root = Path(storm_calm.__file__).parent
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (root / "__init__.py", *sorted((root / "sandbox").rglob("*.py"))):
            archive.write(path, path.relative_to(root.parent))
    return base64.b64encode(packed.getvalue()).decode()
