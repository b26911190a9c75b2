"""seccomp: restrict the system calls of a process and its children.

The filter lists what is refused, not what is allowed: a solver library may make nearly any call that computes, while
the calls that reach outside are known. A call newer than this list fails with ENOSYS, as on an older kernel.
"""

import ctypes
import errno
import struct
from functools import cache

from storm_calm.sandbox.zygote import kernel

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Numbers on (x86_64, aarch64). From 424 on they are the same everywhere.
_NUMBERS: dict[str, tuple[int, int]] = {
    # Restricted by their arguments, see `program`.
    "ioctl": (16, 29), "fcntl": (72, 25), "socket": (41, 198), "clone": (56, 220), "mmap": (9, 222),
    "setpriority": (141, 140), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "prlimit64": (302, 261), "setsid": (112, 157),
    # Inspection and control of other processes.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "perf_event_open": (298, 241), "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # Mounts, namespaces, root folders, host names.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "sethostname": (170, 161), "setdomainname": (171, 162), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "fanotify_init": (300, 262), "quotactl": (179, 60),
    # Memory that outlives its owner or that no limit counts.
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "memfd_create": (319, 279), "mq_open": (240, 180),
    "mq_unlink": (241, 181), "remap_file_pages": (216, 234),
    # Locks and watches on files that programs share, such as the libraries. Also resources that the kernel limits for
    # each user instead of each program, so that one program could take them all.
    "flock": (73, 32), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27), "io_setup": (206, 0),
    # Large attack surface that no solver needs.
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280),
    "userfaultfd": (323, 282), "vmsplice": (278, 75), "personality": (135, 92),
    # The machine itself.
    "syslog": (103, 116), "acct": (163, 89), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
}  # fmt: skip
_X86_ONLY = {"inotify_init": 253}
# Files in flight (sent but not received) are limited for each user: one program could block sending for all.
_SEND = {"sendmsg": (46, 211), "sendmmsg": (307, 269)}
# Landlock does not restrict these: without a root folder of its own, a program could change any file of its user.
_METADATA: dict[str, tuple[int, int]] = {
    "fchmod": (91, 52), "fchmodat": (268, 53), "fchown": (93, 55), "fchownat": (260, 54), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "fchmodat2": (452, 452),
}  # fmt: skip
_METADATA_X86_ONLY = {"chmod": 90, "chown": 92, "lchown": 94, "utime": 132, "utimes": 235, "futimesat": 261}
_SAME_EVERYWHERE = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "mount_setattr": 442,
    "process_madvise": 440, "quotactl_fd": 443, "memfd_secret": 447, "process_mrelease": 448,
}  # fmt: skip
_CLONE3 = 435
_NEWEST = 462  # mseal, Linux 6.10

_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # insert input into a terminal
_FS_IOC_SETFLAGS, _FS_IOC_FSSETXATTR = 0x40086602, 0x401C5820  # attributes of a file that is open for reading
_F_SETLEASE, _F_NOTIFY, _F_SETPIPE_SZ = 1024, 1026, 1031
_REFUSED_ARGUMENTS = {
    "ioctl": (1, (_TIOCSTI, _TIOCLINUX, _FS_IOC_SETFLAGS, _FS_IOC_FSSETXATTR)),
    "fcntl": (1, (_F_SETLEASE, _F_NOTIFY, _F_SETPIPE_SZ)),
}
# Calls that take a process id, and which of their arguments must be 0, so that they apply to the caller only.
_SELF_ONLY: dict[str, tuple[int, ...]] = {
    "setpriority": (0, 1), "sched_setparam": (0,), "sched_setscheduler": (0,), "sched_setaffinity": (0,),
    "sched_setattr": (0,), "prlimit64": (0,),
}  # fmt: skip
_AF_UNIX = 1
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20

_LOAD, _AND, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


@cache
def program(*, unix_sockets: bool, own_files: bool, sends_files: bool) -> bytes:
    """Return the filter as BPF instructions.

    unix_sockets: allow making AF_UNIX sockets; other kinds are always refused.
    own_files: allow changing modes, owners, times and attributes of files.
    sends_files: allow sending open files to other processes.
    """
    column = list(_ARCHITECTURE).index(kernel.MACHINE)
    number = {name: numbers[column] for name, numbers in _NUMBERS.items()}
    refused = {**number, **_SAME_EVERYWHERE}
    if kernel.MACHINE == "x86_64":
        refused |= _X86_ONLY
    if not sends_files:
        refused |= {name: numbers[column] for name, numbers in _SEND.items()}
    if not own_files:
        refused |= {name: numbers[column] for name, numbers in _METADATA.items()}
        if kernel.MACHINE == "x86_64":
            refused |= _METADATA_X86_ONLY
    code: list[bytes] = []

    def emit(operation: int, operand: int, yes: int = 0, no: int = 0) -> None:
        code.append(struct.pack("=HBBI", operation, yes, no, operand))

    def answer(value: int) -> None:
        emit(_RETURN, value)

    def refuse_argument(call: int, index: int, jump: int, operands: tuple[int, ...]) -> None:
        """Refuse `call` if its argument number `index` matches one of `operands`, else allow it."""
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
    # Calls newer than the list, and the x32 calls of x86_64, whose numbers would bypass every check below.
    emit(_JUMP_GREATER_EQUAL, _NEWEST + 1, 0, 1)
    answer(_ERRNO | errno.ENOSYS)
    # A filter can't follow the pointer to the flags of clone3; the C library falls back to clone.
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
    for name, (index, operands) in _REFUSED_ARGUMENTS.items():
        refuse_argument(number[name], index, _JUMP_EQUAL, operands)
    for name, indexes in _SELF_ONLY.items():
        emit(_JUMP_EQUAL, number[name], 0, 3 * len(indexes) + 1)
        for index in indexes:
            emit(_LOAD, _ARGUMENTS + 8 * index)
            emit(_JUMP_EQUAL, 0, 1, 0)
            answer(_ERRNO | errno.EPERM)
        answer(_ALLOW)
    # Shared memory without a file: it outlives its mappings, so it can't be charged to a process.
    emit(_JUMP_EQUAL, number["mmap"], 0, 5)
    emit(_LOAD, _ARGUMENTS + 8 * 3)
    emit(_AND, _MAP_SHARED | _MAP_ANONYMOUS)
    emit(_JUMP_EQUAL, _MAP_SHARED | _MAP_ANONYMOUS, 0, 1)
    answer(_ERRNO | errno.ENOMEM)
    answer(_ALLOW)
    # The scheduler gives each session (autogroup) the same share of the processor, so a program must not make more of
    # them. The call returns success without effect, because daemons and launchers fail otherwise.
    emit(_JUMP_EQUAL, number["setsid"], 0, 1)
    answer(_ERRNO)
    for name, call in refused.items():
        if name not in ("socket", "clone", "mmap", "setsid", *_REFUSED_ARGUMENTS, *_SELF_ONLY):
            emit(_JUMP_EQUAL, call, 0, 1)
            answer(_ERRNO | errno.EPERM)
    answer(_ALLOW)
    return b"".join(code)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def restrict(*, unix_sockets: bool, own_files: bool, sends_files: bool = False) -> None:
    """Apply the filter to this process and its children, permanently. Needs no_new_privs."""
    instructions = program(unix_sockets=unix_sockets, own_files=own_files, sends_files=sends_files)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    filter_ = _Program(len(instructions) // 8, ctypes.addressof(buffer))
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.byref(filter_))
