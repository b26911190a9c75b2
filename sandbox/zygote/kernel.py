"""The system calls that Python has no function for, each raising OSError with its name.

Numbers above 423 are the same on every architecture; the older ones come from `NUMBERS`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

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
    """The result of a system call; raises OSError naming the call where it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """A system call by its number; -1 on failure, with ctypes' errno set."""
    words = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return int(libc.syscall(ctypes.c_long(number), *words))


def prctl(option: int, value: object = 0, third: object = 0) -> None:
    """prctl(2)."""
    words = [ctypes.c_ulong(word) if isinstance(word, int) else word for word in (value, third, 0, 0)]
    checked(libc.prctl(option, *words), f"prctl({option})")


def unshare(flags: int) -> None:
    """Leave namespaces of the kinds in `flags` for new ones; a new pid namespace is for children only."""
    checked(libc.unshare(flags), "unshare")


def join_namespace(fd: int, kind: int) -> None:
    """Join the namespace of `kind` that `fd` stands for; a pid namespace is for the next children only."""
    checked(libc.setns(fd, kind), "setns")


def collapse(start: int, end: int) -> None:
    """Put the memory from address `start` to `end` on huge pages, as far as the kernel (Linux 6.1 and later) will."""
    if end > start:
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_HUGEPAGE)
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_COLLAPSE)


def mount(kind: str | None, target: str, flags: int, options: str = "") -> None:
    """Mount a new file system of `kind` at `target`; None changes the propagation of the one that is there."""
    name = kind.encode() if kind else None
    call = f"mount {kind or ''} {target}"
    checked(libc.mount(name, target.encode(), name, ctypes.c_ulong(flags), options.encode() or None), call)


def clone_tree(path: str, *, writable: bool = False, device: bool = False) -> int:
    """A copy of the mounts at and under `path`, attached nowhere yet. Returns its file descriptor.

    writable: leave writing and device files as they are at `path`, instead of refusing both.
    device: leave device files; they can be written to also on a read-only mount, but their times can't be changed.
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


def protect_root() -> None:
    """Make the mount at / read-only, and leave those under it as they are."""
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        protect(fd, _READ_ONLY, everything=False)
    finally:
        os.close(fd)


def protect(fd: int, attributes: int, *, everything: bool) -> None:
    """Add `attributes` to the mount that `fd` is in and, for `everything`, to all mounts under it."""
    data = struct.pack("=QQQQ", attributes, 0, 0, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if everything else 0)
    checked(syscall(_MOUNT_SETATTR, fd, b"", flags, data, len(data)), "mount_setattr")


def attach_tree(fd: int, target: str) -> None:
    """Put what `clone_tree` gave at `target`."""
    checked(syscall(_MOVE_MOUNT, fd, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH), f"move_mount {target}")


def change_root(new_root: str) -> None:
    """Make `new_root`, a mount point, the root of this mount namespace, and let go of the old one."""
    if MACHINE not in _PIVOT_ROOT:
        raise OSError(0, f"pivot_root: its number on {MACHINE} is unknown")
    os.chdir(new_root)
    # The old root lands on top of the new one, where it can be unmounted without a directory of its own.
    checked(syscall(_PIVOT_ROOT[MACHINE], b".", b"."), "pivot_root")
    checked(libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")


def keep_capabilities(kept: frozenset[int]) -> None:
    """Give up every capability but `kept`, for good; those stay also with programs that are started."""
    for capability in set(range(_LAST_CAPABILITY + 1)) - kept:
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # Fails without CAP_SETPCAP; no_new_privs then does its work.
    libc.prctl(PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    bits = sum(1 << capability for capability in kept)
    header = struct.pack("=Ii", 0x20080522, 0)
    checked(libc.capset(header, struct.pack("=6I", bits, bits, bits, 0, 0, 0)), "capset")
    for capability in kept:
        checked(libc.prctl(PR_CAP_AMBIENT, _AMBIENT_RAISE, capability, 0, 0), "prctl(PR_CAP_AMBIENT)")
