"""How a command fails: one line on standard error that names the thing, the place and the fix, and an exit code.

2 for bad usage or input, 1 for work that failed, 130 after Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def told() -> Iterator[None]:
    """Say what went wrong inside, and exit. A mistake of ours, which is anything unexpected, keeps its traceback."""
    from env import ReasonerError
    from sandbox import SandboxUnavailableError

    try:
        yield
    except ValueError as error:
        fail(str(error), code=2)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), code=2)
    except (ReasonerError, SandboxUnavailableError) as error:
        fail(str(error), code=1)


def fail(message: str, *, code: int) -> None:
    """Say it in one line, and exit."""
    typer.echo(f"storm: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)
