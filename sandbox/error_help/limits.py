"""Help on limits of the sandbox, missing libraries, files and the network."""

import errno
import importlib.util
import pkgutil
import re
import resource
import socket
import sys
from typing import Any

from storm_calm.sandbox.error_help import usages
from storm_calm.sandbox.error_help.failure import SOLVER_LIBRARIES, Failure, library_of
from storm_calm.sandbox.error_help.names import nearest

_allowed: dict[str, int] = {}  # the program's limits, by their names in `Limits`
_NETWORK = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


def set_limits(limits: dict[str, Any]) -> None:
    """Set the limits that help mentions."""
    _allowed.update(limits)


def help_on(failure: Failure) -> str:
    """Return help on an error that the sandbox's limits or a missing module caused; "" for others."""
    error = failure.error
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(str(error.name or ""))
    if isinstance(error, EOFError) and "reading a line" in failure.message:
        return "Standard input is empty. Write the values into the program."
    if isinstance(error, RuntimeError) and "can't start new thread" in failure.message:
        return _processes()
    return _system_error(error) if isinstance(error, OSError) else ""


def _missing_module(name: str) -> str:
    """Return help on a module that does not exist, with the solver libraries that do."""
    package, _, inner = name.rpartition(".")
    if package in sys.modules and library_of(package):
        near = nearest(inner, _modules_in(package))
        use = usages.usage(package, inner)
        return (
            f"`{package}` has no module `{inner}`."
            + (f" Nearest: {', '.join(f'`{one}`' for one in near)}." if near else "")
            + (f" Use {use}." if use else "")
        )
    there = [library for library in SOLVER_LIBRARIES if importlib.util.find_spec(library) is not None]
    inside = {"pywraplp": "ortools.linear_solver", "cp_model": "ortools.sat.python", "linprog": "scipy.optimize"}
    text = f"There is no module `{name}` here."
    if name in inside:
        text += f" Use `from {inside[name]} import {name}`."
    return f"{text} Solver libraries that can be imported: {', '.join(there) or 'none'}."


def _modules_in(package: str) -> list[str]:
    return [found.name for found in pkgutil.iter_modules(sys.modules[package].__path__)]


def _system_error(error: OSError) -> str:
    reason = getattr(error, "reason", None)  # of a urllib error
    if isinstance(reason, OSError):
        error = reason
    if isinstance(error, socket.gaierror) or error.errno in _NETWORK:
        return "Programs have no network. Write the data into the program, and use installed libraries only."
    if error.errno in (errno.EFBIG, errno.ENOSPC):
        return f"Files are limited to {resource.getrlimit(resource.RLIMIT_FSIZE)[0] >> 20} MB in all."
    if error.errno == errno.EMFILE:
        return f"At most {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} files can be open at once."
    if error.errno == errno.EAGAIN:
        return _processes()
    outside = isinstance(error.filename, str) and re.match(r"[/~]", error.filename)
    if outside and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            "Programs can use files in their working folder only. Use a relative path, such as `open('model.lp', 'w')`."
        )
    return ""


def _processes() -> str:
    most = f" of {_allowed['processes']}" if "processes" in _allowed else ""
    return f"The limit{most} on processes and threads is reached. Use one process, and at most a few threads."
