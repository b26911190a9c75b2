"""Create control groups for a fork server: hard limits on memory and processes, equal shares of CPU time.

The caller creates a group for the fork server in a folder that it may write to, and changes its owner. Inside it the
fork server creates a group for each program (`sandbox.zygote.program_cgroups`). Version 2 is used if it controls
memory, otherwise version 1. The cpu controller is not used if the kernel schedules by session (autogroup): that has
the same effect, with shorter waits beside a program that has many processes.

    https://docs.kernel.org/admin-guide/cgroup-v2.html    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, Self

from storm_calm.sandbox.zygote.processes import stat_fields

Version = Literal[1, 2]
CONTROLLERS = ("memory", "pids", "cpu")
"""The controllers to use, as far as they are available; "memory" is required."""

_PREFIX = "storm-sandbox-"
_SERVER = "server"  # the fork server's own group, in which its programs start
# File, share of one program or of the fork server, maximum. With a larger share for the fork server, programs waited up
# to 0.8 s for the processor beside one with 60 processes.
_SHARE = {1: ("cpu.shares", 1024, 262_144), 2: ("cpu.weight", 100, 10_000)}
_REMOVE_TIMEOUT_SECONDS = 3.0  # for killed processes to end


class NoControlGroupsError(Exception):
    """This process can't create control groups."""


class Hierarchy(NamedTuple):
    """A folder in one hierarchy of control groups, and the controllers that limit it."""

    folder: str
    controllers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlGroups:
    """The folders of one fork server: a single one in version 2, one per controller in version 1."""

    version: Version
    trees: tuple[Hierarchy, ...]

    @classmethod
    def create(cls, *, owner: int, programs: int, root: str = "/") -> Self:
        """Create the folders, and remove those of callers that have ended.

        owner: the fork server's user id. programs: number of programs that run at once, for the CPU share.
        root: the folder that contains proc and sys.
        Raises NoControlGroupsError if this process may not create control groups.
        """
        version, parents = _parents(root)
        name = f"{_PREFIX}{os.getpid()}-{_start_time(os.getpid())}-{secrets.token_hex(4)}"
        trees: list[Hierarchy] = []
        try:
            for parent, controllers in parents:
                _sweep(parent)
                folder = f"{parent}/{name}"
                os.mkdir(folder)
                trees.append(Hierarchy(folder, controllers))
                os.mkdir(f"{folder}/{_SERVER}")
                if version == 2:
                    _write(f"{folder}/cgroup.subtree_control", " ".join(f"+{one}" for one in controllers))
                if "cpu" in controllers:
                    file, share, largest = _SHARE[version]
                    _write(f"{folder}/{file}", str(min(share * (programs + 1), largest)))
                _hand_over(folder, owner)
        except OSError as error:
            cls(version=version, trees=tuple(trees)).remove()
            raise NoControlGroupsError(f"control groups can't be created ({error})") from None
        return cls(version=version, trees=tuple(trees))

    def add_server(self, pid: int) -> None:
        """Move the fork server's process into its own group. Raises NoControlGroupsError if the kernel refuses."""
        try:
            for tree in self.trees:
                _write(f"{tree.folder}/{_SERVER}/cgroup.procs", str(pid))
        except OSError as error:
            raise NoControlGroupsError(f"the fork server can't be moved to a control group ({error})") from None

    def remove(self) -> None:
        """Kill the processes in the groups and remove the groups. Idempotent."""
        for tree in self.trees:
            _remove(tree.folder)

    def __str__(self) -> str:
        controllers = sorted({one for tree in self.trees for one in tree.controllers})
        sharing = "" if "cpu" in controllers else "; CPU time is shared by session if the kernel supports it"
        return f"control groups, version {self.version} ({', '.join(controllers)}){sharing}"


def _parents(root: str) -> tuple[Version, list[Hierarchy]]:
    """Return the version, and the folders in which groups can be created."""
    mounts = list(_mounts(root))
    own = dict(_own_paths(root))
    reasons = []
    for kind, _, mount in mounts:
        if kind == "cgroup2":
            for folder in _upwards(mount, own.get("", "/")):
                governed = tuple(one for one in CONTROLLERS if one in _read(f"{folder}/cgroup.subtree_control").split())
                if "memory" in governed and os.access(folder, os.W_OK):
                    return 2, [Hierarchy(folder, governed)]
            reasons.append(f"{mount} is not writable, or does not control memory")
    found: list[Hierarchy] = []
    for controller in CONTROLLERS:
        for kind, options, mount in mounts:
            if kind == "cgroup" and controller in options:
                if controller == "cpu" and _shared_by_session(root, mount, own.get("cpu", "/")):
                    break
                folders = _upwards(mount, own.get(controller, "/"))
                writable = next((folder for folder in folders if os.access(folder, os.W_OK)), None)
                if writable:
                    found.append(Hierarchy(writable, (controller,)))
                else:
                    reasons.append(f"{mount} is not writable")
                break
    if any("memory" in controllers for _, controllers in found):
        return 1, found
    raise NoControlGroupsError("; ".join(reasons) or "no control groups are mounted")


def _shared_by_session(root: str, mount: str, own: str) -> bool:
    """Return whether the kernel shares CPU time by session (autogroup), which it does in the root group only."""
    enabled = _read(f"{root}/proc/sys/kernel/sched_autogroup_enabled").strip() == "1"
    # A container's group is also named "/", but only the root group has a release_agent.
    return enabled and own == "/" and os.path.exists(f"{mount}/release_agent")


def _mounts(root: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield type, options and mount point of the control group file systems."""
    for line in _read(f"{root}/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2) if rest.count(" ") >= 2 else (rest, "", "")
        if kind in ("cgroup", "cgroup2") and len(fields.split()) > 4:
            yield kind, options.split(","), root.rstrip("/") + fields.split()[4]


def _own_paths(root: str) -> Iterator[tuple[str, str]]:
    """Yield each controller ("" for version 2) and this process's group in its hierarchy."""
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _upwards(mount: str, path: str) -> Iterator[str]:
    """Yield the folder of the group `path` and its parents; only `mount` if the group is outside of it."""
    group = PurePosixPath(path)
    if ".." in group.parts:
        group = PurePosixPath("/")
    for parent in (group, *group.parents):
        yield f"{mount}{parent}".removesuffix("/")


def _hand_over(folder: str, owner: int) -> None:
    """Let `owner` create groups in `folder` and move processes between them, but not change its limits."""
    for path in (folder, f"{folder}/{_SERVER}"):
        os.chown(path, owner, -1)
        for name in ("cgroup.procs", "cgroup.threads", "tasks"):
            with contextlib.suppress(FileNotFoundError):
                os.chown(f"{path}/{name}", owner, -1)


def _sweep(parent: str) -> None:
    """Remove the groups of callers that have ended."""
    for entry in os.listdir(parent):
        pid, _, rest = entry.removeprefix(_PREFIX).partition("-")
        if entry.startswith(_PREFIX) and pid.isdigit() and _start_time(int(pid)) != rest.partition("-")[0]:
            _remove(f"{parent}/{entry}")


def _remove(folder: str) -> None:
    """Kill all processes in `folder` and its groups, and remove them; give up after a timeout."""
    deadline = time.monotonic() + _REMOVE_TIMEOUT_SECONDS
    with contextlib.suppress(OSError):
        groups = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        for group in (*groups, folder):
            while os.path.isdir(group):
                for pid in map(int, _read(f"{group}/cgroup.procs").split()):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(OSError):
                    os.rmdir(group)
                    break
                if time.monotonic() > deadline:
                    break
                time.sleep(0.005)


def _start_time(pid: int) -> str:
    """Return a process's start time in clock ticks since boot; "" if it has ended."""
    return next(iter(stat_fields(pid)[19:20]), "")


def _write(path: str, text: str) -> None:
    with open(path, "r+b", buffering=0) as file:
        file.write(text.encode())


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
