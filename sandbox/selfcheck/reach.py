"""Cases about other processes, secrets and files outside of the program."""

from functools import partial
from typing import Any

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.selfcheck.case import Case, CaseResult, Check, attempts, case_of, ended, every, gone
from storm_calm.sandbox.selfcheck.texts import NAMED, REQUIRE_CONTROL, SEARCH
from storm_calm.sandbox.zygote.child import program_environment

_BOMB = Limits(seconds=1.0, memory_mb=512, processes=16)
_REFUSED = Limits(seconds=10.0, memory_mb=512, processes=16)


def _named(name: str, code: str, check: Check, **options: Any) -> Case:
    """Return a case whose processes are named after its token; none may be left."""
    return case_of("processes", name, NAMED + code, every(check, gone), informed=True, outside=True, **options)


_PROCESSES: tuple[Case, ...] = (
    _named("a fork bomb", "while True:\n    try: os.fork()\n    except OSError: pass", ended("timeout"), limits=_BOMB),
    _named(
        "forks until an error",
        "try:\n    while True: os.fork() or time.sleep(60)\nexcept OSError: os._exit(3)",
        ended("error", exit_code=3),
        limits=_REFUSED,
    ),
    _named(
        "threads until an error",
        "import threading\ntry:\n"
        "    while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "except RuntimeError: os._exit(3)",
        ended("error", exit_code=3),
        limits=_REFUSED,
    ),
    _named(
        "a process that forks and exits repeatedly",
        "print('begun')\nos.setsid() if os.fork() == 0 else time.sleep(0.1) or os._exit(0)\n"
        "while True:\n    if os.fork(): os._exit(0)",
        ended("ok", stdout="begun\n"),
        limits=_BOMB,
        # Without a pid namespace, killing it is a race.
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
        excused="does not stop signals",
    ),
)

_SECRETS = {
    "search of all memory in reach": (
        f"{SEARCH}\nlook_into_memory('self')\n{REQUIRE_CONTROL}look_into_memory(os.getppid())\n"
        "deadline = time.monotonic() + 8\n"
        "try: others = [pid for pid in os.listdir('/proc') if pid.isdigit()]\n"
        "except OSError: others = []\n"
        "for pid in others:\n"
        "    if time.monotonic() < deadline and not leaks(): look_into_memory(pid)\n"
        "print_findings()"
    ),
    "search of all of /proc": (
        f"{SEARCH}\nopen('control', 'wb').write(control); look_into_file('control')\n"
        f"{REQUIRE_CONTROL}walk('/proc', 5)\n"
        "for pid in ('self', 1, 2, os.getppid()):\n"
        "    for name in ('environ', 'cmdline', 'auxv', 'stack'): look_into_file(f'/proc/{pid}/{name}')\n"
        "    walk(f'/proc/{pid}/root/tmp', 2); walk(f'/proc/{pid}/cwd', 2)\n"
        "for path in ('/proc/kcore', '/proc/kmsg', '/proc/cmdline'): look_into_file(path)\n"
        "print_findings()"
    ),
    "search of all files": (
        f"{SEARCH}\nopen('control', 'wb').write(control); walk('.', 1)\n{REQUIRE_CONTROL}"
        "system = ['/usr', '/lib', '/lib64', '/bin', '/sbin', '/sys', '/proc', '/nix', sys.prefix, sys.base_prefix]\n"
        "system = {os.path.realpath(path) for path in [*system, *sysconfig.get_paths().values()]}\n"
        "for top in (FOLDER, '/tmp', '/root', '/home', '/var', '/etc', '/run', '/'): walk(top, 3, system)\n"
        "print_findings()"
    ),
    "files of the caller, by many ways": """
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
    "packages other than the libraries, such as this project": """
import glob, importlib, site, sys, sysconfig
tops = {sys.prefix, sys.base_prefix, "/usr", "/usr/local"}
kinds = ("site-packages", "dist-packages")
sys.path += [path for top in tops for kind in kinds for path in glob.glob(f"{top}/lib*/python3*/{kind}")]
sys.path += [*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
names = ("storm_calm", "storm_calm.sandbox", "storm_calm.env.problems.families", "pip", "langgraph", "openai")
for name in names: attempt(name, lambda: importlib.import_module(name))
""",
}
_LINKED = """
import os
open("plain", "w").write("plain")
os.symlink(SECRET_FILE, "link"); os.symlink("/", "folder"); os.mkfifo("pipe"); os.mkdir("empty")
"""


def _only_plain(result: CaseResult) -> str | None:
    if dict(result.last.files) == {"plain": b"plain"}:
        return None
    return f"the result files are {sorted(result.last.files)}, not only 'plain'"


_secret_case = partial(case_of, "secrets")

CASES: tuple[Case, ...] = (
    *_PROCESSES,
    *(attempts("secrets", name, code) for name, code in _SECRETS.items()),
    _secret_case(
        "the environment",
        "import os\nprint(sorted(os.environ))",
        ended("ok", stdout=f"{sorted(program_environment('/', ''))}\n"),
    ),
    _secret_case(
        "open files",
        "import os\nprint([fd for fd in range(1024) if os.path.exists(f'/proc/self/fd/{fd}')])",
        ended("ok", stdout="[0, 1, 2, 3]\n"),
    ),
    _secret_case(
        "links and pipes as result files",
        _LINKED,
        every(ended("ok"), _only_plain),
        informed=True,
        results=("plain", "link", "folder/etc/hostname", "pipe", "empty", "missing"),
    ),
)
