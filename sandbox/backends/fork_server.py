"""Starting the fork server's process, and the line to it."""

from __future__ import annotations

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
_WATCHED = "memory is looked at every 20 ms, the processor shared out by session"
_STARTUP_TIMEOUT_SECONDS = 60.0  # to load the libraries: the first time on a slow disk


@dataclass(slots=True)
class ForkServer:
    """A fork server that is ready."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    scratch: str
    isolation: Isolation
    missing: tuple[str, ...]
    inherited_bytes: int
    cgroups: ControlGroups | None = None
    resource_control: str = ""
    """What limits memory and processor time of programs."""

    def alive(self) -> bool:
        """Whether its process is running."""
        return self.process.poll() is None

    def send(self, order: dict[str, Any], files: list[int]) -> None:
        """Give it something to run. Safe from many threads: an order is one message."""
        socket.send_fds(self.control, [json.dumps(order).encode()], files)

    def remove_folder(self, ending: dict[str, Any]) -> None:
        """Remove the folder of a program that ended, if it had one on this machine's disk.

        ending: what the fork server reported. It names the folder by a number, so that nothing outside of `scratch`
            can ever be meant.
        """
        number = ending.get("folder")
        if self.isolation != "full" and isinstance(number, int):
            remove_folder.remove(f"{self.scratch}/{number:d}")

    def close(self) -> None:
        """End it, and with it all its programs."""
        _end(self.process, self.control, self.scratch, self.cgroups)


def launch(
    libraries: Iterable[str],
    *,
    minimum_isolation: Isolation,
    isolation: Isolation,
    limits: Limits,
    spares: int,
    workers: int,
    dedicated: bool,
    paths: Iterable[str],
    control_groups: bool = True,
) -> ForkServer:
    """Start a fork server that has `libraries` loaded, as far as they are installed.

    spares: children to keep ready, made for `limits`.
    workers: how many programs run at once.
    dedicated: whether nothing but this sandbox runs on this machine, as in a container made for it.
    paths: the files and folders of all libraries that programs can import.
    control_groups: whether to use them if they can be had.
    Raises SandboxUnavailableError where the machine can't reach `minimum_isolation`.
    """
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    scratch = tempfile.mkdtemp(prefix="sandbox-", dir=_temporary_folder())
    cgroups, resource_control = _control_groups(workers) if control_groups else (None, f"{_WATCHED} (as asked)")
    cgroup_fds = [os.open(tree.folder, os.O_RDONLY | os.O_DIRECTORY) for tree in cgroups.trees] if cgroups else []
    settings = {
        "caller": os.getpid(),
        "cgroups": [cgroups.version, list(zip(cgroup_fds, [tree.controllers for tree in cgroups.trees], strict=True))]
        if cgroups
        else None,
        "control": theirs.fileno(),
        "isolation": isolation,
        "minimum_isolation": minimum_isolation,
        "scratch": scratch,
        "libraries": list(libraries),
        "paths": list(paths),
        "dedicated": dedicated,
        "limits": limits.to_dict(),
        "spares": spares,
    }
    root = os.path.dirname(os.path.dirname(os.path.abspath(storm_calm.__file__)))
    with theirs, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            # No user's packages, no folder of the caller, no variables but ours: as -I, but with a fixed hash seed.
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
        try:
            if cgroups:
                cgroups.add_server(process.pid)
        except NoControlGroupsError as error:
            _end(process, control, scratch, cgroups)
            raise SandboxUnavailableError(str(error)) from None
        control.settimeout(_STARTUP_TIMEOUT_SECONDS)
        try:
            message = control.recv(1 << 16)
        except TimeoutError:
            message = b""
        answer = json.loads(message) if message else None
        if answer is None or answer.get("refused"):
            _end(process, control, scratch, cgroups)
            errors.seek(0)
            raise SandboxUnavailableError(_refusal(minimum_isolation, answer, errors.read()))
    control.settimeout(None)
    if answer["isolation"] == "full":
        remove_folder.remove(scratch)  # Not needed, and out of the fork server's reach should this process be killed.
    return ForkServer(
        process,
        control,
        scratch,
        answer["isolation"],
        tuple(answer["missing"]),
        answer["inherited_bytes"],
        cgroups,
        resource_control,
    )


def _temporary_folder() -> str:
    """Where programs' folders go: a folder that also a user without rights can reach, as root's programs are one."""
    folder = tempfile.gettempdir()
    if os.geteuid() == 0:
        closed = [parent for parent in (Path(folder), *Path(folder).parents) if not parent.stat().st_mode & 1]
        if closed and os.path.isdir("/tmp"):
            return "/tmp"
    return folder


def _control_groups(workers: int) -> tuple[ControlGroups | None, str]:
    """The control groups for a fork server, and what limits its programs, in words."""
    try:
        cgroups = ControlGroups.create(owner=os.geteuid() or namespaces.NOBODY, programs=workers)
    except NoControlGroupsError as error:
        return None, f"{_WATCHED}; {error}"
    return cgroups, str(cgroups)


def _end(process: subprocess.Popen[bytes], control: socket.socket, scratch: str, cgroups: ControlGroups | None) -> None:
    with contextlib.suppress(OSError):
        # Also where a forked copy of this process holds the socket too: it is shut for both.
        control.shutdown(socket.SHUT_RDWR)
    control.close()
    try:
        process.wait(timeout=6)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if cgroups:
        cgroups.remove()
    remove_folder.remove(scratch)


def _refusal(minimum: Isolation, answer: dict[str, Any] | None, errors: bytes) -> str:
    if answer is None:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        return f"the fork server did not start: {last or 'it gave no reason'}"
    reached = cast(str | None, answer["isolation"])
    if reached is None:
        return f"no program can run here: {'; '.join(answer['missing'])}"
    return too_little_isolation("this machine", reached, minimum, answer["missing"])
