"""From JSON data back to the frozen values of this package, with errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any


def arguments(cls: Any, data: Any) -> dict[str, Any]:
    """`data` as keyword arguments for the dataclass `cls`.

    Raises ValueError where `data` is no mapping, has a key that `cls` does not have, or lacks one that `cls` needs.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{cls.__name__}: give an object, not {data!r}")
    known = {field.name: field for field in fields(cls)}
    for name in data:
        if name not in known:
            raise ValueError(f"{cls.__name__} has no field {name!r}")
    for name, field in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f'{cls.__name__}: "{name}" is missing')
    return dict(data)
