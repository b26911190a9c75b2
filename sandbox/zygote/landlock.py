"""Landlock: a process restricts which files it and its children can access (Linux 5.13 or later).

https://docs.kernel.org/userspace-api/landlock.html
"""

import os
import stat
import struct
from collections.abc import Iterable

from storm_calm.sandbox.zygote import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL_DEV = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_RIGHTS_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

# All rights of each version. A kernel rejects rights that it does not know.
_ALL_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
_TCP = 0b11  # bind and connect, from version 4
_SCOPES = 0b11  # abstract UNIX sockets and signals, from version 6

SCOPES_SIGNALS = 6  # the first version in which a restricted process can't signal processes outside


def version() -> int:
    """Return the kernel's Landlock version; 0 without Landlock."""
    return max(0, kernel.syscall(_CREATE_RULESET, None, 0, 1))


def restrict(*, read: Iterable[str], write: Iterable[str], lists: Iterable[str] = (), scoped: bool = True) -> None:
    """Restrict this process and its children to `read` (read and execute) and `write` (all rights).

    Paths that do not exist are ignored. Needs no_new_privs. Raises OSError if Landlock is not available.
    lists: folders that can be listed, with those inside, but whose files can't be read.
    scoped: also forbid TCP (from version 4), and signals and abstract sockets to processes outside (from version 6).
    """
    abi = version()
    if abi == 0:
        raise OSError(0, "this kernel has no Landlock, or it is not enabled")
    files = _ALL_RIGHTS[min(abi, 5)]
    words = [files, *([_TCP] if abi >= 4 else []), *([_SCOPES] if abi >= SCOPES_SIGNALS else [])]
    words = words if scoped else words[:1]
    attributes = struct.pack(f"={len(words)}Q", *words)
    ruleset = kernel.checked(kernel.syscall(_CREATE_RULESET, attributes, len(attributes), 0), "landlock_create_ruleset")
    try:
        for path in read:
            _allow(ruleset, path, _READ)
        for path in lists:
            _allow(ruleset, path, _READ_DIR)
        for path in write:
            _allow(ruleset, path, files)
        kernel.checked(kernel.syscall(_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Allow `rights` on `path` and, if it is a folder, on everything in it."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _RIGHTS_ON_FILES
        rule = struct.pack("=Qi", rights & _ALL_RIGHTS[min(version(), 5)], fd)
        kernel.checked(kernel.syscall(_ADD_RULE, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
    finally:
        os.close(fd)
