"""Make room for the control groups of a fork server: hard limits on memory and processes, equal shares of CPU time.

The caller finds the folder in which it may make groups, makes one there for the fork server and hands it over; inside
it the fork server makes a group for each program (`sandbox.zygote.program_cgroups`). Version 2 is used if it governs
memory, else version 1. If the kernel shares the processor out by session (autogroup), that is left to it: it does the
same, and beside a program with many processes the others wait less.

    https://docs.kernel.org/admin-guide/cgroup-v2.html    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from storm_calm.sandbox.zygote.processes import stat_fields

Version = Literal[1, 2]
CONTROLLERS = ("memory", "pids", "cpu")
"""What is used; without "memory" control groups are of no use here."""

_PREFIX = "storm-sandbox-"
_SERVER = "server"  # the fork server's own group: its programs start in it and move on
# File, share of a program and of the fork server, the largest. With more for the fork server, programs waited up to
# 0.8 s for the processor beside one with 60 processes.
_SHARE = {1: ("cpu.shares", 1024, 262_144), 2: ("cpu.weight", 100, 10_000)}
_REMOVE_TIMEOUT_SECONDS = 3.0  # for killed processes to leave their groups


class NoControlGroupsError(Exception):
    """Control groups can't be had here; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hierarchy:
    """A hierarchy of control groups, and the folder in it that belongs to one fork server."""

    folder: str
    """The folder's path."""
    controllers: tuple[str, ...]
    """What it governs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlGroups:
    """The folders of one fork server, one in version 2, one for each controller in version 1."""

    version: Version
    trees: tuple[Hierarchy, ...]

    @classmethod
    def create(cls, *, owner: int, programs: int, root: str = "/") -> ControlGroups:
        """Make the folders, and remove what callers left behind that are gone.

        owner: the user id that the fork server will have. programs: how many run at once, to size their CPU share.
        root: where /proc and /sys are found.
        Raises NoControlGroupsError if this process may not make control groups.
        """
        version, parents = _parents(root)
        name = f"{_PREFIX}{os.getpid()}-{_start_time(os.getpid())}-{secrets.token_hex(4)}"
        trees: list[Hierarchy] = []
        try:
            for parent, controllers in parents:
                _sweep(parent)
                folder = f"{parent}/{name}"
                os.mkdir(folder)
                trees.append(Hierarchy(folder=folder, controllers=controllers))
                os.mkdir(f"{folder}/{_SERVER}")
                if version == 2:
                    _write(f"{folder}/cgroup.subtree_control", " ".join(f"+{one}" for one in controllers))
                if "cpu" in controllers:
                    file, share, largest = _SHARE[version]
                    _write(f"{folder}/{file}", str(min(share * (programs + 1), largest)))
                _hand_over(folder, owner)
        except OSError as error:
            cls(version=version, trees=tuple(trees)).remove()
            raise NoControlGroupsError(f"control groups can't be made ({error})") from None
        return cls(version=version, trees=tuple(trees))

    def add_server(self, pid: int) -> None:
        """Move the fork server's process into its own group. Raises NoControlGroupsError if the kernel refuses."""
        try:
            for tree in self.trees:
                _write(f"{tree.folder}/{_SERVER}/cgroup.procs", str(pid))
        except OSError as error:
            raise NoControlGroupsError(f"the fork server can't be moved to a control group ({error})") from None

    def remove(self) -> None:
        """Kill what is left in the groups and remove them. A second call does nothing."""
        for tree in self.trees:
            _remove(tree.folder)

    def __str__(self) -> str:
        controllers = sorted({one for tree in self.trees for one in tree.controllers})
        sharing = "" if "cpu" in controllers else ", the processor shared out by session if the kernel does that"
        return f"control groups, version {self.version} ({', '.join(controllers)}){sharing}"


def _parents(root: str) -> tuple[Version, list[tuple[str, tuple[str, ...]]]]:
    """The folders in which groups can be made, with the controllers that govern there."""
    mounts = list(_mounts(root))
    own = dict(_own_paths(root))
    reasons = []
    for kind, _, mount in mounts:
        if kind == "cgroup2":
            for folder in _upwards(mount, own.get("", "/")):
                governed = tuple(one for one in CONTROLLERS if one in _read(f"{folder}/cgroup.subtree_control").split())
                if "memory" in governed and os.access(folder, os.W_OK):
                    return 2, [(folder, governed)]
            reasons.append(f"{mount} is not writable, or does not govern memory")
    found: list[tuple[str, tuple[str, ...]]] = []
    for controller in CONTROLLERS:
        for kind, options, mount in mounts:
            if kind == "cgroup" and controller in options:
                if controller == "cpu" and _shared_by_session(root, mount, own.get("cpu", "/")):
                    break
                usable = [one for one in _upwards(mount, own.get(controller, "/")) if os.access(one, os.W_OK)]
                found += [(usable[0], (controller,))] if usable else []
                reasons += [] if usable else [f"{mount} is not writable"]
                break
    if any("memory" in controllers for _, controllers in found):
        return 1, found
    raise NoControlGroupsError("; ".join(reasons) or "no control groups are mounted")


def _shared_by_session(root: str, mount: str, own: str) -> bool:
    """Whether the kernel gives each session an equal share of the processor: on request, and in its first group only.

    mount: the hierarchy of version 1 that has the cpu controller. own: this process's group in it.
    """
    asked = _read(f"{root}/proc/sys/kernel/sched_autogroup_enabled").strip() == "1"
    return asked and own == "/" and os.path.exists(f"{mount}/release_agent")  # Groups in containers are called / too.


def _mounts(root: str) -> Iterator[tuple[str, list[str], str]]:
    """The control group file systems: type, options, and where they are mounted."""
    for line in _read(f"{root}/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2) if rest.count(" ") >= 2 else (rest, "", "")
        if kind in ("cgroup", "cgroup2") and len(fields.split()) > 4:
            yield kind, options.split(","), root.rstrip("/") + fields.split()[4]


def _own_paths(root: str) -> Iterator[tuple[str, str]]:
    """This process's group in each hierarchy, by controller; "" stands for version 2."""
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            yield controller, path


def _upwards(mount: str, path: str) -> Iterator[str]:
    """The folder of the group `path` and those above it. A group outside of what is mounted has none but the top."""
    parts = PurePosixPath(path).parts[1:]
    if ".." not in parts:
        for length in range(len(parts), 0, -1):
            yield str(Path(mount, *parts[:length]))
    yield mount


def _hand_over(folder: str, owner: int) -> None:
    """Let `owner` make groups in `folder` and move its processes between them; the limits of `folder` stay ours."""
    for path in (folder, f"{folder}/{_SERVER}"):
        os.chown(path, owner, -1)
        for name in ("cgroup.procs", "cgroup.threads", "tasks"):
            with contextlib.suppress(FileNotFoundError):
                os.chown(f"{path}/{name}", owner, -1)


def _sweep(parent: str) -> None:
    """Remove the groups of callers that are gone."""
    for entry in os.listdir(parent):
        pid, _, rest = entry.removeprefix(_PREFIX).partition("-")
        if entry.startswith(_PREFIX) and pid.isdigit() and _start_time(int(pid)) != rest.partition("-")[0]:
            _remove(f"{parent}/{entry}")


def _remove(folder: str) -> None:
    """Kill all in the groups under `folder`, and remove them and it, as far as that works in time."""
    deadline = time.monotonic() + _REMOVE_TIMEOUT_SECONDS
    with contextlib.suppress(OSError):
        groups = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        for group in (*groups, folder):
            while True:
                for pid in map(int, _read(f"{group}/cgroup.procs").split()):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                try:
                    os.rmdir(group)
                    break
                except OSError:
                    if time.monotonic() > deadline or not os.path.isdir(group):
                        break
                    time.sleep(0.005)


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since the machine did; "" if it is gone."""
    return next(iter(stat_fields(pid)[19:20]), "")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
