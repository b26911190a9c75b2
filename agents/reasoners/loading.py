"""Wait for a model server that loads its model.

    loading = LoadingWait("http://localhost:8080/v1")
    while loading.pause(status, text):
        status, text = request()

llama.cpp and hosted endpoints answer 503 with such a message for up to minutes. A refused connection is not waited for:
most often it is a wrong address. Ctrl-C ends the wait at once, also in a thread of an event loop.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic, sleep
from typing import Any, TypeVar

LOADING_SECONDS = 600.0
"""The longest wait for one server."""
PAUSE_SECONDS = 1.0
"""Seconds between two requests."""
NOTICE_SECONDS = 15.0
"""Seconds between two lines of progress."""

_LOADING = re.compile(r"\bloading\b|\bnot (?:yet )?loaded\b|\bwarming up\b|\bstarting up\b", re.IGNORECASE)
_cancelled: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)
Result = TypeVar("Result")

log = logging.getLogger("storm")


def is_loading(status: int | None, text: str) -> bool:
    """Return whether a server's answer means that its model is being loaded."""
    return status == 503 and _LOADING.search(text[:2000]) is not None


class LoadingWait:
    """The wait for one server, with a line of progress on the log every few seconds."""

    def __init__(self, url: str) -> None:
        """url: for the progress."""
        self._url = url
        self._begun: float | None = None
        self._noticed = 0.0

    def pause(self, status: int | None, text: str) -> bool:
        """Sleep if the answer means that the model is being loaded. Return whether to repeat the request."""
        if not is_loading(status, text):
            return False
        now = monotonic()
        self._begun = now if self._begun is None else self._begun
        if now - self._begun > LOADING_SECONDS:
            return False
        if self._noticed == 0.0 or now - self._noticed >= NOTICE_SECONDS:
            self._noticed = now
            seconds = f", {now - self._begun:.0f} s" if now - self._begun >= 1 else ""
            log.warning("waiting for %s: Loading model%s", self._url, seconds)
        cancelled = _cancelled.get()
        if cancelled is None:
            sleep(PAUSE_SECONDS)
            return True
        return not cancelled.wait(PAUSE_SECONDS)


async def in_cancellable_thread(function: Callable[..., Result], *args: Any, **options: Any) -> Result:
    """Run `function` in a thread. If the task is cancelled, a wait in that thread ends, too."""
    cancelled = threading.Event()
    before = _cancelled.set(cancelled)
    try:
        return await asyncio.to_thread(function, *args, **options)
    except asyncio.CancelledError:
        # asyncio.run waits for its threads.
        cancelled.set()
        raise
    finally:
        _cancelled.reset(before)
