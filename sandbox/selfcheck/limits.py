"""Cases about time, memory, output and files: a run that goes over is stopped, and says which limit it was."""

from __future__ import annotations

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.execution import Isolation
from storm_calm.sandbox.selfcheck.case import Case, CaseResult, Step, Theme, ended, every, gone
from storm_calm.sandbox.selfcheck.texts import NAMED

_SHORT = Limits(seconds=0.4, memory_mb=512)
_LATENESS_SECONDS = 3.0  # past a deadline that a busy machine is forgiven

_NEVER_ENDING = {
    "a loop without end": "while True: pass",
    "a sleep without end": "time.sleep(1e9)",
    "a call that keeps the interpreter": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "a loop that is deaf to signals": (
        "for s in set(signal.valid_signals()) - {9, 19}: signal.signal(s, signal.SIG_IGN)\nwhile True: pass"
    ),
    "a loop that is deaf to exceptions": (
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
    "shared memory that nothing maps any more": (
        "landlock",
        "import mmap\nx = mmap.mmap(-1, 2 << 30)\nfor i in range(0, 2 << 30, 1 << 22):\n"
        "    x[i : i + (1 << 22)] = bytes(1 << 22)\n    x.madvise(mmap.MADV_DONTNEED, i, 1 << 22)\n",
    ),
    "shared memory by way of a device": (
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
"""Memory that is not in what a process maps. Each is refused, or counted."""

_SMALL = Limits(seconds=20, memory_mb=512, file_mb=8, output_bytes=5000)


def _held_time(seen: CaseResult) -> str | None:
    seconds = seen.last.wall_seconds
    if seconds < _SHORT.seconds * 0.9:
        return f"it was ended after {seconds:.2f} s, before its {_SHORT.seconds:g} s were over"
    return None


def _held_memory(seen: CaseResult) -> str | None:
    most = _HUNGRY.memory_mb * 3
    peak = seen.last.peak_memory_mb
    return f"it got {peak:.0f} MiB; the limit is {_HUNGRY.memory_mb}" if peak > most else None


def _cut(stream: str, length: int) -> Case:
    def check(seen: CaseResult) -> str | None:
        kept = len(getattr(seen.last, stream))
        return None if kept == length and seen.last.truncated else f"{kept} characters were kept, not {length}"

    return Case(
        name=f"a flood on {stream}",
        theme="output",
        steps=(Step(code=f"import sys\nwhile True: sys.{stream}.write('x' * 1000 + '\\n')", limits=_SMALL),),
        check=every(ended("output_limit", within=_LATENESS_SECONDS), check),
    )


def _simple(theme: Theme, name: str, code: str, status: str, **wanted: object) -> Case:
    """A case of one program under small limits."""
    return Case(name=name, theme=theme, steps=(Step(code=code, limits=_SMALL),), check=ended(status, **wanted))  # type: ignore[arg-type]


CASES: tuple[Case, ...] = (
    *(
        Case(
            name=name,
            theme="time",
            steps=(Step(code=f"{NAMED}print('begun')\n{code}", informed=True, limits=_SHORT),),
            check=every(
                ended("timeout", begins="begun\n", within=_SHORT.seconds + _LATENESS_SECONDS), _held_time, gone
            ),
            outside=True,
        )
        for name, code in _NEVER_ENDING.items()
    ),
    *(
        Case(
            name=name,
            theme="memory",
            steps=(Step(code=code, limits=_HUNGRY),),
            check=every(ended("memory_limit"), _held_memory),
            needs=needs,
        )
        for name, (code, needs) in _MEMORY_HUNGRY.items()
    ),
    *(
        Case(
            name=name,
            theme="memory",
            steps=(Step(code=code, limits=_HUNGRY),),
            # Refused, or ended at the limit.
            check=every(ended("memory_limit", "error"), _held_memory),
            isolation=isolation,
        )
        for name, (isolation, code) in _MEMORY_HIDDEN.items()
    ),
    Case(
        name="many processes with a little each",
        theme="memory",
        steps=(
            Step(
                code="import os, time\n"
                "for _ in range(8): os.fork() or (lambda x: time.sleep(60))(b'x' * (200 << 20))\ntime.sleep(60)",
                limits=_HUNGRY,
            ),
        ),
        # Only the sum is too much: it is looked at now and then, so how much they got by then says nothing.
        check=ended("memory_limit"),
    ),
    _simple(
        "memory",
        "a caught MemoryError",
        "try: bytes(10 << 30)\nexcept MemoryError: print('caught')",
        "ok",
        stdout="caught\n",
    ),
    _simple("memory", "the word MemoryError alone", "raise ValueError('MemoryError')", "error"),
    _cut("stdout", 5000),
    _cut("stderr", 5000),
    _simple("output", "one line of 100 MB", "print('x' * 100_000_000)", "output_limit", within=10),
    _simple(
        "output",
        "a flood from a child that its parent left",
        "import os, time\nif os.fork() == 0:\n    while True: os.write(1, b'x' * 1000)\nos.wait()",
        "output_limit",
    ),
    _simple("output", "output up to the limit", "print('x' * 4999)", "ok", stdout="x" * 4999 + "\n"),
    _simple(
        "output",
        "bytes that are no text",
        "import sys\nsys.stdout.buffer.write(b'a\\xff\\x00b\\n')\nprint(chr(0xd800))",
        "ok",
        stdout="a\ufffd\x00b\n\\ud800\n",
    ),
    _simple(
        "files", "a sparse file of 10 TB", "open('big', 'wb').truncate(10 << 40)", "error", stderr="File too large"
    ),
    _simple(
        "files",
        "a file that grows",
        "with open('big', 'wb', 0) as file:\n    while True: file.write(bytes(1 << 20))",
        "error",
        stderr="Errno",
    ),
    _simple(
        "files",
        "an unnamed file in memory",
        "import os\nfd = os.memfd_create('x')\nfor _ in range(100): os.write(fd, bytes(1 << 20))",
        "error",
        stderr="Errno",
    ),
    Case(
        name="many files that are large together",
        theme="files",
        steps=(Step(code="for i in range(100): open(f'f{i}', 'wb').write(bytes(1 << 20))", limits=_SMALL),),
        check=ended("error", stderr="No space left"),
        isolation="full",
    ),
    Case(
        name="a flood into shared memory",
        theme="files",
        steps=(Step(code="for i in range(100): open(f'/dev/shm/f{i}', 'wb').write(bytes(1 << 20))", limits=_SMALL),),
        check=ended("error", stderr="No space left"),
        isolation="full",
    ),
    Case(
        name="thousands of files",
        theme="files",
        steps=(Step(code="for i in range(20_000): open(f'f{i}', 'w').close()", limits=_SMALL),),
        check=ended("error", stderr="No space left"),
        isolation="full",
    ),
    _simple(
        "files",
        "hundreds of open files",
        "x = []\ntry:\n    while True: x.append(open('/dev/null'))\nexcept OSError as e: print(len(x) < 1024, e.errno)",
        "ok",
        stdout="True 24\n",
    ),
    Case(
        name="folders deeper than any path",
        theme="files",
        steps=(
            Step(code="import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\nopen('x', 'w').close()"),
            Step(code="import os\nprint(os.listdir())"),
        ),
        check=ended("ok", stdout="['main.py']\n"),
    ),
)
"""Time, memory, output, files."""
