"""Error reports of commands: one line on standard error that names the problem, the place and the fix.

Exit codes: 2 for wrong usage or input, 1 for work that failed, 130 after Ctrl-C.
"""

import errno
import re
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperGroup

_FULL = "the disk is full; free some space, then use --resume if the command has it"
# Depending on its version, typer has click inside or depends on it; the error class is click's either way.
_UsageError: Any = typer.BadParameter.__base__


class PlainErrorGroup(TyperGroup):
    """The commands of an app, with a line for usage errors instead of typer's box, and for Ctrl-C, which is silent."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _usage_errors(ctx):
            return super().invoke(ctx)


@contextmanager
def _usage_errors(ctx: Any = None) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        fail("stopped", code=130)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # The help is printed already.
            raise
        command = "storm" if ctx is None else f"{ctx.command_path} {ctx.invoked_subcommand or ''}".strip()
        if error.ctx is not None:
            command = error.ctx.command_path
        fail(f"{_usage_message(error)} Try '{command} --help'.", code=2)


def _usage_message(error: Any) -> str:
    """Return the message as one or two sentences, with close matches of an unknown option or value."""
    if hasattr(error, "possibilities"):
        message, matches = error.message, error.possibilities or ()
    else:
        message = error.format_message().replace("Value error, ", "").partition(", unable to parse")[0]
        wrong, *choices = re.findall(r"'([^']*)'", message.partition(": ")[2]) or [""]
        matches = get_close_matches(wrong, choices)
    message = message if message.endswith(("?", ".")) else f"{message}."
    return f"{message} Did you mean {' or '.join(matches)}?" if matches else message


@contextmanager
def report_errors() -> Iterator[None]:
    """Report expected errors in one line and exit. An unexpected error keeps its traceback."""
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
            fail(_process_limit(), code=1)
        fail(f"{place}{error.strerror}" if error.filename else str(error), code=2)
    except sqlite3.OperationalError as error:
        # SQLite reports a file that is too large in the same way as a full disk.
        fail(_FULL if "full" in str(error) or "disk I/O" in str(error) else f"the checkpoints: {error}", code=1)
    except RuntimeError as error:
        if "can't start new thread" not in str(error):
            raise
        fail(_process_limit(), code=1)


def fail(message: str, *, code: int) -> None:
    typer.echo(f"storm: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)


def warn(message: str) -> None:
    typer.echo(f"storm: warning: {' '.join(message.split())}", err=True)


def _process_limit() -> str:
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    return f"cannot start more processes or threads: the limit of this user is {most}; raise it with `ulimit -u`"
