"""Cases about the network, and about privileges to change anything outside of the program."""

from storm_calm.sandbox.selfcheck.case import Case, Theme, attempts, case_of, ended

_CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""
"""`call(name, *arguments)` calls a function of the C library."""

_ATTEMPTS: dict[Theme, dict[str, str]] = {
    "network": {
        "connections of all kinds": """
import socket, urllib.request
attempt("loopback", lambda: socket.create_connection(("127.0.0.1", PORT), 1))
attempt("IPv6", lambda: socket.create_connection(("::1", PORT), 1))
attempt("internet", lambda: socket.create_connection(("1.1.1.1", 53), 1))
attempt("metadata", lambda: urllib.request.urlopen("http://169.254.169.254/", timeout=1))
attempt("names", lambda: socket.getaddrinfo("pypi.org", 443))
attempt("datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", UDP_PORT)))
attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
attempt("raw", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
""",
        "sockets of this machine": """
import socket
attempt("socket file", lambda: socket.socket(socket.AF_UNIX).connect(SOCKET))
attempt("abstract socket", lambda: socket.socket(socket.AF_UNIX).connect(ABSTRACT))
for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/systemd/private", "/dev/log"):
    attempt(path, lambda: socket.socket(socket.AF_UNIX).connect(path))
""",
    },
    "powers": {
        "writing outside the folder": """
import json, sys
def write(path):
    with open(path, "a") as file: file.write("#")
for path in (FOLDER + "/" + TOKEN, SECRET_FILE, "/x", "/usr/x", "/etc/x", "/usr/bin/x", "/var/tmp/x", sys.prefix + "/x",
             "/proc/sys/kernel/core_pattern", "/proc/1/oom_score_adj", "/sys/devices/system/cpu/cpu0/online",
             "/proc/self/loginuid", "/proc/sysrq-trigger", json.__file__, os.__file__, "../../../x"):
    attempt(path, lambda: write(path))
os.symlink(FOLDER, "link")
attempt("link", lambda: write("link/" + TOKEN))
attempt("removing a library", lambda: os.unlink(json.__file__))
attempt("mode of a library", lambda: os.chmod(json.__file__, 0o777))
attempt("moving a library", lambda: os.rename(os.path.dirname(json.__file__), "json"))
attempt("truncating a library", lambda: os.truncate(json.__file__, 0))
""",
        "privileged system calls": """
import fcntl, resource, termios
attempt("user namespace", lambda: call("unshare", 0x10000000))
attempt("mount", lambda: call("mount", b"none", b".", b"tmpfs", 0, None))
attempt("umount", lambda: call("umount2", b"/proc", 2))
attempt("ptrace", lambda: call("ptrace", 16, os.getppid() or 1, 0, 0))
attempt("setns", lambda: call("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0))
attempt("chroot", lambda: os.chroot("."))
attempt("memory of another", lambda: call("process_vm_readv", os.getppid() or 1, None, 0, None, 0, 0))
attempt("io_uring", lambda: call("syscall", 425, 1, ctypes.create_string_buffer(256)))
attempt("new mount api", lambda: call("syscall", 430, b"tmpfs", 0))
attempt("root", lambda: os.setuid(0))
attempt("groups", lambda: os.setgroups([0]))
attempt("more open files", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20)))
attempt("more processes", lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1 << 20, 1 << 20)))
attempt("priority", lambda: os.nice(-5))
attempt("device", lambda: os.mknod("device", 0o20666, os.makedev(1, 1)))
attempt("host name", lambda: call("sethostname", b"x", 1))
attempt("clock", lambda: call("clock_settime", 0, (ctypes.c_long * 2)(0, 0)))
attempt("input to a terminal", lambda: fcntl.ioctl(0, termios.TIOCSTI, b"x"))
""",
        "priorities and limits of other processes": """
import resource
other = os.getppid() or 1
attempt("priority of a user", lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19))
attempt("priority of a process", lambda: os.setpriority(os.PRIO_PROCESS, other, 19))
attempt("priority of a group", lambda: os.setpriority(os.PRIO_PGRP, other, 19))
attempt("scheduler", lambda: os.sched_setscheduler(other, os.SCHED_IDLE, os.sched_param(0)))
attempt("processors", lambda: os.sched_setaffinity(other, {0}))
attempt("limits", lambda: resource.prlimit(other, resource.RLIMIT_CPU, (1, 1)))
attempt("input and output", lambda: call("syscall", 251, 3, os.getuid(), 3 << 13))
""",
        "modes, owners and times of files outside": """
for path in (SECRET_FILE, FOLDER, os.__file__):
    attempt("mode of " + path, lambda: os.chmod(path, 0o777))
    attempt("owner of " + path, lambda: os.chown(path, os.getuid(), os.getgid()))
    attempt("times of " + path, lambda: os.utime(path, (0, 0)))
    attempt("attributes of " + path, lambda: os.setxattr(path, "user.storm", b"1"))
""",
    },
    "neighbours": {
        "resources that all programs share": """
import array, fcntl, mmap, socket
def send():
    a, b = socket.socketpair()
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
library = os.open(os.__file__, os.O_RDONLY)
attempt("files in flight", send)
attempt("lock on a library", lambda: fcntl.flock(library, fcntl.LOCK_EX))
attempt("lease on a library", lambda: fcntl.fcntl(library, fcntl.F_SETLEASE, fcntl.F_RDLCK))
attempt("notifications of a folder", lambda: fcntl.fcntl(os.open("/usr/bin", os.O_RDONLY), fcntl.F_NOTIFY, 1))
attempt("watches", lambda: call("inotify_init1", 0))
attempt("asynchronous input and output", lambda: call("syscall", 206, 1000, ctypes.byref(ctypes.c_ulong(0))))
attempt("a queue", lambda: call("mq_open", b"/storm", os.O_CREAT | os.O_RDWR, 0o666, None))
attempt("memory without a file", lambda: mmap.mmap(-1, 1 << 20))
attempt("large pipes", lambda: fcntl.fcntl(os.pipe()[1], 1031, 1 << 20))
attempt("times of a device", lambda: os.utime("/dev/null"))
""",
    },
}
"""Programs by theme and name."""

CASES: tuple[Case, ...] = (
    *(attempts(theme, name, _CALL + code) for theme, programs in _ATTEMPTS.items() for name, code in programs.items()),
    case_of(
        "powers",
        "new privileges by a new program",
        "for line in open('/proc/self/status'):\n"
        "    if line.startswith(('NoNewPrivs', 'Seccomp:')): print(line.split()[1])",
        ended("ok", stdout="1\n2\n"),
        isolation="landlock",
    ),
    case_of(
        "powers",
        "capabilities",
        "print({line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')})",
        ended("ok", stdout="{'0000000000000000'}\n"),
        isolation="full",
    ),
)
