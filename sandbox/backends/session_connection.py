"""The connection to a session's supervisor, and the runs of its blocks."""

import contextlib
import json
import os
import socket
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from storm_calm.sandbox.backends.fork_server import ForkServer
from storm_calm.sandbox.backends.program_run import GRACE_SECONDS, ProgramRun, ServerLostError
from storm_calm.sandbox.base import Limits, Program
from storm_calm.sandbox.cancellation import RunCancelledError
from storm_calm.sandbox.execution import Execution
from storm_calm.sandbox.result_files import read_results

_OPEN_TIMEOUT_SECONDS = 30.0
_REWIND_TIMEOUT_SECONDS = 5.0  # to restore the folder
_CLOSE_TIMEOUT_SECONDS = 8.0  # to kill the session's processes


class StateLostError(Exception):
    """The state on which a block should run is lost; earlier ones may exist."""


@dataclass(slots=True)
class SupervisorConnection:
    """The connection to a session's processes."""

    server: ForkServer
    channel: socket.socket
    """To the fork server, which reports the end of the session."""
    line: socket.socket
    """To the supervisor."""
    folder: int = -1
    """File descriptor of the session's folder."""
    live: list[int] = field(default_factory=list)
    """The existing states, each by the number of the block before it."""

    @classmethod
    def open(cls, server: ForkServer, limits: Limits, seed: int) -> Self:
        """Start a session. Raises ServerLostError on failure."""
        channel, servers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line, supervisors = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection = cls(server, channel, line)
        try:
            with servers, supervisors:
                order = {"session": True, "limits": limits.to_dict(), "seed": seed}
                server.send(order, [servers.fileno(), supervisors.fileno()])
            line.settimeout(_OPEN_TIMEOUT_SECONDS)
            message, files = connection.receive()
        except OSError as error:
            connection.close()
            raise ServerLostError(f"it is gone ({error})") from None
        except ServerLostError:
            connection.close()
            raise
        connection.folder = files[0]
        connection.live = message["live"]
        return connection

    def rewind(self, block: int) -> None:
        """Return to an existing state."""
        try:
            self.line.send(json.dumps({"call": "rewind", "block": block}).encode())
            self.line.settimeout(_REWIND_TIMEOUT_SECONDS)
            self.live = self.receive()[0]["live"]
        except OSError as error:
            raise ServerLostError(f"the session is gone ({error})") from None

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """Return the supervisor's next message and its file descriptors. Raises ServerLostError if it ended."""
        message, files, _, _ = socket.recv_fds(self.line, 1 << 16, 1)
        if not message:
            raise ServerLostError(self.end_reason())
        return dict(json.loads(message)), files

    def end_reason(self) -> str:
        """Return why the session ended, as the fork server reports it."""
        with contextlib.suppress(OSError, ValueError):
            self.channel.settimeout(_CLOSE_TIMEOUT_SECONDS)
            ending = json.loads(self.channel.recv(1 << 16))
            self.server.remove_folder(ending)
            if ending["signal"] is not None:
                return f"the session's first process was killed by signal {ending['signal']}"
            return str(ending.get("fault", "the session's first process ended"))
        return "the fork server died"

    def close(self) -> None:
        """End all processes, and wait for their end."""
        self.line.close()
        with contextlib.suppress(OSError, ValueError):
            self.channel.shutdown(socket.SHUT_WR)
            self.channel.settimeout(_CLOSE_TIMEOUT_SECONDS)
            self.server.remove_folder(json.loads(self.channel.recv(1 << 16)))
        self.channel.close()
        if self.folder >= 0:
            os.close(self.folder)
            self.folder = -1


@dataclass(slots=True, kw_only=True)
class BlockRun(ProgramRun):
    """A running block, together with those that run again before it."""

    _where: ClassVar[str] = "the session"

    connection: SupervisorConnection
    start: int
    """The number of the state it runs on."""
    blocks: list[tuple[int, Program]]
    """The blocks with their numbers, the new one last."""
    end: dict[str, Any] = field(default_factory=dict)
    """The supervisor's message about its end."""

    def finish(self) -> Execution:
        line = self.connection.line
        seconds = [program.limits.seconds for _, program in self.blocks]
        number, memory_mb = self.blocks[-1][0], self.program.limits.memory_mb
        order = {"call": "block", "on": self.start, "number": number, "seconds": seconds, "memory_mb": memory_mb}

        def send(given: list[int]) -> None:
            line.settimeout(None)
            socket.send_fds(line, [json.dumps(order).encode()], given)

        wait = sum(seconds) + len(seconds) * GRACE_SECONDS + _REWIND_TIMEOUT_SECONDS
        self.end = self._collect(line, send, time.monotonic() + wait)
        self.connection.live = self.end["live"]
        if "lost" in self.end:
            raise StateLostError(self.end["lost"])
        if self.cancelled:
            # If it had already finished, the next block drops its state.
            raise RunCancelledError("the block was cancelled")
        most = self.program.limits.file_mb << 20
        return self._execution(self.end, read_results(self.connection.folder, self.program.results, most))

    def _package(self) -> dict[str, Any]:
        blocks = [{**block.to_dict(), "number": n, "seconds": block.limits.seconds} for n, block in self.blocks]
        return {**blocks[-1], "before": blocks[:-1], "nonce": self.reports.nonce}

    def _is_first(self) -> bool:
        return False  # The supervisor is the first process.

    def _receive_end(self, line: socket.socket) -> dict[str, Any]:
        return self.connection.receive()[0]

    def _check_exit_request(self, line: socket.socket) -> None:
        pass  # The supervisor handles the requests of blocks.

    def _stop(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            line.send(json.dumps({"call": "stop"}).encode())
