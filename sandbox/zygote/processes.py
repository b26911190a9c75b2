"""What the kernel tells about processes: their children, and the memory that they hold of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import time

_EXITING = 0x4  # PF_EXITING
_MANY_PAGE_TABLES = 64 << 20  # for some 30 GiB: a look at all of them takes a third of a second
_KILL = 1 << (9 - 1)  # SIGKILL in a set of signals
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_SOCKET_BUFFER = 256 << 10  # net.core.wmem_default, and what the kernel adds to it


def process_tree(pid: int) -> list[int]:
    """`pid` and all that descend from it, as far as they are still linked to it."""
    found = [pid]
    for parent in found:
        found += children(parent)
    return found


def children(pid: int) -> list[int]:
    """The children of all threads of `pid`; none where it is gone."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


def is_only_process(pid: int, report: bytes) -> bool:
    """Whether `pid`, the first process of a pid namespace, is the only one in it and has one thread.

    Every process in the namespace descends from it, or was handed to it when its parent ended.
    report: its /proc/PID/status.
    """
    return b"\nThreads:\t1\n" in report and not _read(f"/proc/{pid}/task/{pid}/children")


def is_doomed(pid: int) -> bool:
    """Whether a process is gone, or was killed and runs no more code of its own.

    It may be there for seconds: so long it can take the kernel to take down many large mappings.
    """
    fields = stat_fields(pid)
    if len(fields) < 7:
        return True
    pending = _hexadecimal(_read(f"/proc/{pid}/status"), b"ShdPnd:")
    return bool(int(fields[6]) & _EXITING or pending & _KILL)


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third, the process's state, on; only "X" where it is gone."""
    return _read(f"/proc/{pid}/stat").decode(errors="replace").rpartition(")")[2].split() or ["X"]


def wait_status(pid: int) -> int:
    """How a dead process ended, whoever its parent is."""
    with contextlib.suppress(ChildProcessError):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
    fields = stat_fields(pid)
    # A state whose blocks are not buried: its process is there, and tells. Else it was buried behind our back.
    return int(fields[49]) if len(fields) > 49 else signal.SIGKILL


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process and of the children that it waited for; also of a dead one."""
    fields = stat_fields(pid)
    waited_for = sum(map(int, fields[13:15])) / _CLOCK_TICKS if len(fields) > 14 else 0.0
    try:
        return time.clock_gettime((~pid << 3) | 2) + waited_for  # As clock_getcpuclockid(3) makes it.
    except OSError:
        return waited_for


def own_bytes(pid: int, inherited: int) -> int:
    """Bytes of memory that `pid` and its descendants hold beyond the `inherited` ones that each started with.

    Quick, and too high where they share pages that they wrote before a fork; `proportional_bytes` tells those apart.
    """
    return sum(max(0, private_bytes(member) - inherited) for member in process_tree(pid))


def private_bytes(pid: int | str) -> int:
    """Bytes of anonymous and shared memory that the process has in use, page tables included, files not."""
    report = _read(f"/proc/{pid}/status")
    return sum(_amount(report, name) for name in (b"RssAnon:", b"RssShmem:", b"VmPTE:"))


def socket_bytes(pid: int) -> int:
    """Bytes that the sockets of the network namespace of `pid` can hold in their buffers."""
    report = _read(f"/proc/{pid}/net/sockstat")
    found = report.startswith(b"sockets: used ") and int(report.split(maxsplit=3)[2])
    return found * _SOCKET_BUFFER


def status(pid: int) -> bytes:
    """What /proc/PID/status holds; b"" if the process is gone."""
    return _read(f"/proc/{pid}/status")


def highest_bytes(report: bytes) -> int:
    """The most memory that a process ever had in use, in bytes, without the files that it has mapped now.

    report: its /proc/PID/status.
    """
    return _amount(report, b"VmHWM:") - _amount(report, b"RssFile:")


def data_bytes() -> int:
    """Bytes that this process's RLIMIT_DATA counts."""
    return _field("/proc/self/status", b"VmData:")


def proportional_bytes(pid: int) -> int | None:
    """Like `own_bytes`, but a page shared by n processes counts 1/n in each.

    None if the kernel does not say, or it would take long, as all pages are looked at.
    """
    members = process_tree(pid)
    total = sum(_field(f"/proc/{member}/status", b"VmPTE:") for member in members)
    if total > _MANY_PAGE_TABLES:
        return None
    for member in members:
        report = _read(f"/proc/{member}/smaps_rollup")
        if not report and private_bytes(member):  # A dead one has nothing to report, and no memory.
            return None
        total += _amount(report, b"Pss_Anon:") + _amount(report, b"Pss_Shmem:")
    return total


def _field(path: str, name: bytes) -> int:
    return _amount(_read(path), name)


def _amount(report: bytes, name: bytes) -> int:
    """The bytes behind `name` in a report with lines such as "RssAnon:   123 kB"; 0 without one."""
    start = report.find(b"\n" + name)
    if start < 0:
        return 0
    return int(report[start + 1 + len(name) :].split(maxsplit=1)[0]) << 10


def _hexadecimal(report: bytes, name: bytes) -> int:
    """The number behind `name` in a report with lines such as "ShdPnd: 0000000000000100"; 0 without one."""
    start = report.find(b"\n" + name)
    return int(report[start + 1 + len(name) :].split(maxsplit=1)[0], 16) if start >= 0 else 0


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 1 << 16)
    except OSError:
        return b""
    finally:
        os.close(fd)
