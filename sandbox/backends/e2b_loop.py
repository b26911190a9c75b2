"""A background event loop for the "e2b" backend, in which every wait can be cancelled."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from storm_calm.sandbox.backends.remote import WorkerLostError
from storm_calm.sandbox.cancellation import Cancellation, on_cancel

T = TypeVar("T")


class BackgroundLoop:
    """An event loop in a background thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="e2b", daemon=True)
        self._lock = threading.Lock()
        self._closed = False
        self._futures: set[concurrent.futures.Future[Any]] = set()
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], cancellation: Cancellation | None = None) -> T:
        """Return the result of `work`. Raises WorkerLostError if it is cancelled or the loop is closed."""
        with self._lock:
            if self._closed:
                work.close()
                raise WorkerLostError("the sandbox is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._futures.add(future)
        try:
            with on_cancel(cancellation, future.cancel):
                return future.result()
        except concurrent.futures.CancelledError:
            raise WorkerLostError("the sandbox is closed, or the run was cancelled") from None
        finally:
            future.cancel()  # The wait may have been interrupted.
            self._futures.discard(future)

    def call_soon(self, action: Callable[[], object]) -> None:
        """Call `action` in the loop, unless it is closed."""
        with self._lock:
            if not self._closed:
                self._loop.call_soon_threadsafe(action)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel all work, run `last`, and end the thread. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for future in self._futures.copy():
            future.cancel()
        asyncio.run_coroutine_threadsafe(_shut_down(last), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _shut_down(last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await last()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Limit the time of the `with` block. Raises WorkerLostError when it is over."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise WorkerLostError(f"no answer within {seconds:g} seconds") from None
