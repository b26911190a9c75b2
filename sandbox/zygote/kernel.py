"""System calls that Python has no function for. Each raises OSError with the name of the call.

Numbers above 423 are the same on every architecture.
"""

import ctypes
import os
import platform
import struct

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x4000, 0x40000

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 1, 4, 24, 36
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAP_AMBIENT, PR_SET_KEEPCAPS = 38, 22, 47, 8
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 4
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4

CAP_DAC_READ_SEARCH = 2
_LAST_CAPABILITY = 40  # CAP_CHECKPOINT_RESTORE, Linux 5.9

_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _MNT_DETACH = 0x1, 0x4, 0x2
_MOUNT_ATTR_NOSUID = 0x2
_READ_ONLY_DEVICE = 0x1 | _MOUNT_ATTR_NOSUID
_READ_ONLY = 0x1 | _MOUNT_ATTR_NOSUID | 0x4  # and without device files

_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25

MACHINE = platform.machine()
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442


def checked(result: int, call: str) -> int:
    """Return the result of a system call. Raises OSError with the name `call` if it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """Make a system call by its number. Returns -1 on failure, with the errno of ctypes set."""
    words = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return int(libc.syscall(ctypes.c_long(number), *words))


def prctl(option: int, value: object = 0, third: object = 0) -> None:
    words = [ctypes.c_ulong(word) if isinstance(word, int) else word for word in (value, third, 0, 0)]
    checked(libc.prctl(option, *words), f"prctl({option})")


def unshare(flags: int) -> None:
    """Move this process into new namespaces of the kinds in `flags`; into a pid namespace, only its later children."""
    checked(libc.unshare(flags), "unshare")


def join_namespace(fd: int, kind: int) -> None:
    """Join the open namespace `fd` of `kind`; a pid namespace, only for later children."""
    checked(libc.setns(fd, kind), "setns")


def collapse(start: int, end: int) -> None:
    """Move the memory from address `start` to `end` to huge pages, if the kernel can (Linux 6.1 or later)."""
    if end > start:
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_HUGEPAGE)
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_COLLAPSE)


def mount(kind: str | None, target: str, flags: int, options: str = "") -> None:
    """Mount a new file system of `kind` at `target`; None changes the propagation of the existing mount."""
    name = kind.encode() if kind else None
    call = f"mount {kind or ''} {target}"
    checked(libc.mount(name, target.encode(), name, ctypes.c_ulong(flags), options.encode() or None), call)


def clone_tree(path: str, *, writable: bool = False, device: bool = False) -> int:
    """Return a file descriptor of a copy of the mounts at and under `path`, which is not attached yet.

    By default it is read-only and without device files. writable: keep both as they are at `path`.
    device: read-only with device files. They can still be written to, but their times can't be changed.
    """
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    fd = checked(syscall(_OPEN_TREE, _AT_FDCWD, path.encode(), flags), f"open_tree {path}")
    try:
        attributes = _MOUNT_ATTR_NOSUID if writable else _READ_ONLY_DEVICE if device else _READ_ONLY
        protect(fd, attributes, everything=True)
    except OSError:
        os.close(fd)
        raise
    return fd


def protect(fd: int, attributes: int, *, everything: bool) -> None:
    """Add `attributes` to the mount of `fd` and, if `everything`, to all mounts under it."""
    data = struct.pack("=QQQQ", attributes, 0, 0, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if everything else 0)
    checked(syscall(_MOUNT_SETATTR, fd, b"", flags, data, len(data)), "mount_setattr")


def attach_tree(fd: int, target: str) -> None:
    """Attach a copy from `clone_tree` at `target`."""
    checked(syscall(_MOVE_MOUNT, fd, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH), f"move_mount {target}")


def change_root(new_root: str) -> None:
    """Make `new_root`, a mount point, the read-only root of this mount namespace, and unmount the old root."""
    if MACHINE not in _PIVOT_ROOT:
        raise OSError(0, f"pivot_root: no call number for {MACHINE}, only for {' and '.join(_PIVOT_ROOT)}")
    os.chdir(new_root)
    # With both arguments the same, the old root is stacked on the new one and needs no directory to be unmounted.
    checked(syscall(_PIVOT_ROOT[MACHINE], b".", b"."), "pivot_root")
    checked(libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        protect(fd, _READ_ONLY, everything=False)
    finally:
        os.close(fd)


def keep_capabilities(kept: frozenset[int]) -> None:
    """Drop every capability except `kept`, permanently. Programs that this process starts inherit `kept`."""
    for capability in set(range(_LAST_CAPABILITY + 1)) - kept:
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # Fails without CAP_SETPCAP; no_new_privs is then enough.
    libc.prctl(PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    bits = sum(1 << capability for capability in kept)
    header = struct.pack("=Ii", 0x20080522, 0)
    checked(libc.capset(header, struct.pack("=6I", bits, bits, bits, 0, 0, 0)), "capset")
    for capability in kept:
        checked(libc.prctl(PR_CAP_AMBIENT, _AMBIENT_RAISE, capability, 0, 0), "prctl(PR_CAP_AMBIENT)")
