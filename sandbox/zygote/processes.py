"""Read process trees, processor times and memory from /proc."""

import contextlib
import os
import signal
import time

_EXITING = 0x4  # PF_EXITING
_MANY_PAGE_TABLES = 64 << 20  # bytes, for some 30 GiB of memory: reading all its pages takes a third of a second
_KILL = 1 << (9 - 1)  # SIGKILL in a signal mask
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_SOCKET_BUFFER = 256 << 10  # bytes: net.core.wmem_default plus the kernel's overhead


def process_tree(pid: int) -> list[int]:
    """Return `pid` and its descendants. A process whose parent has ended belongs to its new parent."""
    found = [pid]
    for parent in found:
        found += children(parent)
    return found


def children(pid: int) -> list[int]:
    """Return the children of all threads of `pid`; none if it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def is_only_process(pid: int, report: bytes) -> bool:
    """Return whether `pid`, the first process of a pid namespace with /proc/PID/status `report`, is alone in it.

    It must also have one thread. Without children it is alone, because the kernel makes all orphans its children.
    """
    return b"\nThreads:\t1\n" in report and not _read(f"/proc/{pid}/task/{pid}/children")


def is_doomed(pid: int) -> bool:
    """Return whether a process is gone or executes no more code; the kernel can take seconds to free its memory."""
    fields = stat_fields(pid)
    if len(fields) < 7:
        return True
    pending = int(_value(status(pid), b"ShdPnd:"), 16)
    return bool(int(fields[6]) & _EXITING or pending & _KILL)


def stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third, the process state; only "X" if the process is gone."""
    return _read(f"/proc/{pid}/stat").decode(errors="replace").rpartition(")")[2].split() or ["X"]


def wait_status(pid: int) -> int:
    """Return the wait status of a dead process, also if it is not a child of this one."""
    with contextlib.suppress(ChildProcessError):
        found, result = os.waitpid(pid, os.WNOHANG)
        if found:
            return result
    fields = stat_fields(pid)
    # If its parent has not reaped it, /proc has its exit code. Otherwise the status is lost.
    return int(fields[49]) if len(fields) > 49 else signal.SIGKILL


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds of a process, dead or alive, and of the children that it waited for."""
    fields = stat_fields(pid)
    waited_for = sum(map(int, fields[13:15])) / _CLOCK_TICKS if len(fields) > 14 else 0.0
    try:
        return time.clock_gettime((~pid << 3) | 2) + waited_for  # The clock id of clock_getcpuclockid(3).
    except OSError:
        return waited_for


def own_bytes(pid: int, inherited: int) -> int:
    """Return the memory of `pid` and its descendants, in bytes, without the `inherited` bytes that each started with.

    Fast, but a page shared by several of them counts once for each. `proportional_bytes` is exact.
    """
    return sum(max(0, private_bytes(member) - inherited) for member in process_tree(pid))


def private_bytes(pid: int | str) -> int:
    """Return the resident anonymous memory, shared memory and page tables of a process, in bytes."""
    report = status(pid)
    return sum(_bytes(report, name) for name in (b"RssAnon:", b"RssShmem:", b"VmPTE:"))


def socket_bytes(pid: int) -> int:
    """Return the bytes that the sockets in the network namespace of `pid` can buffer."""
    report = _read(f"/proc/{pid}/net/sockstat")
    found = report.startswith(b"sockets: used ") and int(report.split(maxsplit=3)[2])
    return found * _SOCKET_BUFFER


def status(pid: int | str) -> bytes:
    """Return the content of /proc/PID/status; b"" if the process is gone."""
    return _read(f"/proc/{pid}/status")


def highest_bytes(report: bytes) -> int:
    """Return the peak resident memory in a /proc/PID/status, in bytes, without the files that are mapped now."""
    return _bytes(report, b"VmHWM:") - _bytes(report, b"RssFile:")


def data_bytes() -> int:
    """Return the bytes of this process that RLIMIT_DATA limits."""
    return _bytes(status("self"), b"VmData:")


def proportional_bytes(pid: int) -> int | None:
    """Return the memory of `pid` and its descendants, in bytes; a page shared by n processes counts 1/n in each.

    None if the kernel does not report it, or there are so many pages that reading them would take long.
    """
    members = process_tree(pid)
    total = sum(_bytes(status(member), b"VmPTE:") for member in members)
    if total > _MANY_PAGE_TABLES:
        return None
    for member in members:
        report = _read(f"/proc/{member}/smaps_rollup")
        if not report and private_bytes(member):  # A dead process has no report, but no memory either.
            return None
        total += _bytes(report, b"Pss_Anon:") + _bytes(report, b"Pss_Shmem:")
    return total


def _bytes(report: bytes, name: bytes) -> int:
    return int(_value(report, name)) << 10


def _value(report: bytes, name: bytes) -> bytes:
    """Return the first word after `name` in lines such as "RssAnon:   123 kB"; b"0" without one."""
    start = report.find(b"\n" + name)
    return report[start + 1 + len(name) :].split(maxsplit=1)[0] if start >= 0 else b"0"


def _read(path: str) -> bytes:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, 1 << 16)
        finally:
            os.close(fd)
    return b""
