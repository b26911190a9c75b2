"""An event loop in a thread of its own, for the "e2b" backend: code that waits there can be given up at any moment."""

from __future__ import annotations

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
    """An event loop in a thread: only there a deadline holds against every kind of silence."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="e2b", daemon=True)
        self._lock = threading.Lock()
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], cancellation: Cancellation | None = None) -> T:
        """What `work` comes to. Raises WorkerLostError where the loop is closed, or it is cancelled, before its end."""
        with self._lock:
            if self._closed:
                work.close()
                raise WorkerLostError("the sandbox is closed")
            future = asyncio.run_coroutine_threadsafe(self._tracked(work), self._loop)
        try:
            with on_cancel(cancellation, future.cancel):
                return future.result()
        except concurrent.futures.CancelledError:
            raise WorkerLostError("the sandbox is closed, or the run was cancelled") from None
        except BaseException:
            future.cancel()  # Where the waiting was interrupted.
            raise

    def call_soon(self, action: Callable[[], object]) -> None:
        """Call `action` in the loop, if it is open."""
        with self._lock:
            if not self._closed:
                self._loop.call_soon_threadsafe(action)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let nothing begin any more, drop what is under way, do `last`, and end the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._shut_down(last), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _tracked(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await work
        finally:
            self._tasks.discard(task)

    async def _shut_down(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await _cancel(self._tasks.copy())
        await last()
        await _cancel(asyncio.all_tasks() - {asyncio.current_task()})


async def _cancel(tasks: set[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """A limit on what is in the `with` block; WorkerLostError when it is over."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise WorkerLostError(f"no answer within {seconds:g} seconds") from None
