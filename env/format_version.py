"""The version of the files that runs leave behind. It changes whenever their fields do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMAT_VERSION = 1
"""Files without a version are older than this number."""


def with_version(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with the version in front."""
    return {"format_version": FORMAT_VERSION, **data}


def without_version(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data without its version. Raises ValueError, with the fix, for any version but this one."""
    rest = dict(data)
    version = rest.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise ValueError(
            f"written by another version of storm (format_version {'missing' if version is None else repr(version)}, "
            f"this one reads {FORMAT_VERSION}); use that version, or make it again with this one"
        )
    return rest
