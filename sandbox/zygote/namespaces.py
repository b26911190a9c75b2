"""Linux namespaces for the fork server and, nested in them, for each program.

The fork server moves once into user, mount, pid, network, ipc and uts namespaces. Its root folder is read-only and
contains the interpreter, the libraries and little else. Each program gets its own pid, mount, ipc, uts, cgroup, network
and user namespaces, scratch folder, /proc and /dev/shm. This needs no privilege and no other program. A fork server
started by root becomes an ordinary user.
"""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from storm_calm.sandbox.zygote import kernel

SCRATCH = "/scratch"  # the working folder of a program, which can write only here, in /tmp and in /dev/shm
TMP = (
    "/tmp"  # a link to the scratch folder or, if the machine's /tmp holds the interpreter, the folder that contains it
)
LIBRARIES = "/libraries"  # the folder from which a program imports libraries
PROGRAM_ID = 1000  # the user and group id of a program inside its user namespace
NOBODY = 65534  # the user and group id that root changes to

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/alternatives")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime")
_HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
_PACKAGES = ("site-packages", "dist-packages")
_INFO = (".dist-info", ".egg-info")
_SHOWN_OF_TMP = "/.tmp"  # the folders of the interpreter that are in the machine's /tmp
_NOTHING = "/.nothing"  # an empty folder, mounted over hidden folders
_METADATA = ("METADATA", "PKG-INFO", "entry_points.txt", "top_level.txt")
_DEVICES = ("null", "full", "random", "urandom")  # not zero: a shared mapping of it is memory that no process owns


def system_folders() -> list[str]:
    """Return the folders of the system and of the interpreter. Some contain packages, see `hidden_folders`."""
    names = [sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.path.realpath(sys.executable))]
    names += [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    folders = {path for name in names for path in (name, os.path.realpath(name)) if os.path.isdir(path)}
    folders |= {path for path in _SYSTEM if os.path.isdir(path)}
    return sorted(folders - {"/"})


def hidden_folders() -> list[str]:
    """Return the folders in `system_folders` that programs must not see: packages of any Python, and this project."""
    found = {str(Path(__file__).resolve().parents[2])}
    found |= {path for path in sys.path if os.path.basename(path) in _PACKAGES}
    for folder in system_folders():
        for kind in _PACKAGES:
            # The last pattern is for a folder that is a standard library.
            for pattern in (f"lib*/python3*/{kind}", f"local/lib*/python3*/{kind}", kind):
                found |= set(map(str, Path(folder).glob(pattern)))
    found |= {os.path.realpath(path) for path in found}
    shown = system_folders()
    hidden = {path for path in found if os.path.isdir(path) and any(_inside(path, one) for one in shown)}
    # A folder inside a hidden one is hidden with it and no longer reachable to be mounted over.
    return sorted(path for path in hidden if not any(_inside(path, one) for one in hidden - {path}))


def standard_library() -> list[str]:
    """Return the entries of sys.path that are the standard library."""
    own = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"

    def is_standard(path: str) -> bool:
        name = os.path.basename(path)
        return name == archive or (name not in _PACKAGES and any(_inside(path, folder) for folder in own))

    return list(filter(is_standard, sys.path))


def _inside(path: str, folder: str) -> bool:
    """Return whether `path` is `folder` or in it."""
    return f"{path}/".startswith(f"{folder}/")


def enter(libraries: Iterable[str]) -> None:
    """Move this process, which must have one thread, into new namespaces; into the pid namespace, its later children.

    libraries: the files and folders to show in `LIBRARIES`. Raises OSError if the machine does not allow namespaces.
    """
    os.umask(0o022)
    if os.geteuid() == 0:
        # Build the new root folder as root: the interpreter may be in a folder that only root can enter, such as /root.
        kernel.unshare(kernel.CLONE_NEWNS)
        _build_root(libraries)
        become(NOBODY)
        _new_user_namespace(0, others=kernel.CLONE_NEWNS)
    else:
        _new_user_namespace(0, others=kernel.CLONE_NEWNS)
        _build_root(libraries)
    kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS)


def mount_proc() -> None:
    """Mount a /proc with only the processes of the pid namespace that `enter` made. Call it in its first process."""
    kernel.mount("proc", "/proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def isolate(file_mb: int, network: int = -1) -> None:
    """Give this process, the first of its pid namespace, all other namespaces of a program.

    file_mb: the size in MiB of the scratch folder with /tmp, and of /dev/shm.
    network: an open network namespace to join; -1 makes a new one, which takes as long as everything else.
    """
    kinds = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
    if network >= 0:
        kernel.join_namespace(network, kernel.CLONE_NEWNET)
    else:
        kinds |= kernel.CLONE_NEWNET
    kernel.unshare(kinds)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("proc", "/proc", flags | kernel.MS_NOEXEC)
    kernel.mount("tmpfs", writable_folder(), flags, f"size={file_mb}m,nr_inodes=4096,mode=0700")
    if writable_folder() == TMP:
        os.mkdir(os.path.realpath(SCRATCH))
        for name in os.listdir(_SHOWN_OF_TMP):
            os.symlink(f"{_SHOWN_OF_TMP}/{name}", f"{TMP}/{name}")
    kernel.mount("tmpfs", "/dev/shm", flags | kernel.MS_NOEXEC, f"size={file_mb}m,nr_inodes=1024,mode=1777")
    os.chdir(SCRATCH)
    # In its own user namespace, its processes are counted separately for the limit, and the mounts are locked.
    _new_user_namespace(PROGRAM_ID)


def writable_folder() -> str:
    """Return the folder that each program gets for itself, after `enter`: it contains the scratch folder and /tmp.

    Normally /tmp is a link to the scratch folder. If the interpreter is in the machine's /tmp, it must keep its path,
    but not appear in the working folder. Then the scratch folder is in /tmp, beside links to the interpreter.
    """
    return TMP if os.path.isdir(_SHOWN_OF_TMP) else SCRATCH


def new_network() -> int:
    """Return a new, open network namespace, without changing that of this process.

    Programs can reuse it one after another: sockets end with their program, which has no right to change the namespace.
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
    """Change from root to `user` and the group of the same number, permanently, keeping only `capabilities`."""
    os.setgroups([])
    os.setresgid(user, user, user)
    kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
    if capabilities:
        # Otherwise access(2), by which PuLP looks for CBC, ignores the capabilities of a user other than root.
        with suppress(OSError):
            kernel.prctl(kernel.PR_SET_SECUREBITS, kernel.SECBIT_NO_SETUID_FIXUP)
    os.setresuid(user, user, user)
    kernel.keep_capabilities(capabilities)
    # A change of user gives this process's /proc files to root, among them the maps of a user namespace.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def _new_user_namespace(inside: int, *, others: int = 0) -> None:
    """Enter a new user namespace in which this user has the id `inside`, and new namespaces of the kinds `others`."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | others)
    for name, line in (("setgroups", "deny"), ("uid_map", f"{inside} {user} 1"), ("gid_map", f"{inside} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(line)


def _build_root(libraries: Iterable[str]) -> None:
    """Make a read-only root folder with the files that programs need, and change to it."""
    kernel.mount(None, "/", kernel.MS_REC | kernel.MS_PRIVATE)
    # Clone first: the new root is mounted over /tmp and hides its content.
    trees = {path: kernel.clone_tree(path) for path in _trees()}
    # The kernel allows mounting a new /proc only if a complete one is visible, and not less read-only than that one.
    trees["/proc"] = kernel.clone_tree("/proc", writable=True)
    devices = {f"/dev/{name}": kernel.clone_tree(f"/dev/{name}", device=True) for name in _DEVICES}
    links = {path: os.readlink(path) for path in _SYSTEM if os.path.islink(path)}
    files = _read_existing("/", _SYSTEM_FILES)
    hidden = [path for path in hidden_folders() if any(_inside(path, tree) for tree in trees)]
    shown = []
    for path in libraries:
        target = f"{LIBRARIES}/{os.path.basename(path)}"
        if path.endswith(_INFO):
            # Copied, because every mount makes the start of every program slower. The rest of the folder is not needed.
            files |= {f"{target}/{name}": content for name, content in _read_existing(path, _METADATA).items()}
        elif path.endswith(".py"):
            files[target] = Path(path).read_bytes()
        else:
            shown.append((target, os.path.isdir(path), kernel.clone_tree(path)))

    def place(path: str) -> str:
        """Return where a path of the machine is shown."""
        return _SHOWN_OF_TMP + path.removeprefix(TMP) if _inside(path, TMP) else path

    new_root = "/tmp"
    kernel.mount("tmpfs", new_root, kernel.MS_NOSUID | kernel.MS_NODEV, "size=16m,mode=0755")
    for path, fd in trees.items():
        os.makedirs(new_root + place(path), exist_ok=True)
        _attach(fd, new_root + place(path))
    for folder in ("/dev/shm", "/etc", LIBRARIES, _NOTHING):
        os.makedirs(new_root + folder, exist_ok=True)
    for path in hidden:
        _attach(kernel.clone_tree(new_root + _NOTHING), new_root + place(path))
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
    links |= {"/dev/fd": "/proc/self/fd", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2"}
    if os.path.isdir(new_root + _SHOWN_OF_TMP):
        os.mkdir(new_root + TMP)
        # The fork server needs them too; each program gets its own.
        links |= {f"{TMP}/{name}": f"{_SHOWN_OF_TMP}/{name}" for name in os.listdir(new_root + _SHOWN_OF_TMP)}
        links[SCRATCH] = f"{TMP}/.scratch"
    else:
        os.mkdir(new_root + SCRATCH)
        links[TMP] = SCRATCH
    for path, target in links.items():
        if not os.path.isdir(new_root + path):
            os.symlink(target, new_root + path)

    kernel.change_root(new_root)


def _attach(fd: int, target: str) -> None:
    """Attach a copy from `clone_tree` at `target`, and close it."""
    kernel.attach_tree(fd, target)
    os.close(fd)


def _trees() -> Iterator[str]:
    """Yield the folders to show, none inside another."""
    shown: list[str] = []
    for path in [*system_folders(), *_HARDWARE]:
        if os.path.islink(path) and path in _SYSTEM:
            continue  # `_build_root` makes the same link.
        if os.path.isdir(path) and not any(path.startswith(f"{parent}/") for parent in shown):
            shown.append(path)
            yield path


def _read_existing(folder: str, names: Iterable[str]) -> dict[str, bytes]:
    """Return the content of those of the files `names` in `folder` that can be read."""
    found = {}
    for name in names:
        with suppress(OSError):
            found[name] = Path(folder, name).read_bytes()
    return found
