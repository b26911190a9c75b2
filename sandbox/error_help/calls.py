"""Help on wrong arguments: the arguments that a function takes, and its usage."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import ModuleType
from typing import Any

from storm_calm.sandbox.error_help import usages
from storm_calm.sandbox.error_help.failure import Failure, library_of
from storm_calm.sandbox.error_help.names import nearest

_MAX_ARGUMENTS = 12
_MAX_FUNCTIONS = 20
_CALL = re.compile(
    r"(?:\w+\.)*?((?:\w+\.)?\w+)\(\)(?: missing \d| got (?:an unexpected|multiple|some positional)| takes |"
    r": incompatible (?:function|constructor) arguments)"
)
_UNKNOWN_ARGUMENT = re.compile(r"got an unexpected keyword argument '(\w+)'")
_SWIG = re.compile(r"(?:method|overloaded function|built-in function) '?([A-Z]\w*?)_(\w+)\b")
_NOT_CALLABLE = "'module' object is not callable"


def help_on(failure: Failure) -> str:
    """Return help on a wrong call of a function in a solver library; "" for others."""
    if not isinstance(failure.error, (TypeError, ValueError, SystemError, NotImplementedError)):
        return ""
    if failure.message == _NOT_CALLABLE:
        return _called_module(failure)
    if found := _SWIG.search(failure.message):
        owner = f"pywraplp.{found[1]}"
        use = usages.usage(owner, found[2])
        return f"`{found[1]}.{found[2]}` got wrong arguments. Use {use}." if use and failure.uses("ortools") else ""
    if found := _CALL.match(failure.message):
        return _wrong_arguments(failure, found[1])
    return ""


def _called_module(failure: Failure) -> str:
    """Return help on a module that is called like a function."""
    for name, value in failure.program_values().items():
        called = isinstance(value, ModuleType) and re.search(rf"(?<![\w.]){re.escape(name)}\s*\(", failure.line)
        if called and library_of(value.__name__):
            if callable(getattr(value, name, None)):
                return f"`{value.__name__}` is a module. Use `from {value.__name__} import {name}`."
            use = usages.usage(value.__name__, name)
            return f"`{value.__name__}` is a module, not a function." + (f" Use {use}." if use else "")
    return ""


def _wrong_arguments(failure: Failure, called: str) -> str:
    """Return help on a call with wrong arguments. called: a function, or a class and its method."""
    functions = list(islice(_functions(failure, called), _MAX_FUNCTIONS))
    if not functions:
        return ""
    # Several modules of a library may have a class of that name.
    used = (one for one in functions if getattr(one, "__module__", None) in failure.modules)
    function = next(used, functions[0])
    owner, _, name = called.rpartition(".")
    shown = owner if name == "__init__" else called
    arguments = _arguments(function)
    unknown = _UNKNOWN_ARGUMENT.search(failure.message)
    text = ""
    if arguments:
        near = nearest(unknown[1], arguments, 1, cutoff=0.8) if unknown else []
        text = f"`{shown}` takes {', '.join(arguments)}." if len(arguments) <= _MAX_ARGUMENTS else ""
        text += f" Nearest to `{unknown[1]}`: `{near[0]}`." if unknown and near else ""
    use = _usage(failure, shown, function)
    return " ".join(filter(None, (f"Use {use}." if use else "", text)))


def _usage(failure: Failure, called: str, function: Callable[..., Any]) -> str:
    owner, _, name = called.rpartition(".")
    if not owner and name in usages.USAGES:
        return usages.usage(name, name)
    for key in usages.USAGES:
        module, _, cls = key.rpartition(".")
        if (
            module
            and cls == (owner or name)
            and any(part.startswith(module) for part in function.__module__.split("."))
        ):
            return usages.usage(key, name if owner else usages.CREATE)
    objects = [key for key in usages.USAGES if key != key.lower() and _belongs(key, failure)]
    return next((use for key in objects if usages.wanted(name) and (use := usages.usage(key, name))), "")


def _belongs(key: str, failure: Failure) -> bool:
    """Return whether a key of `USAGES` belongs to a module that the program uses."""
    top = key.partition(".")[0]
    return any(top in module.split(".") for module in failure.modules)


def _functions(failure: Failure, called: str) -> Iterator[Callable[..., Any]]:
    """Yield the functions of the program's solver libraries that an error message calls `called`."""
    owner, _, name = called.rpartition(".")
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType) or library_of(module.__name__) not in failure.libraries:
            continue
        spaces: list[Mapping[str, Any]] = [vars(module)]
        classes = [value for value in list(spaces[0].values()) if isinstance(value, type)]
        if owner:
            spaces = [vars(cls) for cls in classes if cls.__name__ == owner]
        elif name not in spaces[0]:  # Cython names a method without its class.
            spaces = [vars(cls) for cls in classes if library_of(cls.__module__)]
        for space in spaces:
            found = space.get(name)
            if callable(found) and library_of(str(getattr(found, "__module__", None) or module.__name__)):
                yield found


def _arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's arguments; [] if it does not reveal them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    named = [one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    return [name for name in named if name != "self" and not name.startswith("_")]
