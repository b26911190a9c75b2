"""How a command fails: one line on standard error that names the thing, the place and the fix, and an exit code.

2 for bad usage or input, 1 for work that failed, 130 after Ctrl-C.
"""

from __future__ import annotations

import errno
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import typer

_FULL = "the disk is full; make room, and go on with --resume if the command has it"


@contextmanager
def report_errors() -> Iterator[None]:
    """Report what went wrong inside in one line, and exit. Anything unexpected keeps its traceback."""
    from storm_calm.agents.runs.options import OptionError
    from storm_calm.env import ReasonerError
    from storm_calm.sandbox import SandboxUnavailableError

    try:
        yield
    except OptionError as error:
        fail(f"--{error.name.replace('_', '-')}: {error.problem}", code=2)
    except ValueError as error:
        fail(str(error), code=2)
    except (ReasonerError, SandboxUnavailableError) as error:
        fail(str(error), code=1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fail(f"{place}{_FULL}", code=1)
        if error.errno == errno.EAGAIN:
            fail(_no_process(), code=1)
        fail(f"{place}{error.strerror}" if error.filename else str(error), code=2)
    except sqlite3.OperationalError as error:
        # SQLite says so whether the file is too large or there is no room for it.
        fail(_FULL if "full" in str(error) or "disk I/O" in str(error) else f"the checkpoints: {error}", code=1)
    except RuntimeError as error:
        if "can't start new thread" not in str(error):
            raise
        fail(_no_process(), code=1)


def fail(message: str, *, code: int) -> None:
    """Say it in one line, and exit."""
    typer.echo(f"storm: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)


def _no_process() -> str:
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    return f"no more processes or threads can be started: this user may have {most}; raise that with `ulimit -u`"
