"""The fork servers of a sandbox: one per import group, started on demand and replaced when dead."""

import threading
from collections.abc import Callable

from storm_calm.sandbox.backends.fork_server import ForkServer
from storm_calm.sandbox.execution import SandboxUnavailableError
from storm_calm.sandbox.import_groups import IMPORT_GROUPS


class ForkServerPool:
    """The running fork servers by import group. Thread-safe."""

    def __init__(self, launch: Callable[[tuple[str, ...]], ForkServer]) -> None:
        self._launch = launch
        self.running: dict[str, ForkServer] = {}
        self._locks = {group: threading.Lock() for group in IMPORT_GROUPS}
        self._closed = False

    def server(self, group: str, *, instead_of: ForkServer | None = None) -> ForkServer:
        """Return the fork server of `group`. Start one if necessary: at first, or if it died or is `instead_of`."""
        with self._locks[group]:  # one lock per group, as starting one takes seconds
            server = self.running.get(group)
            if self._closed:
                raise SandboxUnavailableError("the sandbox is closed")
            if server is None or server is instead_of or not server.alive():
                if server is not None:
                    server.close()
                server = self.running[group] = self._launch(IMPORT_GROUPS[group])
            return server

    def close(self) -> None:
        self._closed = True
        for group, lock in self._locks.items():
            with lock:
                server = self.running.pop(group, None)
                if server is not None:
                    server.close()
