"""Cases about what lies outside: processes, secrets, files, the network, and the powers to get there."""

from __future__ import annotations

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.selfcheck.case import (
    Case,
    CaseResult,
    Check,
    Step,
    Theme,
    ended,
    every,
    gone,
    refused,
    untouched,
)
from storm_calm.sandbox.selfcheck.texts import ATTEMPT, NAMED, SEARCH
from storm_calm.sandbox.zygote.child import program_environment

_BOMB = Limits(seconds=1.0, memory_mb=512, processes=16)
_REFUSED = Limits(seconds=10.0, memory_mb=512, processes=16)
_GENEROUS_LIMITS = Limits(seconds=20, memory_mb=512)
_NO_SIGNAL_SCOPE = "does not stop signals"


def _named(name: str, code: str, check: Check, *, limits: Limits = _GENEROUS_LIMITS, **more: object) -> Case:
    """A case about processes: they bear its token as their name, and none may be left."""
    step = Step(code=NAMED + code, informed=True, limits=limits)
    return Case(name=name, theme="processes", steps=(step,), check=every(check, gone), outside=True, **more)  # type: ignore[arg-type]


def _attempts(theme: Theme, name: str, code: str, check: Check = refused, **more: object) -> Case:
    """A case that tries things, all of which must be refused from isolation level "landlock" on."""
    step = Step(code=ATTEMPT + code, informed=True)
    more = {"isolation": "landlock", "outside": True, **more}
    return Case(name=name, theme=theme, steps=(step,), check=every(check, untouched), **more)  # type: ignore[arg-type]


_PROCESSES = (
    _named("a fork bomb", "while True:\n    try: os.fork()\n    except OSError: pass", ended("timeout"), limits=_BOMB),
    _named(
        "forks until it is refused",
        "try:\n    while True: os.fork() or time.sleep(60)\nexcept OSError: os._exit(3)",
        ended("error", exit_code=3),
        limits=_REFUSED,
    ),
    _named(
        "threads until it is refused",
        "import threading\ntry:\n"
        "    while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "except RuntimeError: os._exit(3)",
        ended("error", exit_code=3),
        limits=_REFUSED,
    ),
    _named(
        "a process that is never the same one",
        "print('begun')\nos.setsid() if os.fork() == 0 else time.sleep(0.1) or os._exit(0)\n"
        "while True:\n    if os.fork(): os._exit(0)",
        ended("ok", stdout="begun\n"),
        limits=_BOMB,
        # Without a pid namespace it is a race that nobody is sure to win.
        isolation="full",
    ),
    _named(
        "a daemon",
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.closerange(0, 100)\n"
        "        time.sleep(30)\n    os._exit(0)\nprint('done')",
        ended("ok", stdout="done\n", within=10),
    ),
    _named(
        "a daemon that holds the output",
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(30)\nprint('done')",
        ended("ok", stdout="done\n", within=10),
    ),
    _named("zombies", "for _ in range(20): os.fork() or os._exit(0)\nprint('done')", ended("ok", stdout="done\n")),
    _named(
        "a signal to every process there is",
        "for number in (signal.SIGSTOP, signal.SIGKILL):\n"
        "    for pid in (os.getppid(), 1, *range(2, 100), -1):\n"
        "        if pid not in (0, os.getpid()):\n"
        "            try: os.kill(pid, number)\n"
        "            except OSError: pass\n"
        "print('done')",
        ended("ok", stdout="done\n"),
        isolation="landlock",
        excused=_NO_SIGNAL_SCOPE,
    ),
)

_SEES = "if not any(what.startswith('control') for what in found): sys.exit('the search is blind')\n"
_SECRETS = (
    _attempts(
        "secrets",
        "search of all memory in reach",
        f"{SEARCH}\nlook_into_memory('self')\n{_SEES}look_into_memory(os.getppid())\n"
        "deadline = time.monotonic() + 8\n"
        "try: others = [pid for pid in os.listdir('/proc') if pid.isdigit()]\n"
        "except OSError: others = []\n"
        "for pid in others:\n"
        "    if time.monotonic() < deadline and not leaks(): look_into_memory(pid)\n"
        "tell()",
    ),
    _attempts(
        "secrets",
        "search of all of /proc",
        f"{SEARCH}\nopen('control', 'wb').write(control); look_into_file('control')\n"
        f"{_SEES}walk('/proc', 5)\n"
        "for pid in ('self', 1, 2, os.getppid()):\n"
        "    for name in ('environ', 'cmdline', 'auxv', 'stack'): look_into_file(f'/proc/{pid}/{name}')\n"
        "    walk(f'/proc/{pid}/root/tmp', 2); walk(f'/proc/{pid}/cwd', 2)\n"
        "for path in ('/proc/kcore', '/proc/kmsg', '/proc/cmdline'): look_into_file(path)\ntell()",
    ),
    _attempts(
        "secrets",
        "search of all files",
        f"{SEARCH}\nopen('control', 'wb').write(control); walk('.', 1)\n{_SEES}"
        "system = ['/usr', '/lib', '/lib64', '/bin', '/sbin', '/sys', '/proc', '/nix', sys.prefix, sys.base_prefix]\n"
        "system = {os.path.realpath(path) for path in [*system, *sysconfig.get_paths().values()]}\n"
        "for top in (FOLDER, '/tmp', '/root', '/home', '/var', '/etc', '/run', '/'): walk(top, 3, system)\ntell()",
    ),
    _attempts(
        "secrets",
        "files of the caller, by many ways",
        """
import os
for path in (SECRET_FILE, "/etc/passwd", "/etc/shadow", "/root/.bashrc", "../../../../../.." + SECRET_FILE):
    attempt(path, lambda: open(path).read(10))
attempt("its folder", lambda: os.listdir(FOLDER))
for pid in ("1", "2", str(os.getppid())):
    if pid != str(os.getpid()): attempt("root of " + pid, lambda: open(f"/proc/{pid}/root" + SECRET_FILE).read())
os.symlink(SECRET_FILE, "link"); attempt("link", lambda: open("link").read(10))
os.symlink("/", "root"); attempt("link to /", lambda: open("root" + SECRET_FILE).read(10))
attempt("hard link", lambda: os.link(SECRET_FILE, "hard"))
for fd in range(3, 64):
    try: os.stat(SECRET_FILE.lstrip("/"), dir_fd=fd)
    except OSError: continue
    print("done: a folder outside is open as", fd)
""",
    ),
    _attempts(
        "secrets",
        "packages that are no libraries, this project among them",
        """
import glob, importlib, site, sys, sysconfig
tops = {sys.prefix, sys.base_prefix, "/usr", "/usr/local"}
kinds = ("site-packages", "dist-packages")
sys.path += [path for top in tops for kind in kinds for path in glob.glob(f"{top}/lib*/python3*/{kind}")]
sys.path += [*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
names = ("storm_calm", "storm_calm.sandbox", "storm_calm.env.problems.families", "pip", "langgraph", "openai")
for name in names: attempt(name, lambda: importlib.import_module(name))
""",
    ),
    Case(
        name="the environment",
        theme="secrets",
        steps=(Step(code="import os\nprint(sorted(os.environ))"),),
        check=ended("ok", stdout=f"{sorted(program_environment('/', ''))}\n"),
    ),
    Case(
        name="open files",
        theme="secrets",
        steps=(Step(code="import os\nprint([fd for fd in range(1024) if os.path.exists(f'/proc/self/fd/{fd}')])"),),
        check=ended("ok", stdout="[0, 1, 2, 3]\n"),
    ),
)
_RESULTS = ("plain", "link", "folder/etc/hostname", "pipe", "empty", "missing")
_LINKED = """
import os
open("plain", "w").write("plain")
os.symlink(SECRET_FILE, "link"); os.symlink("/", "folder"); os.mkfifo("pipe"); os.mkdir("empty")
"""


def _only_plain(seen: CaseResult) -> str | None:
    if dict(seen.last.files) == {"plain": b"plain"}:
        return None
    return f"the result files are {sorted(seen.last.files)}, not just 'plain'"


_NETWORK = (
    _attempts(
        "network",
        "connections of all kinds",
        """
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
    ),
    _attempts(
        "network",
        "sockets of this machine",
        """
import socket
attempt("socket file", lambda: socket.socket(socket.AF_UNIX).connect(SOCKET))
attempt("abstract socket", lambda: socket.socket(socket.AF_UNIX).connect(ABSTRACT))
for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/systemd/private", "/dev/log"):
    attempt(path, lambda: socket.socket(socket.AF_UNIX).connect(path))
""",
    ),
)

_POWERS = (
    _attempts(
        "powers",
        "writing outside the folder",
        """
import json, os, sys
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
    ),
    _attempts(
        "powers",
        "calls that only the mighty may make",
        """
import ctypes, fcntl, os, resource, termios
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
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
attempt("typing into a terminal", lambda: fcntl.ioctl(0, termios.TIOCSTI, b"x"))
""",
    ),
    _attempts(
        "powers",
        "priorities and limits of other processes",
        """
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
other = os.getppid() or 1
attempt("priority of a user", lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19))
attempt("priority of a process", lambda: os.setpriority(os.PRIO_PROCESS, other, 19))
attempt("priority of a group", lambda: os.setpriority(os.PRIO_PGRP, other, 19))
attempt("scheduler", lambda: os.sched_setscheduler(other, os.SCHED_IDLE, os.sched_param(0)))
attempt("processors", lambda: os.sched_setaffinity(other, {0}))
attempt("limits", lambda: resource.prlimit(other, resource.RLIMIT_CPU, (1, 1)))
attempt("input and output", lambda: call("syscall", 251, 3, os.getuid(), 3 << 13))
""",
    ),
    _attempts(
        "neighbours",
        "what all programs share",
        """
import array, ctypes, fcntl, mmap, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def send():
    a, b = socket.socketpair()
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
library = os.open(os.__file__, os.O_RDONLY)
attempt("files in flight", send)
attempt("lock on a library", lambda: fcntl.flock(library, fcntl.LOCK_EX))
attempt("lease on a library", lambda: fcntl.fcntl(library, fcntl.F_SETLEASE, fcntl.F_RDLCK))
attempt("news of a folder", lambda: fcntl.fcntl(os.open("/usr/bin", os.O_RDONLY), fcntl.F_NOTIFY, 1))
attempt("watches", lambda: call("inotify_init1", 0))
attempt("asynchronous input and output", lambda: call("syscall", 206, 1000, ctypes.byref(ctypes.c_ulong(0))))
attempt("a queue", lambda: call("mq_open", b"/storm", os.O_CREAT | os.O_RDWR, 0o666, None))
attempt("memory without a file", lambda: mmap.mmap(-1, 1 << 20))
attempt("large pipes", lambda: fcntl.fcntl(os.pipe()[1], 1031, 1 << 20))
attempt("times of a device", lambda: os.utime("/dev/null"))
""",
    ),
    _attempts(
        "powers",
        "modes, owners and times of files outside",
        """
import os
for path in (SECRET_FILE, FOLDER, os.__file__):
    attempt("mode of " + path, lambda: os.chmod(path, 0o777))
    attempt("owner of " + path, lambda: os.chown(path, os.getuid(), os.getgid()))
    attempt("times of " + path, lambda: os.utime(path, (0, 0)))
    attempt("attributes of " + path, lambda: os.setxattr(path, "user.storm", b"1"))
""",
    ),
    Case(
        name="new powers by a new program",
        theme="powers",
        steps=(
            Step(
                code="for line in open('/proc/self/status'):\n"
                "    if line.startswith(('NoNewPrivs', 'Seccomp:')): print(line.split()[1])"
            ),
        ),
        check=ended("ok", stdout="1\n2\n"),
        isolation="landlock",
    ),
    Case(
        name="capabilities",
        theme="powers",
        steps=(Step(code="print({line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')})"),),
        check=ended("ok", stdout="{'0000000000000000'}\n"),
        isolation="full",
    ),
)

CASES: tuple[Case, ...] = (
    *_PROCESSES,
    *_SECRETS,
    Case(
        name="links and pipes as result files",
        theme="secrets",
        steps=(Step(code=_LINKED, informed=True, results=_RESULTS),),
        check=every(ended("ok"), _only_plain),
    ),
    *_NETWORK,
    *_POWERS,
)
"""Processes, secrets, network, powers."""
