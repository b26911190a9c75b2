"""The part of the "e2b" backend in a cloud sandbox's kernel: a `KernelWorker` that answers numbered calls.

`sandbox.backends.e2b_worker` uploads this package and creates a worker; each cell that it then runs is one call. An
answer is one printed line (`marked`, `read`). Calls are idempotent: if the connection fails and a call is repeated
under the same number, the stored answer is returned and nothing runs twice.
"""

import json
import linecache
import re
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from storm_calm.sandbox.backends.worker import Worker
from storm_calm.sandbox.base import Limits, Sandbox
from storm_calm.sandbox.execution import SandboxUnavailableError

REPEATABLE = frozenset({"begin", "hello", "run"})
"""Calls that can be repeated after an interruption. The others change a session, whose state is then unknown."""

_MARK = "sandbox-answer"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PIP = ("-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check")


def marked(key: str, answer: str) -> str:
    """Format `answer`, one line of ASCII, to the call `key`; with a checksum, as output may get lost."""
    return f"\n{_MARK} {key} {zlib.crc32(answer.encode())} {answer}\n"


def read(output: str, key: str) -> Any | None:
    """Parse the answer to the call `key` in a kernel's output; None if it is missing or incomplete."""
    for line in output.splitlines():
        match line.split(" ", 3):
            case [mark, found, checksum, answer] if (mark, found) == (_MARK, key):
                if checksum == str(zlib.crc32(answer.encode())):
                    return json.loads(answer)
    return None


class KernelWorker:
    """The worker in the kernel. It answers one call at a time, as the kernel runs one cell at a time."""

    def __init__(self) -> None:
        self._sandbox: Sandbox | None = None
        self._worker: Worker | None = None
        self._number = 0
        self._pieces: dict[int, str] = {}
        self._answer: str | None = None

    def add_piece(self, number: int, index: int, piece: str) -> None:
        """Store a piece of a call that is too long for one cell; the last one goes to `answer`."""
        self._start_call(number)
        self._pieces[index] = piece
        _print_answer(f"{number}.{index}", "{}")

    def answer(self, number: int, index: int, piece: str) -> None:
        """Answer call `number`, whose last piece is `piece`, with `index` pieces before it."""
        self._start_call(number)
        if self._answer is None:
            interrupted = index in self._pieces
            self._pieces[index] = piece
            call = json.loads("".join(self._pieces[i] for i in range(index + 1)))
            if interrupted and call["call"] not in REPEATABLE:
                self._answer = json.dumps({"lost": "a call of a session was interrupted"})
            else:
                self._answer = json.dumps(self._do(call))
        _print_answer(f"{number}.{index}", self._answer)

    def _start_call(self, number: int) -> None:
        if number != self._number:
            self._number, self._pieces, self._answer = number, {}, None

    def _do(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            if call["call"] == "begin":
                self._begin(call["settings"])
                return {"value": None}
            if self._worker is None:
                return {"lost": "the kernel has no sandbox"}
            return self._worker.answer(call)
        except SandboxUnavailableError as error:
            return {"fault": str(error)}
        except Exception as error:
            return {"fault": f"{type(error).__name__}: {error}"}

    def _begin(self, settings: Mapping[str, Any]) -> None:
        """Install missing libraries, and open the sandbox."""
        from storm_calm.sandbox import open_sandbox

        install(settings["libraries"], settings["internet"])
        if self._sandbox is not None:
            self._sandbox.close()
        self._sandbox = open_sandbox(
            minimum_isolation=settings["minimum_isolation"],
            isolation=settings["isolation"],
            workers=1,
            limits=Limits(**settings["limits"]),
            libraries=[found[0] for found in map(_NAME.match, settings["libraries"]) if found],
        )
        self._worker = Worker(self._sandbox)


def install(libraries: Sequence[str], internet: bool) -> None:
    """Install the requirements `libraries` with pip. Raises SandboxUnavailableError with pip's reason."""
    if not libraries:
        return
    # "-I" ignores the user's own packages, which the fork server can't see either.
    network = ["--timeout=15", "--retries=2"] if internet else ["--no-index"]
    command = [sys.executable, *_PIP, *network, *libraries]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if run.returncode:
        reason = (run.stderr.strip() or run.stdout.strip()).rpartition("\n")[2] or f"exit code {run.returncode}"
        raise SandboxUnavailableError(
            f"pip could not install {', '.join(libraries)}: {reason}. Pass a template= built from code-interpreter-v1 "
            "that contains the libraries, or libraries= with the requirements of your programs"
        )


def _print_answer(key: str, answer: str) -> None:
    sys.stdout.write(marked(key, answer))
    sys.stdout.flush()
    # IPython keeps each cell and its output, which contain programs and files: clear them to limit the memory.
    linecache.clearcache()
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.history_manager.store_inputs = lambda *_, **__: None
        getattr(shell.history_manager, "outputs", {}).clear()  # since version 9
