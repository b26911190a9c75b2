"""Try irreversible actions in a child process that is then thrown away."""

import os
import pickle
from collections.abc import Callable, Iterable

from storm_calm.sandbox.zygote import kernel, namespaces


def run_in_child(action: Callable[[], None]) -> None:
    """Run `action` in a child process and wait for it. Raises the OSError that the action raised."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        result: OSError | None = None
        try:
            action()
        except OSError as error:
            result = error
        except BaseException as error:
            result = OSError(0, f"{type(error).__name__}: {error}")
        finally:
            os.write(writer, pickle.dumps(result))
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        message = file.read()
    os.waitpid(pid, 0)
    failure = pickle.loads(message) if message else OSError(0, "the process that tried it died")
    if failure is not None:
        raise failure


def capabilities_as_nobody() -> frozenset[int] | None:
    """Return the capabilities that an ordinary user needs to run the interpreter; None if root can't switch users.

    If only root can read the interpreter's folder, this is CAP_DAC_READ_SEARCH. Landlock still applies to it.
    """
    folders = namespaces.system_folders()
    if not _can_become_nobody():
        return None
    return frozenset() if _can_become_nobody(folders) else frozenset({kernel.CAP_DAC_READ_SEARCH})


def _can_become_nobody(folders: Iterable[str] = ()) -> bool:
    """Return whether a child process can change to the user `NOBODY` and then list these folders."""

    def action() -> None:
        namespaces.become(namespaces.NOBODY)
        for folder in folders:
            os.listdir(folder)

    try:
        run_in_child(action)
    except OSError:
        return False
    return True
