"""Namespaces: a machine of their own for the fork server and, inside it, for each program.

The fork server moves once into user, mount, pid, network, ipc and uts namespaces, with a root folder that holds the
interpreter, its libraries and little else, all read-only. Each program gets pid, mount, ipc and user namespaces
inside these, with a scratch folder, /proc and /dev/shm of its own. No program outside Python is needed, and no
privilege: root gives its own up first, so both ways the fork server ends as an ordinary user.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from storm_calm.sandbox.zygote import kernel

SCRATCH = "/scratch"
"""The program's working folder, the only one besides /dev/shm that it can write to."""
LIBRARIES = "/libraries"
"""Where a program finds the libraries that it can import."""
PROGRAM_ID = 1000
"""The user and group id that a program sees as its own."""
NOBODY = 65534
"""The user and group id that root turns into."""

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/alternatives")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime")
_HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
_PACKAGES = ("site-packages", "dist-packages")
_INFO = (".dist-info", ".egg-info")
_NOTHING = "/.nothing"  # an empty folder, shown in place of what is hidden
_METADATA = ("METADATA", "PKG-INFO", "entry_points.txt", "top_level.txt")
_DEVICES = ("null", "full", "random", "urandom")  # not zero: mapped, it is memory that belongs to no process


def system_folders() -> list[str]:
    """The folders that Python programs are made of besides their libraries: the system's and the interpreter's.

    Installed packages lie in some of them, see `hidden_folders`.
    """
    names = [
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
    ]
    names.append(os.path.dirname(os.path.realpath(sys.executable)))
    folders = {path for name in names for path in (name, os.path.realpath(name)) if os.path.isdir(path)}
    folders |= {path for path in _SYSTEM if os.path.isdir(path)}
    return sorted(folders - {"/"})


def hidden_folders() -> list[str]:
    """The folders inside of `system_folders` that programs must not see: packages of any Python, and this project."""
    found = {str(Path(__file__).resolve().parents[2]), *(path for path in sys.path if _holds_packages(path))}
    for folder in system_folders():
        for inner in ("", "local/"):
            for kind in _PACKAGES:
                found |= {str(path) for path in Path(folder).glob(f"{inner}lib*/python3*/{kind}")}
                found |= {str(path) for path in Path(folder).glob(kind)}  # A folder that is a standard library.
    found |= {os.path.realpath(path) for path in found}
    shown = system_folders()
    hidden = {path for path in found if os.path.isdir(path) and any(_inside(path, one) for one in shown)}
    # One inside of another is hidden with it, and can't be mounted over any more.
    return sorted(path for path in hidden if not any(_inside(path, one) for one in hidden - {path}))


def standard_library() -> list[str]:
    """The entries of sys.path that are the standard library."""
    own = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    return [
        path
        for path in sys.path
        if os.path.basename(path) == archive or (any(_inside(path, one) for one in own) and not _holds_packages(path))
    ]


def _holds_packages(path: str) -> bool:
    return os.path.basename(path) in _PACKAGES


def _inside(path: str, folder: str) -> bool:
    """Whether `path` is `folder`, or in it."""
    return f"{path}/".startswith(f"{folder}/")


def enter(libraries: Iterable[str]) -> None:
    """Move this process, which must have one thread, into namespaces of its own; its children get a pid namespace.

    libraries: the files and folders to show in `LIBRARIES`.
    Raises OSError where the machine does not allow it.
    """
    os.umask(0o022)
    if os.geteuid() == 0:
        # Root builds the new root folder itself: the interpreter may live where nobody else may pass, as in /root.
        kernel.unshare(kernel.CLONE_NEWNS)
        _build_root(libraries)
        become(NOBODY)
        _new_user_namespace(0, others=kernel.CLONE_NEWNS)
    else:
        _new_user_namespace(0, others=kernel.CLONE_NEWNS)
        _build_root(libraries)
    kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS)


def mount_proc() -> None:
    """In the first process of the pid namespace that `enter` made: see its own processes in /proc, and no others."""
    kernel.mount("proc", "/proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def isolate(file_mb: int, network: int = -1) -> None:
    """In a program's process, the first of its pid namespace: give it all other namespaces of its own.

    file_mb: MiB that the scratch folder, and /dev/shm, can hold.
    network: a network namespace to join, open; by default a new one is made, which takes as long as all the rest.
    """
    kinds = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
    if network >= 0:
        kernel.join_namespace(network, kernel.CLONE_NEWNET)
    else:
        kinds |= kernel.CLONE_NEWNET
    kernel.unshare(kinds)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("proc", "/proc", flags | kernel.MS_NOEXEC)
    kernel.mount("tmpfs", SCRATCH, flags, f"size={file_mb}m,nr_inodes=4096,mode=0700")
    kernel.mount("tmpfs", "/dev/shm", flags | kernel.MS_NOEXEC, f"size={file_mb}m,nr_inodes=1024,mode=1777")
    os.chdir(SCRATCH)
    # A user namespace of its own gives the limit on processes a count of its own, and locks the mounts.
    _new_user_namespace(PROGRAM_ID)


def new_network() -> int:
    """Make a network namespace with nothing in it, and stay in the one that this process is in. Returns it, open.

    A program leaves nothing in one: its sockets end with it, and it has no right to change anything. So another program
    can have it next.
    """
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.unshare(kernel.CLONE_NEWNET)
        try:
            return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            kernel.join_namespace(own, kernel.CLONE_NEWNET)
    finally:
        os.close(own)


def become(user: int, *, capabilities: frozenset[int] = frozenset()) -> None:
    """Turn from root into `user` and the group of the same number, for good, with no more than `capabilities`."""
    os.setgroups([])
    os.setresgid(user, user, user)
    kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
    if capabilities:
        # Or access(2), by which PuLP looks for CBC, would take a user other than root to have none of them.
        with suppress(OSError):
            kernel.prctl(kernel.PR_SET_SECUREBITS, kernel.SECBIT_NO_SETUID_FIXUP)
    os.setresuid(user, user, user)
    kernel.keep_capabilities(capabilities)
    # A change of user makes a process's own /proc files root's; the maps of a user namespace are among them.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def _new_user_namespace(inside: int, *, others: int = 0) -> None:
    """A new user namespace in which this user is `inside`, and with it other namespaces."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | others)
    for name, line in (("setgroups", "deny"), ("uid_map", f"{inside} {user} 1"), ("gid_map", f"{inside} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(line)


def _build_root(libraries: Iterable[str]) -> None:
    """Make a root folder with what programs need, read-only, and move into it."""
    kernel.mount(None, "/", kernel.MS_REC | kernel.MS_PRIVATE)
    # Copies first: the new root is built over /tmp, and hides what lies there.
    trees = {path: kernel.clone_tree(path) for path in _trees()}
    # A new /proc can only be mounted where one is in full view already, and is never less read-only than that one.
    trees["/proc"] = kernel.clone_tree("/proc", writable=True)
    devices = {f"/dev/{name}": kernel.clone_tree(f"/dev/{name}", device=True) for name in _DEVICES}
    links = {path: os.readlink(path) for path in _SYSTEM if os.path.islink(path)}
    files = dict(_read_files())
    hidden = [path for path in hidden_folders() if any(_inside(path, tree) for tree in trees)]
    shown = []
    for path in libraries:
        target = f"{LIBRARIES}/{os.path.basename(path)}"
        if path.endswith(_INFO):
            # Copied: every mount makes the start of every program a little slower.
            files |= {f"{target}/{name}": content for name, content in _read_metadata(path)}
        elif path.endswith(".py"):
            files[target] = Path(path).read_bytes()
        else:
            shown.append((target, os.path.isdir(path), kernel.clone_tree(path)))

    new_root = "/tmp"
    kernel.mount("tmpfs", new_root, kernel.MS_NOSUID | kernel.MS_NODEV, "size=16m,mode=0755")
    for path, fd in trees.items():
        os.makedirs(new_root + path, exist_ok=True)
        _attach(fd, new_root + path)
    for folder in (SCRATCH, "/dev/shm", "/etc", LIBRARIES, _NOTHING):
        os.makedirs(new_root + folder, exist_ok=True)
    for path in hidden:
        _attach(kernel.clone_tree(new_root + _NOTHING), new_root + path)
    for target, is_folder, fd in shown:
        if is_folder:
            os.mkdir(new_root + target)
        else:
            os.close(os.open(new_root + target, os.O_CREAT | os.O_CLOEXEC))
        _attach(fd, new_root + target)
    for path, fd in devices.items():
        os.close(os.open(new_root + path, os.O_CREAT | os.O_CLOEXEC))
        _attach(fd, new_root + path)
    for path, content in files.items():
        os.makedirs(os.path.dirname(new_root + path), exist_ok=True)
        with open(new_root + path, "wb") as file:
            file.write(content)
    links |= {"/tmp": SCRATCH, "/dev/fd": "/proc/self/fd", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2"}
    for path, target in links.items():
        # Where a virtual environment lies in /tmp, that is a folder already; temporary files go to the scratch folder
        # all the same, by TMPDIR.
        if not os.path.isdir(new_root + path):
            os.symlink(target, new_root + path)

    kernel.change_root(new_root)
    kernel.protect_root()


def _attach(fd: int, target: str) -> None:
    """Put what `clone_tree` gave at `target`, and close it."""
    kernel.attach_tree(fd, target)
    os.close(fd)


def _trees() -> Iterator[str]:
    """The folders to show, none inside another."""
    shown: list[str] = []
    for path in [*system_folders(), *_HARDWARE]:
        if os.path.islink(path) and path in _SYSTEM:
            continue  # Stays a link in the new root.
        if os.path.isdir(path) and not any(path.startswith(f"{parent}/") for parent in shown):
            shown.append(path)
            yield path


def _read_files() -> Iterator[tuple[str, bytes]]:
    """The single files to show, with their content."""
    for path in _SYSTEM_FILES:
        with suppress(OSError):
            yield path, Path(path).read_bytes()


def _read_metadata(folder: str) -> Iterator[tuple[str, bytes]]:
    """What is to be known of an installed distribution: name, version, and what it plugs into."""
    for name in _METADATA:
        with suppress(OSError):
            yield name, Path(folder, name).read_bytes()
