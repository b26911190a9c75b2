"""Running a text as the program `main.py`: what it sees, its tracebacks and its exit code are python's own."""

from __future__ import annotations

import atexit
import ctypes
import linecache
import os
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from storm_calm.sandbox.zygote import kernel

FILE_NAME = "main.py"
_BY_LINE = 1  # _IOLBF
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def open_standard_streams() -> None:
    """Python and C streams over file descriptors 0 to 2, that keep what was printed when the process is killed."""
    sys.stdin = sys.__stdin__ = _stream(0, "r", "replace")  # type: ignore[misc]
    # Line by line: then a kill or os._exit loses no line, and a print is not a call for each of its pieces.
    sys.stdout = sys.__stdout__ = _stream(1, "w", "backslashreplace")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "w", "backslashreplace")  # type: ignore[misc]
    kernel.libc.setvbuf(ctypes.c_void_p.in_dll(kernel.libc, "stdout"), None, _BY_LINE, 0)


def _stream(fd: int, mode: str, errors: str) -> Any:
    return open(fd, mode, buffering=1, encoding="utf-8", errors=errors, closefd=False)


def run(code: str) -> int:
    """Run `code` as `__main__` to its end, threads and atexit callbacks included; the exit code."""
    folder = os.getcwd()
    with open(os.path.join(folder, FILE_NAME), "wb") as file:  # For inspect, and for multiprocessing's spawn.
        file.write(code.encode("utf-8", errors="surrogatepass"))
    sys.argv[:] = [FILE_NAME]
    sys.path.insert(0, folder)
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=FILE_NAME, __builtins__=sys.modules["builtins"], __annotations__={}, __cached__=None)
    sys.modules["__main__"] = main
    exit_code = guard(lambda: execute(code, FILE_NAME, main.__dict__))
    exit_code = guard(threading._shutdown) or exit_code  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return exit_code or guard(flush)


def execute(text: str, name: str, namespace: dict[str, object]) -> None:
    """Run `text` in `namespace`; in tracebacks it is the file `name`, with its lines."""
    # Without a time stamp the lines stay as they are whatever the program does with the file.
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec", dont_inherit=True), namespace)


def guard(action: Callable[[], object]) -> int:
    """Call `action`; the exit code that what it raised would give a python process."""
    try:
        action()
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return int(leaving.code or 0) & 0xFF
        sys.stderr.write(f"{leaving.code}\n")
        return 1
    except BaseException as error:
        report(error)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def report(error: BaseException) -> None:
    """Print the traceback as python would: with no frame of ours, by the program's own hook if it has one."""
    hide_our_frames(error)
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, error.__traceback__)
    else:
        traceback.print_exception(error)


def hide_our_frames(error: BaseException | None) -> None:
    """Take our frames out of the tracebacks of `error` and of the errors that led to it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        frames = []
        frame = current.__traceback__
        while frame is not None:
            if not frame.tb_frame.f_code.co_filename.startswith(_OURS):
                frames.append(frame)
            frame = frame.tb_next
        remaining = None
        for frame in reversed(frames):
            frame.tb_next = remaining
            remaining = frame
        current.__traceback__ = remaining
        waiting += [current.__cause__, current.__context__]
        waiting += getattr(current, "exceptions", ())


def flush() -> None:
    """Write out what Python and C still hold back of the standard streams."""
    sys.stdout.flush()
    sys.stderr.flush()
    kernel.libc.fflush(None)
