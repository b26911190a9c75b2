"""Help on the errors of programs: what exists in a solver library, and how to call it.

    failure     the error of a program, and the solver libraries that the program uses
    names       attributes and imports that do not exist
    calls       wrong arguments
    messages    known error messages of solver libraries
    tables      missing columns and rows of pandas
    limits      limits of the sandbox, missing libraries, files and network
    usages      one-line usages of the solver libraries

`help_on` runs in the program's process: only there are the error and the libraries loaded. It uses the installed
library and the table `usages`, never values and expressions of the program, so it reveals nothing about the problem.
"""

from storm_calm.sandbox.error_help import calls, limits, messages, names, tables, usages
from storm_calm.sandbox.error_help.failure import Failure
from storm_calm.sandbox.error_help.limits import set_limits
from storm_calm.sandbox.execution import HELP_PREFIX

__all__ = ["help_on", "set_limits"]

_MAX_CHARS = 360  # so that the help survives in an observation, which is short
_KINDS = (limits.help_on, tables.help_on, messages.help_on, names.help_on, calls.help_on)


def help_on(error: BaseException) -> str:
    """Return one line of help on an uncaught error, with its line break; "" without help. Never raises."""
    try:
        failure = Failure.of(error)
        for kind in _KINDS:
            if text := kind(failure):
                line = " ".join((usages.minimizing(text) if failure.minimizes else text).split())
                line = line if len(line) <= _MAX_CHARS else f"{line[: _MAX_CHARS - 3]}..."
                return f"{HELP_PREFIX}{line}\n"
    except BaseException:  # Objects of the program may raise anything, and its own error is what counts.
        return ""
    return ""
