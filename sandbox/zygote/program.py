"""Run code as the program `main.py`, with the environment, tracebacks and exit code that python would give it."""

import atexit
import ctypes
import io
import linecache
import os
import re
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from storm_calm.sandbox.error_help import help_on
from storm_calm.sandbox.zygote import kernel

FILE_NAME = "main.py"
_BY_LINE = 1  # _IOLBF
_SUGGESTION = re.compile(r"\. Did you (?:mean: '[^'\n]{1,200}'|forget to import '\w{1,200}')\?(?=\s*\Z)")
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def open_standard_streams() -> None:
    """Open the Python and C streams on file descriptors 0 to 2."""
    sys.stdin = sys.__stdin__ = _stream(0, "r", "replace")  # type: ignore[misc]
    # Line buffered: a kill or os._exit loses no complete line, and a print does not need a system call for each part.
    sys.stdout = sys.__stdout__ = _stream(1, "w", "backslashreplace")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "w", "backslashreplace")  # type: ignore[misc]
    kernel.libc.setvbuf(ctypes.c_void_p.in_dll(kernel.libc, "stdout"), None, _BY_LINE, 0)


def _stream(fd: int, mode: str, errors: str) -> Any:
    return open(fd, mode, buffering=1, encoding="utf-8", errors=errors, closefd=False)


def run(code: str) -> int:
    """Run `code` as `__main__`, then its threads and atexit callbacks, and return the exit code."""
    folder = os.getcwd()
    with open(os.path.join(folder, FILE_NAME), "wb") as file:  # For inspect, and for spawn in multiprocessing.
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
    """Run `text` in `namespace`. Tracebacks show it as the file `name`."""
    # Without a time stamp, tracebacks keep these lines even if the program changes the file.
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec", dont_inherit=True), namespace)


def guard(action: Callable[[], object]) -> int:
    """Call `action`, and return the exit code of a python process in which it returned or raised."""
    try:
        action()
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return int(leaving.code or 0) & 0xFF
        sys.stderr.write(f"{leaving.code}\n")
        return 1
    except BaseException as error:
        _hide_our_frames(error)
        _hide_library_causes(error)
        if sys.excepthook is not sys.__excepthook__:  # The program has set its own.
            sys.excepthook(type(error), error, error.__traceback__)
        else:
            redirected = sys.stderr is not sys.__stderr__  # maybe to the program's output, which must stay as it is
            sys.stderr.write(_traceback(error) + ("" if redirected else help_on(error)))
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _traceback(error: BaseException) -> str:
    """Return the traceback that python would print. It ends with "Did you mean" if python has a suggestion."""
    text = "".join(traceback.format_exception(error))
    if sys.version_info >= (3, 12) or not isinstance(error, (AttributeError, NameError)):
        return text
    # In Python 3.11 only the interpreter's own printing makes suggestions, but it does not know this program's lines.
    printed = io.StringIO()
    stderr, sys.stderr = sys.stderr, printed
    try:
        sys.__excepthook__(type(error), error, error.__traceback__)
    finally:
        sys.stderr = stderr
    suggestion = _SUGGESTION.search(printed.getvalue())
    return f"{text.rstrip()}{suggestion[0]}\n" if suggestion else text


def _hide_our_frames(error: BaseException | None) -> None:
    """Remove frames of this project from the tracebacks of `error` and of its causes and contexts."""
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


def _hide_library_causes(error: BaseException) -> None:
    """Leave out causes that no line of the program led to: only a library's own steps to its error.

    Models see the beginning and the end of a traceback. Such a cause would push the program's line out of it.
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None:
        return
    frame = cause.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__") == "__main__":
            return
        frame = frame.tb_next
    error.__cause__ = None
    error.__suppress_context__ = True


def flush() -> None:
    """Flush the standard streams of Python and C."""
    sys.stdout.flush()
    sys.stderr.flush()
    kernel.libc.fflush(None)
