"""Sessions of programs: blocks of code that share variables and files, as in a notebook."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from storm_calm.sandbox import Cancellation, Execution, Limits, Sandbox
from storm_calm.serving.mcp.quota import Quota
from storm_calm.serving.mcp.tool_errors import ToolError


class Notebook:
    """A session of the sandbox, used by one call at a time."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self.id = f"session-{secrets.token_hex(8)}"
        self.used = time.monotonic()
        self._session = sandbox.session(limits=limits)
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        return self._lock.locked()

    def run(
        self, code: str, *, limits: Limits, files: Mapping[str, bytes], results: tuple[str, ...], stop: Cancellation
    ) -> Execution:
        """Run a block. Raises ToolError while another one runs."""
        if not self._lock.acquire(blocking=False):
            raise ToolError("busy", f"session: another program runs in {self.id}; wait for it, or use another session")
        try:
            self.used = time.monotonic()
            return self._session.run(code, limits=limits, files=files, results=results, record=True, cancellation=stop)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the session's processes, after the block that runs."""
        with self._lock:
            self._session.close()


class Notebooks:
    """The sessions of one client."""

    def __init__(self, sandbox: Sandbox, limits: Limits, threads: Executor, quota: Quota) -> None:
        self._quota = quota
        self._sandbox, self._limits, self._threads = sandbox, limits, threads
        self._notebooks: OrderedDict[str, Notebook] = OrderedDict()
        self._closed: dict[str, None] = {}

    def open(self) -> Notebook:
        """Open a session. Raises ToolError if all are in use."""
        if len(self._notebooks) >= self._quota.sessions:
            idle = min((one for one in self._notebooks.values() if not one.busy), key=_last_use, default=None)
            if idle is None:
                raise ToolError("busy", f"session: all {self._quota.sessions} sessions run programs; wait for one")
            del self._notebooks[idle.id]
            self._closed[idle.id] = None
            self._in_thread(idle.close)
        notebook = Notebook(self._sandbox, self._limits)
        self._notebooks[notebook.id] = notebook
        return notebook

    def get(self, session_id: str) -> Notebook:
        """Return a session. Raises ToolError for an unknown ID."""
        notebook = self._notebooks.get(session_id)
        if notebook is None:
            closed = session_id in self._closed
            text = (
                f"was closed: a client has {self._quota.sessions} at a time" if closed else "is not one of this client"
            )
            raise ToolError("not_found", f'session: {session_id[:60]!r} {text}; give "new" to open one')
        return notebook

    def close(self) -> list[Any]:
        """Close all sessions in threads; return the futures."""
        closing = [self._in_thread(notebook.close) for notebook in self._notebooks.values()]
        self._notebooks.clear()
        return closing

    def _in_thread(self, work: Callable[[], None]) -> Any:
        return self._threads.submit(work)


def _last_use(notebook: Notebook) -> float:
    return notebook.used
