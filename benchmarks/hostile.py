"""Programs that mean harm, or do it, with the statuses that are right for them: for `benchmarks.sandbox_soak`."""

from dataclasses import dataclass

from storm_calm.sandbox import Limits, Status

ROOMY = Limits(seconds=60)
_SHORT = Limits(seconds=0.25, processes=24)
_SMALL = Limits(seconds=20, memory_mb=200, file_mb=8, processes=16, output_bytes=4096)
_TIGHT = Limits(seconds=20, memory_mb=128, file_mb=8, processes=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A program and what must come of it."""

    name: str
    code: str
    limits: Limits = ROOMY
    statuses: tuple[Status, ...] = ("ok",)
    """Those that are right."""
    answer: str | None = None
    """Its `OBJ` line; None for those that have none."""
    seconds: float = 0.0
    """Wall seconds that it takes alone."""


def _hostile(name: str, status: Status | tuple[Status, ...], limits: Limits, code: str) -> Job:
    return Job(name=name, code=code, limits=limits, statuses=(status,) if isinstance(status, str) else status)


_NONCE = """
import os, sys
def send(text):
    frame = sys._getframe()
    while "word" not in (order := frame.f_locals.get("order") or {}): frame = frame.f_back
    os.write(3, (order["word"] + text + "\\n").encode()[:4096])
"""
"""Finds the nonce of the channel to the caller, as a program can that looks for it."""

HOSTILE = (
    _hostile("endless loop", "timeout", _SHORT, "while True: pass"),
    _hostile("long sleep", "timeout", _SHORT, "import time; time.sleep(1e6)"),
    _hostile("long call into C", "timeout", _SHORT, "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')"),
    _hostile(
        "deaf to signals",
        "timeout",
        _SHORT,
        "import signal\nfor s in set(signal.valid_signals()) - {9, 19}: signal.signal(s, signal.SIG_IGN)\n"
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    ),
    _hostile(
        "fork bomb",
        "timeout",
        _SHORT,
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    ),
    _hostile("memory in Python", "memory_limit", _SMALL, "x = []\nwhile True: x.append('a' * 10_000_000)"),
    _hostile("memory in numpy", "memory_limit", _SMALL, "import numpy\nx = [numpy.ones(10**7) for _ in range(1000)]"),
    _hostile(
        "memory in many processes",
        "memory_limit",
        _SMALL,
        "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        x = b'x' * (90 << 20); time.sleep(60)\n"
        "time.sleep(60)",
    ),
    _hostile("flood of output", "output_limit", _SMALL, "while True: print('x' * 1000)"),
    _hostile("flood of errors", "output_limit", _SMALL, "import os\nwhile True: os.write(2, b'x' * 65536)"),
    _hostile("one long line", "output_limit", _SMALL, "print('x' * 20_000_000)"),
    _hostile(
        "daemon",
        "ok",
        _SMALL,
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        os.closerange(0, 100)\n        time.sleep(600)\n    os._exit(0)\nprint('OBJ left')",
    ),
    _hostile(
        "zombies",
        "ok",
        _SMALL,
        "import os\nfor _ in range(8): os.fork() or os._exit(0)\nprint('OBJ left')",
    ),
    _hostile("abrupt exit", "error", _SMALL, "import os\nprint('OBJ left'); os._exit(3)"),
    _hostile("segmentation fault", "error", _SMALL, "import ctypes; ctypes.string_at(0)"),
    _hostile("abort", "error", _SMALL, "import os; os.abort()"),
    # The first process of a pid namespace does not die of its own signals.
    _hostile("suicide", ("ok", "error"), _SMALL, "import os; os.kill(os.getpid(), 9)"),
    _hostile(
        "killing spree",
        ("ok", "error"),
        _SMALL,
        "import os\nfor pid in (os.getppid(), 1, *range(2, 50), -1):\n    if pid not in (0, os.getpid()):\n"
        "        try: os.kill(pid, 9)\n        except OSError: pass",
    ),
    _hostile(
        "too many threads",
        "error",
        _SMALL,
        "import threading, time\nfor _ in range(99):\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    ),
    _hostile("too large a file", "error", _SMALL, "open('big', 'wb').truncate(100 << 20)"),
    _hostile(
        "too many files",
        "error",
        _SMALL,
        "for i in range(300): open(f'f{i}', 'wb').write(bytes(1 << 16))\nraise SystemExit(1)",
    ),
    _hostile(
        "files everywhere",
        "ok",
        _SMALL,
        "import os\nfor folder in ('.', '/dev/shm', '/tmp', '/var/tmp', '/run'):\n"
        "    try: open(f'{folder}/WORD', 'w').write('x')\n    except OSError: pass",
    ),
    _hostile("open descriptors", "error", _SMALL, "import os\nwhile True: os.open('/dev/null', os.O_RDONLY)"),
    _hostile("no python", "error", _SMALL, "def f(:\n pass"),
    _hostile("endless recursion", "error", _SMALL, "def f(): f()\nf()"),
    # Those that forge.
    _hostile("a forged end", "error", _SMALL, _NONCE + "send('over 3')\nimport time; time.sleep(60)"),
    _hostile(
        "forged messages",
        "ok",
        _SMALL,
        _NONCE + "for text in ('over x', 'over 300', '[' * 3000, '9' * 4000, '[1]'): send(text)\nprint('OBJ left')",
    ),
    # Those that hide memory.
    _hostile(
        "shared memory",
        ("error", "memory_limit"),
        _TIGHT,
        "import mmap\nx = mmap.mmap(-1, 1 << 30)\nx.write(bytes(1 << 30))",
    ),
    _hostile(
        "page tables",
        "memory_limit",
        _TIGHT,
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\nsize = 400 << 30\n"
        "start = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))\n"
        "libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), 15)\n"
        "for offset in range(0, size, 2 << 20): ctypes.string_at(start + offset, 1)",
    ),
    _hostile(
        "page tables of a library",
        ("memory_limit", "timeout"),
        Limits(seconds=2, memory_mb=128, processes=24),
        "import ctypes, glob, os, sys\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
        "path = max(glob.glob(os.path.dirname(os.__file__) + '/../*.so*') + [sys.executable], key=os.path.getsize)\n"
        "fd, size = os.open(path, 0), os.path.getsize(path) // 4096 * 4096\n"
        "for _ in range(19):\n    if os.fork() == 0: break\n"
        "while True: libc.mmap(None, ctypes.c_size_t(size), 1, 0x8001, fd, ctypes.c_long(0))",
    ),
    _hostile(
        "socket buffers",
        "memory_limit",
        _TIGHT,
        "import os, socket, time\nfor _ in range(9):\n    if os.fork() == 0: break\nkept = []\ntry:\n    while True:\n"
        "        kept.append(socket.socketpair())\n        for s in kept[-1]:\n            s.setblocking(False)\n"
        "            try:\n                while True: s.send(bytes(65536))\n            except BlockingIOError: pass\n"
        "except OSError: time.sleep(60)",
    ),
    # Those that disturb neighbours.
    _hostile(
        "a share for each session",
        "timeout",
        Limits(seconds=1, processes=64),
        "import os\nfor _ in range(60):\n    if os.fork() == 0: os.setsid(); break\nwhile True: pass",
    ),
    _hostile(
        "files in flight, watches and locks",
        "ok",
        _SMALL,
        "import array, ctypes, fcntl, os, socket\nlibc = ctypes.CDLL(None)\na, b = socket.socketpair()\n"
        "for action in (lambda: a.sendmsg([b'x'], [(1, 1, array.array('i', [0] * 200))]),\n"
        "               lambda: fcntl.flock(os.open(os.__file__, 0), 2), lambda: os.setpriority(2, os.getuid(), 19)):\n"
        "    try: action()\n    except OSError: continue\n    raise SystemExit(1)\n"
        "print('OBJ left' if libc.inotify_init1(0) < 0 else 'OBJ watched')",
    ),
)
"""Each with what is right for it; `WORD` in a text stands for a name that is nowhere else."""
