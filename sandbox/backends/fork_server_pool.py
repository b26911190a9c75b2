"""The fork servers of a sandbox: one for each group of libraries, started when first needed, replaced when dead."""

from __future__ import annotations

import threading
from collections.abc import Callable

from storm_calm.sandbox.backends.fork_server import ForkServer
from storm_calm.sandbox.execution import SandboxUnavailableError
from storm_calm.sandbox.import_groups import IMPORT_GROUPS


class ForkServerPool:
    """Hands out living fork servers, also to many threads at once."""

    def __init__(self, launch: Callable[[tuple[str, ...]], ForkServer]) -> None:
        """launch: starts a fork server that has the libraries loaded."""
        self._launch = launch
        self.running: dict[str, ForkServer] = {}
        """The fork servers that were started, by import group."""
        self._locks = {group: threading.Lock() for group in IMPORT_GROUPS}
        self._closed = False

    def server(self, group: str, *, instead_of: ForkServer | None = None) -> ForkServer:
        """The fork server of `group`, a new one where there is none, or it died, or is `instead_of`, which failed.

        Raises SandboxUnavailableError where it can't be started, or the pool is closed.
        """
        with self._locks[group]:  # Those who need another group don't wait for this one to start.
            server = self.running.get(group)
            if self._closed:
                raise SandboxUnavailableError("the sandbox is closed")
            if server is None or server is instead_of or not server.alive():
                if server is not None:
                    server.close()
                server = self.running[group] = self._launch(IMPORT_GROUPS[group])
            return server

    def close(self) -> None:
        """End all fork servers, and with them their programs."""
        self._closed = True
        for group, lock in self._locks.items():
            with lock:
                server = self.running.pop(group, None)
                if server is not None:
                    server.close()
