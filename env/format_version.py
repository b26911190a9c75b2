"""The format version of record files, which changes with their fields."""

from collections.abc import Mapping
from typing import Any

FORMAT_VERSION = 1


def with_version(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with the version as its first field."""
    return {"format_version": FORMAT_VERSION, **data}


def without_version(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data without its version. Raises ValueError for any other version."""
    rest = dict(data)
    version = rest.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise ValueError(
            f"written by another version of storm (format_version {'missing' if version is None else repr(version)}, "
            f"this one reads {FORMAT_VERSION}); use that version, or create the file again with this one"
        )
    return rest
