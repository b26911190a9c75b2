"""The sandbox of this process, and calls to it from Inspect's event loop."""

import atexit
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import anyio
import anyio.to_thread

from storm_calm.sandbox import Cancellation, Sandbox, open_sandbox

T = TypeVar("T")


@cache
def shared_sandbox() -> Sandbox:
    """Return the sandbox that all samples share. Its fork servers start once, and end with the process."""
    sandbox = open_sandbox()
    atexit.register(sandbox.close)
    return sandbox


async def in_thread(work: Callable[[], T], cancellation: Cancellation) -> T:
    """Return the result of blocking work. If Inspect cancels the sample, the running program ends too."""
    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        cancellation.cancel()
        raise
