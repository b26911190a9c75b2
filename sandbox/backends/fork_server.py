"""Start of fork servers, and the connection to them."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import storm_calm
from storm_calm.sandbox.base import Limits, too_little_isolation
from storm_calm.sandbox.cgroups import ControlGroups, NoControlGroupsError
from storm_calm.sandbox.execution import Isolation, SandboxUnavailableError
from storm_calm.sandbox.zygote import namespaces, remove_folder
from storm_calm.sandbox.zygote.child import program_environment

_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv.pop(1)); import storm_calm.sandbox.zygote.startup as s; s.main()"
_WITHOUT_CGROUPS = "memory is checked every 20 ms, CPU time is shared by session"
_STARTUP_TIMEOUT_SECONDS = 60.0  # to load the libraries from a slow disk


@dataclass(slots=True)
class ForkServer:
    """The process of a fork server, and the connection to it."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    scratch: str
    cgroups: ControlGroups | None
    resource_control: str
    isolation: Isolation = "limits"
    missing: tuple[str, ...] = ()
    inherited_bytes: int = 0
    """Memory that programs share with the fork server."""

    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, order: dict[str, Any], files: list[int]) -> None:
        """Send a job with its file descriptors, in one message. Thread-safe."""
        socket.send_fds(self.control, [json.dumps(order).encode()], files)

    def remove_folder(self, ending: dict[str, Any]) -> None:
        """Remove the folder of a program that ended, unless it was in a private mount."""
        number = ending.get("folder")  # a number, so that no path outside of `scratch` is possible
        if self.isolation != "full" and isinstance(number, int):
            remove_folder.remove(f"{self.scratch}/{number:d}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            # Also closes copies of the socket in forked children of this process.
            self.control.shutdown(socket.SHUT_RDWR)
        self.control.close()
        try:
            self.process.wait(timeout=6)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.cgroups:
            self.cgroups.remove()
        remove_folder.remove(self.scratch)


def launch(
    libraries: Iterable[str],
    *,
    minimum_isolation: Isolation,
    isolation: Isolation,
    limits: Limits,
    workers: int,
    dedicated: bool,
    paths: Iterable[str],
    control_groups: bool = True,
) -> ForkServer:
    """Start a fork server and preload `libraries`, as far as they are installed.

    limits: of the children to prepare. workers: number of programs that run at once.
    paths: the files and folders of all libraries that programs can import.
    dedicated, control_groups: see `LocalSandbox`.
    Raises SandboxUnavailableError if the machine can't reach `minimum_isolation`.
    """
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    scratch = tempfile.mkdtemp(prefix="sandbox-", dir=_temporary_folder())
    unused = (None, f"{_WITHOUT_CGROUPS} (control_groups=False)")
    cgroups, resource_control = _control_groups(workers) if control_groups else unused
    trees = cgroups.trees if cgroups else ()
    cgroup_fds = [os.open(tree.folder, os.O_RDONLY | os.O_DIRECTORY) for tree in trees]
    hierarchies = [(fd, tree.controllers) for fd, tree in zip(cgroup_fds, trees, strict=True)]
    settings = {
        "caller": os.getpid(),
        "cgroups": [cgroups.version, hierarchies] if cgroups else None,
        "control": theirs.fileno(),
        "isolation": isolation,
        "minimum_isolation": minimum_isolation,
        "scratch": scratch,
        "libraries": list(libraries),
        "paths": list(paths),
        "dedicated": dedicated,
        "limits": limits.to_dict(),
        "spares": min(2, workers),
    }
    root = os.path.dirname(os.path.dirname(os.path.abspath(storm_calm.__file__)))
    with theirs, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            # Isolated from the user's packages, the working folder and the environment, with a fixed hash seed.
            [sys.executable, "-s", "-P", "-c", _BOOTSTRAP, root, json.dumps(settings)],
            env=program_environment("/", ""),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[theirs.fileno(), *cgroup_fds],
            start_new_session=True,
        )
        theirs.close()
        for fd in cgroup_fds:
            os.close(fd)
        server = ForkServer(process, control, scratch, cgroups, resource_control)
        try:
            if cgroups:
                cgroups.add_server(process.pid)
            control.settimeout(_STARTUP_TIMEOUT_SECONDS)
            message = control.recv(1 << 16)
        except NoControlGroupsError as error:
            server.close()
            raise SandboxUnavailableError(str(error)) from None
        except TimeoutError:
            message = b""
        answer = json.loads(message) if message else None
        if answer is None or answer.get("refused"):
            server.close()
            errors.seek(0)
            raise SandboxUnavailableError(_refusal(minimum_isolation, answer, errors.read()))
    control.settimeout(None)
    server.isolation, server.missing = answer["isolation"], tuple(answer["missing"])
    server.inherited_bytes = answer["inherited_bytes"]
    if server.isolation == "full":
        remove_folder.remove(scratch)  # It is unused, and the fork server could not remove it if this process dies.
    return server


def _temporary_folder() -> str:
    """Return the parent of the programs' folders; for root, one that unprivileged users can reach, too."""
    folder = tempfile.gettempdir()
    if os.geteuid() != 0 or not os.path.isdir("/tmp"):
        return folder
    open_to_all = all(parent.stat().st_mode & 1 for parent in (Path(folder), *Path(folder).parents))
    return folder if open_to_all else "/tmp"


def _control_groups(workers: int) -> tuple[ControlGroups | None, str]:
    """Return the control groups for a fork server, and the description of its resource control."""
    try:
        cgroups = ControlGroups.create(owner=os.geteuid() or namespaces.NOBODY, programs=workers)
    except NoControlGroupsError as error:
        return None, f"{_WITHOUT_CGROUPS}; {error}"
    return cgroups, str(cgroups)


def _refusal(minimum: Isolation, answer: dict[str, Any] | None, errors: bytes) -> str:
    if answer is None:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        return f"the fork server did not start: {last or 'it printed no error'}"
    reached = cast(str | None, answer["isolation"])
    if reached is None:
        return f"no program can run here: {'; '.join(answer['missing'])}"
    return too_little_isolation("this machine", reached, minimum, answer["missing"])
