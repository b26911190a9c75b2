"""Cases about time, memory, output and files: a program over a limit is stopped, and its status names the limit."""

from functools import partial

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import Isolation
from storm_calm.sandbox.selfcheck.case import Case, CaseResult, case_of, ended, every, gone
from storm_calm.sandbox.selfcheck.texts import NAMED

_SHORT = Limits(seconds=0.4, memory_mb=512)
_LATENESS_SECONDS = 3.0  # after a deadline, on a busy machine

_NEVER_ENDING = {
    "a loop without end": "while True: pass",
    "a sleep without end": "time.sleep(1e9)",
    "a call that keeps the interpreter": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "a loop that ignores signals": (
        "for s in set(signal.valid_signals()) - {9, 19}: signal.signal(s, signal.SIG_IGN)\nwhile True: pass"
    ),
    "a loop that catches all exceptions": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    "a thread that does not end": "import threading\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    "an exit callback that does not end": "import atexit\natexit.register(time.sleep, 1000)",
    "a program that stops itself": "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(1000)",
    "silence after the output is closed": "os.close(1); os.close(2); time.sleep(1000)",
    "a child that holds the output": "if os.fork() == 0: os.setsid()\ntime.sleep(1000)",
}

_HUNGRY = Limits(seconds=30, memory_mb=256)
_MEMORY_HUNGRY: dict[str, tuple[str, tuple[str, ...]]] = {
    "more and more text": ("x = []\nwhile True: x.append('a' * 10_000_000)", ()),
    "one text of 10 GB": ("x = bytes(10 << 30)", ()),
    "many arrays": ("import numpy as np\nx = [np.ones(10**7) for _ in range(1000)]", ("numpy",)),
    "one array of 8 GB": ("import numpy as np\nnp.ones(10**9)", ("numpy",)),
    "a solver's model": (
        "from ortools.sat.python import cp_model\nm = cp_model.CpModel()\n"
        "while True: m.new_int_var(0, 9, 'x' * 100000)",
        ("ortools",),
    ),
}
_MEMORY_HIDDEN: dict[str, tuple[Isolation, str]] = {
    "memory shared between processes": (
        "landlock",
        "import mmap\nx = mmap.mmap(-1, 2 << 30)\nwhile True: x.write(bytes(1 << 20))",
    ),
    "shared memory that is no longer mapped": (
        "landlock",
        "import mmap\nx = mmap.mmap(-1, 2 << 30)\nfor i in range(0, 2 << 30, 1 << 22):\n"
        "    x[i : i + (1 << 22)] = bytes(1 << 22)\n    x.madvise(mmap.MADV_DONTNEED, i, 1 << 22)\n",
    ),
    "shared memory from a device": (
        "landlock",
        "import mmap, os\nfd = os.open('/dev/zero', os.O_RDWR)\nx = mmap.mmap(fd, 2 << 30)\n"
        "while True: x.write(bytes(1 << 20))",
    ),
    "page tables": (
        "limits",
        "import ctypes, mmap, time\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
        "size = 400 << 30\n"
        "p = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))\n"
        "libc.madvise(ctypes.c_void_p(p), ctypes.c_size_t(size), 15)\n"
        "for offset in range(0, size, 2 << 20): ctypes.string_at(p + offset, 1)\n"
        "raise SystemExit(1 if size < 0 else 0)",
    ),
    "socket buffers": (
        "full",
        "import os, socket, time\ndef fill():\n    kept = []\n    try:\n        while True:\n"
        "            kept.append(socket.socketpair())\n            for s in kept[-1]:\n"
        "                s.setblocking(False)\n                try:\n"
        "                    while True: s.send(bytes(65536))\n"
        "                except BlockingIOError: pass\n    except OSError: time.sleep(60)\n"
        "for _ in range(10):\n    if os.fork() == 0: fill()\ntime.sleep(60)",
    ),
}
"""Memory outside of a process's own pages: the sandbox must refuse it or count it."""

_FILE_FLOODS = {
    "many files that are large together": "for i in range(100): open(f'f{i}', 'wb').write(bytes(1 << 20))",
    "a flood into /tmp": "for i in range(100): open(f'/tmp/f{i}', 'wb').write(bytes(1 << 20))",
    "a flood into /tmp and the folder": "for i in range(100): open(('/tmp/', '')[i % 2] + f'{i}', 'wb')"
    ".write(bytes(1 << 17))",
    "a flood into shared memory": "for i in range(100): open(f'/dev/shm/f{i}', 'wb').write(bytes(1 << 20))",
    "thousands of files": "for i in range(20_000): open(f'f{i}', 'w').close()",
}
_SMALL = Limits(seconds=20, memory_mb=512, file_mb=8, output_bytes=5000)
_memory = partial(case_of, "memory", limits=_HUNGRY)
_output = partial(case_of, "output", limits=_SMALL)
_files = partial(case_of, "files", limits=_SMALL)


def _held_time(result: CaseResult) -> str | None:
    seconds = result.last.wall_seconds
    if seconds < _SHORT.seconds * 0.9:
        return f"it was ended after {seconds:.2f} s, before its limit of {_SHORT.seconds:g} s"
    return None


def _held_memory(result: CaseResult) -> str | None:
    most = _HUNGRY.memory_mb * 3
    peak = result.last.peak_memory_mb
    return f"it got {peak:.0f} MiB; the limit is {_HUNGRY.memory_mb} MiB" if peak > most else None


def _cut(stream: str, length: int) -> Case:
    def check(result: CaseResult) -> str | None:
        kept = len(getattr(result.last, stream))
        return None if kept == length and result.last.truncated else f"{kept} characters were kept, not {length}"

    return _output(
        f"a flood on {stream}",
        f"import sys\nwhile True: sys.{stream}.write('x' * 1000 + '\\n')",
        every(ended("output_limit", within=_LATENESS_SECONDS), check),
    )


CASES: tuple[Case, ...] = (
    *(
        case_of(
            "time",
            name,
            f"{NAMED}print('begun')\n{code}",
            every(ended("timeout", begins="begun\n", within=_SHORT.seconds + _LATENESS_SECONDS), _held_time, gone),
            limits=_SHORT,
            informed=True,
            outside=True,
        )
        for name, code in _NEVER_ENDING.items()
    ),
    *(
        _memory(name, code, every(ended("memory_limit"), _held_memory), needs=needs)
        for name, (code, needs) in _MEMORY_HUNGRY.items()
    ),
    *(
        _memory(name, code, every(ended("memory_limit", "error"), _held_memory), isolation=isolation)
        for name, (isolation, code) in _MEMORY_HIDDEN.items()
    ),
    _memory(
        "many processes with a little each",
        "import os, time\n"
        "for _ in range(8): os.fork() or (lambda x: time.sleep(60))(b'x' * (200 << 20))\ntime.sleep(60)",
        # The sum of all processes is sampled at intervals, so the peak before the kill is not checked.
        ended("memory_limit"),
    ),
    _memory(
        "a caught MemoryError",
        "try: bytes(10 << 30)\nexcept MemoryError: print('caught')",
        ended("ok", stdout="caught\n"),
        limits=_SMALL,
    ),
    _memory("the word MemoryError alone", "raise ValueError('MemoryError')", ended("error"), limits=_SMALL),
    _cut("stdout", 5000),
    _cut("stderr", 5000),
    _output("one line of 100 MB", "print('x' * 100_000_000)", ended("output_limit", within=10)),
    _output(
        "a flood from an orphaned child",
        "import os, time\nif os.fork() == 0:\n    while True: os.write(1, b'x' * 1000)\nos.wait()",
        ended("output_limit"),
    ),
    _output("output up to the limit", "print('x' * 4999)", ended("ok", stdout="x" * 4999 + "\n")),
    _output(
        "bytes that are not text",
        "import sys\nsys.stdout.buffer.write(b'a\\xff\\x00b\\n')\nprint(chr(0xd800))",
        ended("ok", stdout="a\ufffd\x00b\n\\ud800\n"),
    ),
    _files("a sparse file of 10 TB", "open('big', 'wb').truncate(10 << 40)", ended("error", stderr="File too large")),
    _files(
        "a file that grows",
        "with open('big', 'wb', 0) as file:\n    while True: file.write(bytes(1 << 20))",
        ended("error", stderr="Errno"),
    ),
    _files(
        "an unnamed file in memory",
        "import os\nfd = os.memfd_create('x')\nfor _ in range(100): os.write(fd, bytes(1 << 20))",
        ended("error", stderr="Errno"),
    ),
    *(
        _files(name, code, ended("error", stderr="No space left"), isolation="full", tmp="/tmp/" in code)
        for name, code in _FILE_FLOODS.items()
    ),
    _files(
        "hundreds of open files",
        "x = []\ntry:\n    while True: x.append(open('/dev/null'))\nexcept OSError as e: print(len(x) < 1024, e.errno)",
        ended("ok", stdout="True 24\n"),
    ),
    case_of(
        "files",
        "folders deeper than any path",
        (
            "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\nopen('x', 'w').close()",
            "import os\nprint(os.listdir())",
        ),
        ended("ok", stdout="['main.py']\n"),
    ),
)
