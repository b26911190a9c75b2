"""The part of the "e2b" backend in a cloud sandbox's kernel: a `KernelWorker` that answers numbered calls.

`sandbox.backends.e2b` sends this package there and makes a worker; every cell that it then runs is one call of it. A
worker answers in a printed line of its own (`marked`, `read`), and each number once: if the connection breaks and the
call is made again, it gives the answer that it has rather than run anything a second time.
"""

from __future__ import annotations

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
"""Calls that may be begun a second time when the first was cut off: a program leaves nothing behind. The others belong
to sessions, whose state is then unknown."""

_MARK = "sandbox-answer"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PIP = ("-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check")


def marked(key: str, answer: str) -> str:
    """The line that carries `answer`, one line of ASCII, to the call named `key`; with a sum, as output gets lost."""
    return f"\n{_MARK} {key} {zlib.crc32(answer.encode())} {answer}\n"


def read(output: str, key: str) -> Any | None:
    """The answer to the call named `key` in what a kernel printed; None where it isn't there, or not whole."""
    for line in output.splitlines():
        mark, _, rest = line.partition(" ")
        if mark != _MARK:
            continue
        found, _, rest = rest.partition(" ")
        total, _, answer = rest.partition(" ")
        if found == key and total == str(zlib.crc32(answer.encode())):
            return json.loads(answer)
    return None


class KernelWorker:
    """Answers calls, one at a time, as a kernel runs one cell at a time."""

    def __init__(self) -> None:
        self._sandbox: Sandbox | None = None
        self._worker: Worker | None = None
        self._number = 0
        self._pieces: dict[int, str] = {}
        self._answer: str | None = None

    def add_piece(self, number: int, index: int, piece: str) -> None:
        """Take a piece of a call that is too long for one cell; `answer` brings the last one."""
        if number != self._number:
            self._number, self._pieces, self._answer = number, {}, None
        self._pieces[index] = piece
        _print_answer(f"{number}.{index}", "{}")

    def answer(self, number: int, index: int, piece: str) -> None:
        """Answer call `number`, whose last piece, of `index` before it, is `piece`."""
        if number != self._number:
            self._number, self._pieces, self._answer = number, {}, None
        if self._answer is None:
            cut_off = index in self._pieces
            self._pieces[index] = piece
            call = json.loads("".join(self._pieces[i] for i in range(index + 1)))
            if cut_off and call["call"] not in REPEATABLE:
                self._answer = json.dumps({"lost": "a call of a session was cut off"})
            else:
                self._answer = json.dumps(self._do(call))
        _print_answer(f"{number}.{index}", self._answer)

    def _do(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            if call["call"] == "begin":
                self._begin(**call["settings"])
                return {"value": None}
            if self._worker is None:
                return {"lost": "the kernel has no sandbox"}
            return self._worker.answer(call)
        except SandboxUnavailableError as error:
            return {"fault": str(error)}
        except Exception as error:
            return {"fault": f"{type(error).__name__}: {error}"}

    def _begin(
        self,
        *,
        minimum_isolation: str,
        isolation: str,
        limits: Mapping[str, Any],
        libraries: Sequence[str],
        internet: bool,
    ) -> None:
        """Install what is missing of `libraries`, and open the sandbox."""
        from storm_calm.sandbox import open_sandbox

        install(libraries, internet)
        if self._sandbox is not None:
            self._sandbox.close()
        self._sandbox = open_sandbox(
            minimum_isolation=minimum_isolation,  # type: ignore[arg-type]
            isolation=isolation,  # type: ignore[arg-type]
            workers=1,
            limits=Limits(**limits),
            libraries=[found[0] for found in map(_NAME.match, libraries) if found],
        )
        self._worker = Worker(self._sandbox)


def install(libraries: Sequence[str], internet: bool) -> None:
    """Make pip install those of `libraries` that are missing, given as it takes them; it is quick where none is.

    Raises SandboxUnavailableError with pip's reason.
    """
    if not libraries:
        return
    # Isolated from the user's own packages, as the fork server is: what it can't see counts as missing.
    line = ["--timeout=15", "--retries=2"] if internet else ["--no-index"]
    run = subprocess.run(
        [sys.executable, *_PIP, *line, *libraries],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if run.returncode:
        reason = (run.stderr.strip() or run.stdout.strip()).rpartition("\n")[2] or f"exit code {run.returncode}"
        raise SandboxUnavailableError(f"pip could not install {', '.join(libraries)}: {reason}")


def _print_answer(key: str, answer: str) -> None:
    sys.stdout.write(marked(key, answer))
    sys.stdout.flush()
    _forget()


def _forget() -> None:
    """Keep the kernel from growing: IPython remembers each cell and its output, which carry programs and files."""
    linecache.clearcache()
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.history_manager.store_inputs = lambda *_, **__: None
        getattr(shell.history_manager, "outputs", {}).clear()  # Of version 9 and later.
