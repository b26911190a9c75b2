"""seccomp: which system calls a process and its children may make.

A list of what is refused, not of what is allowed: a solver library may call nearly anything that computes, while
what can reach outside is known. Calls newer than this list answer ENOSYS, as on an older kernel.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from functools import cache

from storm_calm.sandbox.zygote import kernel

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Numbers on (x86_64, aarch64). 424 and above are the same everywhere.
_NUMBERS: dict[str, tuple[int, int]] = {
    "ioctl": (16, 29),
    "socket": (41, 198),
    "clone": (56, 220),
    "fcntl": (72, 25),
    "mmap": (9, 222),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "prlimit64": (302, 261),
    "setsid": (112, 157),
    # Looking into, or steering, other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "perf_event_open": (298, 241),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # The shape of the world: mounts, namespaces, roots, names.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    # Memory that outlives its owner or that no limit counts.
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "memfd_create": (319, 279),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "remap_file_pages": (216, 234),
    # Locks and watches on files that programs share, such as the libraries, and what the kernel counts for each user
    # and not for each program: one could take all of it.
    "flock": (73, 32),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "io_setup": (206, 0),
    # Large attack surface that no solver needs.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
    "personality": (135, 92),
    # The machine itself.
    "syslog": (103, 116),
    "acct": (163, 89),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
}
_ONLY_X86: dict[str, int] = {"inotify_init": 253}
_SENDING = {"sendmsg": (46, 211), "sendmmsg": (307, 269)}
"""Files that are sent and not received are counted for each user: with all of them in flight, nobody could send any."""
# What Landlock doesn't govern: without a root folder of their own, programs could do it to all files of their user.
_OF_FILES = {
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}
_OF_FILES_ONLY_X86 = {"chmod": 90, "chown": 92, "lchown": 94, "utime": 132, "utimes": 235, "futimesat": 261}
_FCHMODAT2 = 452
_EVERYWHERE = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "process_madvise": 440,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "process_mrelease": 448,
}
_CLONE3 = 435
_NEWEST = 462  # mseal, Linux 6.10

_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # typing into a terminal
_FS_IOC_SETFLAGS, _FS_IOC_FSSETXATTR = 0x40086602, 0x401C5820  # attributes of a file that is open for reading
_F_SETLEASE, _F_NOTIFY, _F_SETPIPE_SZ = 1024, 1026, 1031
_ARGUMENTS_WATCHED = {
    "ioctl": (1, (_TIOCSTI, _TIOCLINUX, _FS_IOC_SETFLAGS, _FS_IOC_FSSETXATTR)),
    "fcntl": (1, (_F_SETLEASE, _F_NOTIFY, _F_SETPIPE_SZ)),
}
_OF_ITSELF_ONLY = {
    "setpriority": (0, 1),
    "sched_setparam": (0,),
    "sched_setscheduler": (0,),
    "sched_setaffinity": (0,),
    "sched_setattr": (0,),
    "prlimit64": (0,),
}
"""Calls that name a process, and which of their arguments must then be 0, which stands for the caller itself."""
_AF_UNIX = 1
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20

_LOAD, _AND, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


def supported() -> bool:
    """Whether the call numbers of this architecture are known."""
    return kernel.MACHINE in _ARCHITECTURE


@cache
def program(*, unix_sockets: bool, own_files: bool, sends_files: bool = False) -> bytes:
    """Build the filter as BPF instructions.

    unix_sockets: whether AF_UNIX sockets may be made; others never may.
    own_files: whether modes, owners, times and attributes of files may be changed.
    sends_files: whether open files may be sent to other processes.
    """
    column = list(_ARCHITECTURE).index(kernel.MACHINE)
    number = {name: numbers[column] for name, numbers in _NUMBERS.items()}
    refused = {**number, **_EVERYWHERE}
    if kernel.MACHINE == "x86_64":
        refused |= _ONLY_X86
    if not sends_files:
        refused |= {name: numbers[column] for name, numbers in _SENDING.items()}
    if not own_files:
        refused |= {name: numbers[column] for name, numbers in _OF_FILES.items()} | {"fchmodat2": _FCHMODAT2}
        if kernel.MACHINE == "x86_64":
            refused |= _OF_FILES_ONLY_X86
    code: list[bytes] = []

    def emit(operation: int, operand: int, yes: int = 0, no: int = 0) -> None:
        code.append(struct.pack("=HBBI", operation, yes, no, operand))

    def answer(value: int) -> None:
        emit(_RETURN, value)

    def refuse_argument(call: int, index: int, jump: int, operands: tuple[int, ...]) -> None:
        """Refuse `call` where its argument number `index` matches one of `operands`, else allow it."""
        emit(_JUMP_EQUAL, call, 0, 1 + 2 * len(operands) + 1)
        emit(_LOAD, _ARGUMENTS + 8 * index)
        for operand in operands:
            emit(jump, operand, 0, 1)
            answer(_ERRNO | errno.EPERM)
        answer(_ALLOW)

    emit(_LOAD, _ARCH)
    emit(_JUMP_EQUAL, _ARCHITECTURE[kernel.MACHINE], 1, 0)
    answer(_KILL)
    emit(_LOAD, _NR)
    # Above the newest known: also the x32 calls of x86_64, which would go around every number below.
    emit(_JUMP_GREATER_EQUAL, _NEWEST + 1, 0, 1)
    answer(_ERRNO | errno.ENOSYS)
    # Its flags are behind a pointer, which a filter can't follow; the C library falls back to clone.
    emit(_JUMP_EQUAL, _CLONE3, 0, 1)
    answer(_ERRNO | errno.ENOSYS)
    if unix_sockets:
        emit(_JUMP_EQUAL, number["socket"], 0, 4)
        emit(_LOAD, _ARGUMENTS)
        emit(_JUMP_EQUAL, _AF_UNIX, 1, 0)
        answer(_ERRNO | errno.EACCES)
        answer(_ALLOW)
    else:
        emit(_JUMP_EQUAL, number["socket"], 0, 1)
        answer(_ERRNO | errno.EACCES)
    refuse_argument(number["clone"], 0, _JUMP_SET, (_NAMESPACES,))
    for name, (index, operands) in _ARGUMENTS_WATCHED.items():
        refuse_argument(number[name], index, _JUMP_EQUAL, operands)
    for name, indexes in _OF_ITSELF_ONLY.items():
        emit(_JUMP_EQUAL, number[name], 0, 3 * len(indexes) + 1)
        for index in indexes:
            emit(_LOAD, _ARGUMENTS + 8 * index)
            emit(_JUMP_EQUAL, 0, 1, 0)
            answer(_ERRNO | errno.EPERM)
        answer(_ALLOW)
    # Shared memory without a file: it stays when nothing maps it, so no process can be made to account for it.
    emit(_JUMP_EQUAL, number["mmap"], 0, 5)
    emit(_LOAD, _ARGUMENTS + 8 * 3)
    emit(_AND, _MAP_SHARED | _MAP_ANONYMOUS)
    emit(_JUMP_EQUAL, _MAP_SHARED | _MAP_ANONYMOUS, 0, 1)
    answer(_ERRNO | errno.ENOMEM)
    answer(_ALLOW)
    # The processor is shared out by session (autogroup): a program that could begin more of them would get a share for
    # each. It is answered as if it had worked, since daemons and launchers give up otherwise.
    emit(_JUMP_EQUAL, number["setsid"], 0, 1)
    answer(_ERRNO)
    for name, call in refused.items():
        if name not in ("socket", "clone", "mmap", "setsid", *_ARGUMENTS_WATCHED, *_OF_ITSELF_ONLY):
            emit(_JUMP_EQUAL, call, 0, 1)
            answer(_ERRNO | errno.EPERM)
    answer(_ALLOW)
    return b"".join(code)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def restrict(*, unix_sockets: bool, own_files: bool, sends_files: bool = False) -> None:
    """Put this process, and all that it starts, under the filter for good. Needs no_new_privs."""
    instructions = program(unix_sockets=unix_sockets, own_files=own_files, sends_files=sends_files)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    filter_ = _Program(len(instructions) // 8, ctypes.addressof(buffer))
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.byref(filter_))
