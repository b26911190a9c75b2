"""The caller's side of the self-check: secrets, a folder and sockets that programs must not reach."""

import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

MARK = "-".join(["storm", "canary", ""])
"""The prefix of every secret, by which a program can search for them. Joined here so that this file is not a match."""

_VARIABLE = "STORM_CANARY_API_KEY"
_EXIT_TIMEOUT_SECONDS = 2.0  # for killed processes to disappear on a busy machine


class Outside:
    """Targets on this machine that no program in a sandbox may reach. Use it in a `with`.

    Create it before the sandbox is opened: its secrets are then in the memory that a fork of this process copies.
    `add_secret` adds secrets that are not.
    """

    def __init__(self) -> None:
        self._closing = contextlib.ExitStack()
        self._secrets: dict[str, bytes] = {}  # in plain form, so that a program that reads this memory finds them
        self._lock = threading.Lock()
        self._seen: list[str] = []

    def __enter__(self) -> Self:
        self.folder = self._closing.enter_context(tempfile.TemporaryDirectory(prefix="outside-", dir="/tmp"))
        os.chmod(self.folder, 0o777)
        self.add_secret("the caller's memory, from before the sandbox was opened")
        os.environ[_VARIABLE] = self.add_secret("the caller's environment").decode()
        self._closing.callback(os.environ.pop, _VARIABLE, None)
        self.secret_file = f"{self.folder}/secret"
        Path(self.secret_file).write_bytes(self.add_secret("a file of the caller"))
        os.chmod(self.secret_file, 0o666)
        self._tcp = self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self._udp = self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self._file = self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"{self.folder}/socket")
        os.chmod(f"{self.folder}/socket", 0o777)
        self.abstract = secrets.token_hex(8)
        self._name = self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.abstract}")
        self._content = self._list_folder()
        return self

    def __exit__(self, *exception: object) -> None:
        self._secrets.clear()
        self._closing.close()

    def add_secret(self, where: str) -> bytes:
        """Add a new secret to this process's memory. where: the place that a program has read if it knows it."""
        secret = f"{MARK}{secrets.token_hex(16)}".encode()
        self._secrets[where] = secret
        return secret

    def knowledge(self, token: str) -> str:
        """Return one line of Python that gives a program its targets, but no secret.

        It sets PORT, UDP_PORT, FOLDER, SECRET_FILE, SOCKET (a path), ABSTRACT (a socket's name), TOKEN (the case's),
        MARK_PIECES (MARK, split at "-"), and DIGESTS: the place of each secret by the SHA-256 of its part after MARK.
        """
        digests = {_digest(secret): where for where, secret in self._secrets.items()}
        digests[_digest(_earlier_secret(token))] = "an earlier program"
        values = {
            "PORT": self._tcp.getsockname()[1],
            "UDP_PORT": self._udp.getsockname()[1],
            "FOLDER": self.folder,
            "SECRET_FILE": self.secret_file,
            "SOCKET": f"{self.folder}/socket",
            "ABSTRACT": f"\0{self.abstract}",
            "TOKEN": token,
            "MARK_PIECES": MARK.split("-"),
            "DIGESTS": digests,
        }
        return "; ".join(f"{name} = {value!r}" for name, value in values.items()) + "\n"

    def processes(self, token: str) -> list[int]:
        """Return the processes on this machine with `token` in their name or command line, after a wait for exits."""
        deadline = time.monotonic() + _EXIT_TIMEOUT_SECONDS
        while (found := _processes_with(token.encode())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def changes(self) -> list[str]:
        """Describe the connections, datagrams and changes of the folder so far."""
        with self._lock:
            for name, server in (("TCP", self._tcp), ("a socket file", self._file), ("an abstract socket", self._name)):
                with contextlib.suppress(BlockingIOError):
                    server.accept()[0].close()
                    self._seen.append(f"a program connected by {name}")
            with contextlib.suppress(BlockingIOError):
                self._udp.recv(1)
                self._seen.append("a program sent a datagram")
            content = self._list_folder()
            if content != self._content:
                self._seen.append(f"the folder was changed: {sorted(content ^ self._content)}")
                self._content = content
            return list(self._seen)

    def _list_folder(self) -> set[tuple[str, int, int]]:
        found = set()
        for entry in os.scandir(self.folder):
            status = entry.stat(follow_symlinks=False)
            found.add((entry.name, status.st_size, status.st_mtime_ns))
        return found

    def _listen(self, family: int, kind: int, address: str | tuple[str, int]) -> socket.socket:
        server = self._closing.enter_context(socket.socket(family, kind))
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.setblocking(False)
        return server


def _earlier_secret(token: str) -> bytes:
    """Return the secret that the first program of a case derives from its token, as the target of the second one."""
    return (MARK + hashlib.sha256(token.encode()).hexdigest()[:32]).encode()


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret.removeprefix(MARK.encode())).hexdigest()


def _processes_with(token: bytes) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/comm").read_bytes()
        except OSError:
            continue
        if token in text:
            found.append(int(pid))
    return found
