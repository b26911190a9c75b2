"""The connection to a session's supervisor, and the blocks that run over it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

from storm_calm.sandbox.backends.fork_server import ForkServer
from storm_calm.sandbox.backends.program_run import GRACE_SECONDS, ProgramRun, ServerLostError
from storm_calm.sandbox.base import Limits, Program
from storm_calm.sandbox.cancellation import RunCancelledError
from storm_calm.sandbox.execution import Execution
from storm_calm.sandbox.result_files import read_results

_OPEN_TIMEOUT_SECONDS = 30.0  # to begin a session
_REWIND_TIMEOUT_SECONDS = 5.0  # to bring a folder back
_CLOSE_TIMEOUT_SECONDS = 8.0  # to kill the processes of a session


class StateLostError(Exception):
    """The state that a block was to run on is gone; others may be there."""


@dataclass(slots=True)
class SupervisorConnection:
    """A session's processes, as seen from here."""

    server: ForkServer
    channel: socket.socket
    """To the fork server, which tells of the end of the session."""
    line: socket.socket
    """To the supervisor."""
    folder: int = -1
    """The blocks' folder, held open."""
    live: list[int] = field(default_factory=list)
    """The states that are there, by the numbers of the blocks that they are the state after."""

    @classmethod
    def open(cls, server: ForkServer, limits: Limits, seed: int) -> SupervisorConnection:
        """Begin a session. Raises ServerLostError where it can't be had."""
        channel, servers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line, supervisors = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection = cls(server, channel, line)
        try:
            with servers, supervisors:
                server.send(
                    {"session": True, "limits": limits.to_dict(), "seed": seed},
                    [servers.fileno(), supervisors.fileno()],
                )
            line.settimeout(_OPEN_TIMEOUT_SECONDS)
            message, files, _, _ = socket.recv_fds(line, 1 << 16, 1)
            if not message:
                raise ServerLostError(connection.last_words())
        except OSError as error:
            connection.close()
            raise ServerLostError(f"it is gone ({error})") from None
        except ServerLostError:
            connection.close()
            raise
        connection.folder = files[0]
        connection.live = json.loads(message)["live"]
        return connection

    def rewind(self, block: int) -> None:
        """Go back to a state that is there."""
        try:
            self.line.send(json.dumps({"call": "rewind", "block": block}).encode())
            self.line.settimeout(_REWIND_TIMEOUT_SECONDS)
            message = self.line.recv(1 << 16)
        except OSError as error:
            raise ServerLostError(f"the session is gone ({error})") from None
        if not message:
            raise ServerLostError(self.last_words())
        self.live = json.loads(message)["live"]

    def update(self, answer: dict[str, Any]) -> None:
        """Take note of what the supervisor said after a block."""
        self.live = answer["live"]
        if "lost" in answer:
            raise StateLostError(answer["lost"])

    def last_words(self) -> str:
        """Why the session ended, as far as the fork server knows."""
        with contextlib.suppress(OSError, ValueError):
            self.channel.settimeout(_CLOSE_TIMEOUT_SECONDS)
            ending = json.loads(self.channel.recv(1 << 16))
            self.server.remove_folder(ending)
            if ending["signal"] is not None:
                return f"the session's first process was killed by signal {ending['signal']}"
            return str(ending.get("fault", "the session's first process ended"))
        return "the fork server died"

    def close(self) -> None:
        """End all processes, and wait until they are gone."""
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
    """A block under way, together with those that run again before it."""

    _where: ClassVar[str] = "the session"

    connection: SupervisorConnection
    start: int
    """The state that it runs on."""
    blocks: list[tuple[int, Program]]
    """The blocks and their numbers, the new one last."""
    end: dict[str, Any] = field(default_factory=dict)
    """What the supervisor said of its end."""

    def finish(self) -> Execution:
        """Run the block to its end and return what came of it. Raises RunCancelledError if cancelled."""
        line = self.connection.line
        seconds = sum(program.limits.seconds + GRACE_SECONDS for _, program in self.blocks)

        def send(given: list[int]) -> None:
            line.settimeout(None)
            socket.send_fds(line, [json.dumps(self._order()).encode()], given)

        self.end = self._collect(line, send, time.monotonic() + seconds + _REWIND_TIMEOUT_SECONDS)
        self.connection.update(self.end)
        if self.cancelled:
            # If it had ended just before, its state is left over; the next block drops it.
            raise RunCancelledError("the block was cancelled")
        most = self.program.limits.file_mb << 20
        return self._execution(self.end, read_results(self.connection.folder, self.program.results, most))

    def _order(self) -> dict[str, Any]:
        number, _ = self.blocks[-1]
        seconds = [program.limits.seconds for _, program in self.blocks]
        memory_mb = self.program.limits.memory_mb
        return {"call": "block", "on": self.start, "number": number, "seconds": seconds, "memory_mb": memory_mb}

    def _package(self) -> dict[str, Any]:
        packed = [
            {
                "number": number,
                "code": program.code,
                "files": {name: base64.b64encode(content).decode() for name, content in program.files.items()},
                "seconds": program.limits.seconds,
            }
            for number, program in self.blocks
        ]
        return {**packed[-1], "before": packed[:-1], "nonce": self.nonce}

    def _is_first(self) -> bool:
        return False  # The supervisor is.

    def _receive_end(self, line: socket.socket) -> dict[str, Any]:
        message = line.recv(1 << 16)
        if not message:
            raise ServerLostError(self.connection.last_words())
        return dict(json.loads(message))

    def _check_exit_request(self, line: socket.socket) -> None:
        pass  # A block asks its supervisor.

    def _stop(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            line.send(json.dumps({"call": "stop"}).encode())
