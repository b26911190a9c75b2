"""Try things in a child process that is thrown away, as they can't be undone."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable

from storm_calm.sandbox.zygote import kernel, namespaces


def run_in_child(action: Callable[[], None]) -> None:
    """Run `action` in a child and wait for it; an OSError there is raised here."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer: OSError | None = None
        try:
            action()
        except OSError as error:
            answer = error
        except BaseException as error:
            answer = OSError(0, f"{type(error).__name__}: {error}")
        finally:
            os.write(writer, pickle.dumps(answer))
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        message = file.read()
    os.waitpid(pid, 0)
    failure = pickle.loads(message) if message else OSError(0, "the process that tried it died")
    if failure is not None:
        raise failure


def capabilities_as_nobody() -> frozenset[int] | None:
    """Return the capabilities that an ordinary user needs to run the interpreter; None if root can't become one.

    One capability, to read, if it is in /root. Where Landlock governs what can be read, it gives nothing beyond that.
    """
    folders = namespaces.system_folders()

    def become() -> None:
        namespaces.become(namespaces.NOBODY)

    def become_and_look() -> None:
        become()
        for folder in folders:
            os.listdir(folder)

    if not _works(become):
        return None
    return frozenset() if _works(become_and_look) else frozenset({kernel.CAP_DAC_READ_SEARCH})


def _works(action: Callable[[], None]) -> bool:
    """Whether `action` comes to its end, in a child that is thrown away."""
    try:
        run_in_child(action)
    except OSError:
        return False
    return True
