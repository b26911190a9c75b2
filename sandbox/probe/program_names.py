"""Names of variables that a program gave none, from its own global variables: x, x[3], ship['A', 2]."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

MAX_OBJECTS = 20_000
"""Objects that are looked at."""
MAX_DEPTH = 3
"""Nested lists and dictionaries that are searched."""


def program_names(kind: type | tuple[type, ...], key: Callable[[Any], Any]) -> dict[Any, str]:
    """Return names of the objects of a type that the program's global variables hold, by `key` of the object.

    Searches lists, tuples and dictionaries, and nothing whose code belongs to the program.
    """
    main = sys.modules.get("__main__")
    found: dict[Any, str] = {}
    values = list(getattr(main, "__dict__", {}).items())
    for number, (name, value) in enumerate(_objects([(name, value, 0) for name, value in values if name[:1] != "_"])):
        if number >= MAX_OBJECTS:
            break
        if isinstance(value, kind):
            found.setdefault(key(value), name)
    return found


def _objects(waiting: list[tuple[str, Any, int]]) -> Iterator[tuple[str, Any]]:
    """Yield objects and their names, the outer ones first."""
    for name, value, depth in waiting:
        yield name, value
        if depth == MAX_DEPTH or _has_data(value):
            continue
        if type(value) in (list, tuple):
            waiting.extend((f"{name}[{index}]", part, depth + 1) for index, part in enumerate(value))
        elif type(value) is dict:
            parts = [(place, part) for place, part in value.items() if _is_plain(place)]
            waiting.extend((f"{name}[{_index(place)}]", part, depth + 1) for place, part in parts)
        if len(waiting) > MAX_OBJECTS:
            return


def _has_data(value: Any) -> bool:
    """Return whether a list or dictionary begins with a number or a text, and so holds data rather than variables."""
    parts = value.values() if type(value) is dict else value if type(value) in (list, tuple) else ()
    return isinstance(next(iter(parts), None), int | float | str)


def _is_plain(place: Any) -> bool:
    if type(place) is tuple:
        return all(type(part) in (str, int) for part in place)
    return type(place) in (str, int)


def _index(place: Any) -> str:
    return ", ".join(map(repr, place)) if type(place) is tuple else repr(place)
